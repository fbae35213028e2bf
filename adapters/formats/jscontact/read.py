"""vCard to JSContact (RFC 9555 §2): the cards of a stream as JSContact Cards.

The result is complete: what has no equivalent is kept in vCardProps, vCardParams and vCardName (§2.15), so that
`write.write_card` gives the same data back.
"""

from typing import Any

from adapters.formats.content_lines import ContentLine
from adapters.formats.jscontact.addresses import read_addresses
from adapters.formats.jscontact.anniversaries import read_anniversaries
from adapters.formats.jscontact.items import read_rows
from adapters.formats.jscontact.languages import read_localizations, set_apart
from adapters.formats.jscontact.names import read_names
from adapters.formats.jscontact.organizations import read_groups, read_organizations
from adapters.formats.jscontact.shape import faults
from adapters.formats.jscontact.simple import read_gender, read_sets, read_singles
from adapters.formats.jscontact.state import Reading
from adapters.formats.jscontact.stream import VCard, read_stream
from adapters.formats.json_text import read_json
from adapters.formats.keys import value_key
from adapters.formats.pointer import InvalidPatch, apply_patch, get_pointer
from adapters.formats.values import Json, read_text

VERSION = "1.0"  # RFC 9553 §1.9.2
_RESERVED = frozenset({"@type", "version", "vCardProps"})


def read_cards(data: bytes, *, uid: str | None = None) -> list[dict[str, Any]]:
    """The Cards of a stream of vCards (2.1, 3.0, 4.0), in its order.

    A vCard without UID gets `uid`, or where that is None one that is derived from what it says (§2.1.1). Raises
    `ValueError` for what is no stream of vCards, and for too much of it.
    """
    vcards, _ = read_stream(data)
    return [read_vcard(vcard, uid).js for vcard in vcards]


def read_vcard(vcard: VCard, uid: str | None = None) -> Reading:
    """One vCard; the Card is complete in the result's `js`, and `origins` says what came from which line."""
    r = Reading(vcard)
    read_singles(r)
    alternatives = set_apart(r)
    read_names(r)
    read_organizations(r)
    read_rows(r)
    read_gender(r)
    read_addresses(r)
    read_anniversaries(r)
    read_sets(r)
    read_groups(r)
    read_localizations(r, alternatives)
    r.js.setdefault("uid", uid or _derived_uid(vcard))
    _apply_jsprops(r)
    r.js = {"@type": "Card", "version": VERSION, **r.finish()}
    return r


def _derived_uid(vcard: VCard) -> str:
    content = "\n".join(sorted(f"{line.name}:{line.value}" for line in vcard.lines))
    return f"urn:uuid:{value_key(content)}"


def _apply_jsprops(r: Reading) -> None:
    """Set what JSPROP properties say, last of all and all together or none (§3.2.1)."""
    lines = r.take("JSPROP")
    if not lines:
        return
    try:
        patch = {_pointer(r, line): _value(line) for line in lines}
        if len(patch) != len(lines):
            raise InvalidPatch("one pointer twice")
        patched = apply_patch(r.js, patch)
        if found := faults({"@type": "Card", **patched}):
            raise InvalidPatch(f"{found[0][0]} {found[0][1]}")
    except ValueError:
        for line in lines:
            r.keep(line)
        return
    r.js = patched
    for line, pointer in zip(lines, patch, strict=True):
        r.came(line, f"JSPROP/{pointer}")


def _pointer(r: Reading, line: ContentLine) -> str:
    pointer = (line.parameter("JSPTR") or "").removeprefix("/")
    parent = pointer.rpartition("/")[0]
    if not pointer or pointer.partition("/")[0] in _RESERVED:
        raise InvalidPatch(f"JSPTR {pointer[:60]!r}")
    if parent and isinstance(get_pointer(r.js, parent), list):
        raise InvalidPatch("JSPTR into an array")
    return pointer


def _value(line: ContentLine) -> Json:
    return read_json(read_text(line.value))
