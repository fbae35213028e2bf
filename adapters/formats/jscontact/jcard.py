"""What vCard says of its properties, for keeping them as jCard (RFC 9555 §2.15, RFC 7095)."""

from typing import Final

from adapters.formats.content_lines import ContentLine
from adapters.formats.jcal import Vocabulary, from_jcal, jcal_parameters, line_parameters, to_jcal, types_by_name
from adapters.formats.values import Json, JsonObject

VCARD: Final = Vocabulary(
    types_by_name(
        {
            "text": "adr birthplace categories deathplace email expertise fn gender gramgender hobby interest jsprop "
            "kind n nickname note org prodid pronouns role tel title tz xml",
            "uri": "caladruri caluri contact-uri fburl geo impp key logo member org-directory photo related "
            "socialprofile sound source uid url",
            "language-tag": "lang language",
        }
    ),
    lists=frozenset({"categories", "nickname"}),
    structured=frozenset({"adr", "gender", "n", "org"}),
)
_FORM = frozenset({"VALUE", "ENCODING", "CHARSET"})
"""Parameters that say how the text is to be read, which the object says by what it is."""


def to_jcard(line: ContentLine) -> list[Json]:
    """A property as JCardProp (RFC 9555 §2.15.1)."""
    return to_jcal(line, VCARD)


def from_jcard(prop: Json) -> ContentLine:
    """The reverse; raises `ValueError` for what is none."""
    return from_jcal(prop, VCARD)


def vcard_params(line: ContentLine, used: frozenset[str]) -> JsonObject:
    """The parameters of a property that are not in `used`, and its group, as vCardParams (RFC 9555 §2.15.2)."""
    parameters = jcal_parameters(line.parameters, used | _FORM)
    if line.group:
        parameters["group"] = line.group
    return parameters


def recorded(params: Json) -> tuple[dict[str, tuple[str, ...]], str | None]:
    """Parameters and group out of vCardParams. Raises `ValueError` for what is not in jCard form."""
    found = line_parameters(params or {})
    group = found.pop("GROUP", (None,))[0]
    return found, group
