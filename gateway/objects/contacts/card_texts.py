"""What the text conditions of ContactCard/query look at (RFC 9610 §3.3.1)."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

Card = Mapping[str, Any]
Texts = Callable[[Card], Iterator[str]]


def texts_of(card: Card, condition: str) -> Iterator[str]:
    """What a condition looks at in a card."""
    yield from _FIELDS[condition](card)


def first_component(card: Card, kind: str) -> str:
    """The value of the first component of the name that has this kind (§3.3.2); empty where there is none."""
    return next(_components(card, kind), "")


def _components(card: Card, kind: str) -> Iterator[str]:
    for component in (card.get("name") or {}).get("components") or ():
        if component.get("kind") == kind:
            yield component["value"]


def _component(kind: str) -> Texts:
    return lambda card: _components(card, kind)


def _name(card: Card) -> Iterator[str]:
    yield from _in_parts(card.get("name") or {})


def _addresses(card: Card) -> Iterator[str]:
    for address in (card.get("addresses") or {}).values():
        yield from _in_parts(address)


def _in_parts(value: Mapping[str, Any]) -> Iterator[str]:
    """The components, and the whole: as it is given, else as the components make it, for phrases."""
    components = value.get("components") or ()
    yield from (component["value"] for component in components)
    if isinstance(value.get("full"), str):
        yield value["full"]
    elif len(components) > 1:
        yield _joined(components, value.get("defaultSeparator", " "))


def _joined(components: Iterable[Mapping[str, Any]], separator: str) -> str:
    text, between = "", ""
    for component in components:
        if component["kind"] == "separator":
            text, between = text + component["value"], ""
        else:
            text, between = text + between + component["value"], separator
    return text


def _members(name: str, *members: str) -> Texts:
    def texts(card: Card) -> Iterator[str]:
        for item in (card.get(name) or {}).values():
            yield from (item[member] for member in members if isinstance(item.get(member), str))

    return texts


def _units(card: Card) -> Iterator[str]:
    for organization in (card.get("organizations") or {}).values():
        yield from (unit["name"] for unit in organization.get("units") or ())


def _keywords(card: Card) -> Iterator[str]:
    yield from card.get("keywords") or ()


def _everything(card: Card) -> Iterator[str]:
    for texts in _EVERYTHING:
        yield from texts(card)


_FIELDS: Final[Mapping[str, Texts]] = {
    "text": _everything,
    "name": _name,
    "name/given": _component("given"),
    "name/surname": _component("surname"),
    "name/surname2": _component("surname2"),
    "nickname": _members("nicknames", "name"),
    "organization": _members("organizations", "name"),
    "email": _members("emails", "address", "label"),
    "phone": _members("phones", "number", "label"),
    "onlineService": _members("onlineServices", "service", "uri", "user", "label"),
    "address": _addresses,
    "note": _members("notes", "note"),
}
_EVERYTHING: Final[tuple[Texts, ...]] = (
    *(texts for name, texts in _FIELDS.items() if name != "text" and "/" not in name),  # the others are of `name`
    _units,
    _keywords,
    _members("titles", "name"),
    _members("links", "uri", "label"),
    _members("personalInfo", "value", "label"),
)
CONDITIONS: Final = tuple(_FIELDS)
