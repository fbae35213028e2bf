"""Privileges and access control entries (RFC 3744) as sets of names (pure)."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Final

from adapters.dav.bodies import Element, element, hrefs
from adapters.dav.hrefs import canonical
from adapters.dav.names import caldav, dav, local

WRITE: Final = frozenset({"write-content", "write-properties", "bind", "unbind"})
"""RFC 3744 §3.2: what DAV:write contains."""

ALL: Final = WRITE | {
    "read",
    "read-free-busy",
    "unlock",
    "read-acl",
    "write-acl",
    "share",
    "read-current-user-privilege-set",
    "schedule-send",
    "schedule-deliver",
}

_CONTAINS: Final = {
    "all": ALL,
    "write": WRITE,
    "read": frozenset({"read", "read-free-busy"}),  # RFC 4791 §6.1.1
    "admin": frozenset({"read-acl", "write-acl", "share"}),  # Cyrus
}


_CALDAV: Final = frozenset({"read-free-busy", "schedule-send", "schedule-deliver"})
"""Those of RFC 4791 and RFC 6638; the others are DAV's own."""


def privileges(value: Element | None) -> frozenset[str]:
    """The privileges inside an element (DAV:current-user-privilege-set, DAV:grant), aggregates resolved."""
    names = [] if value is None else [local(child.tag) for held in value.iter(dav("privilege")) for child in held]
    found: set[str] = set()
    for name in names:
        found |= _CONTAINS.get(name, frozenset({name}) & ALL)
    return frozenset(found)


def grants(acl: Element) -> Iterator[tuple[str, frozenset[str]]]:
    """(href of a principal, what it is granted) for each access control entry that names one (RFC 3744 §5.5)."""
    for ace in acl.iterfind(dav("ace")):
        href, grant = _whose(ace), ace.find(dav("grant"))
        held = privileges(grant)
        if href is not None and held:  # DAViCal shows those too who may do nothing any more
            yield href, held


def regranted(acl: Element, wanted: Mapping[str, frozenset[str]], *, says_nothing: bool = False) -> Element:
    """The body of an ACL request after which these principals (canonical paths) may do just that (RFC 3744 §8.1).

    says_nothing: who may do nothing is named with an empty grant (DAViCal keeps what it gave to whom nobody names).

    Whatever else the present list says stays, but for what is the server's own to say: protected and inherited.
    """
    kept = [
        deepcopy(ace)
        for ace in acl.iterfind(dav("ace"))
        if ace.find(dav("protected")) is None and ace.find(dav("inherited")) is None
        if (href := _whose(ace)) is None or canonical(href) not in wanted
    ]
    given = [_granting(path, names) for path, names in wanted.items() if names or says_nothing]
    return element(dav("acl"), *kept, *given)


def _whose(ace: Element) -> str | None:
    return (ace.findtext(f"{dav('principal')}/{dav('href')}") or "").strip() or None


def _granting(path: str, names: frozenset[str]) -> Element:
    """The access control entry for one principal; what is contained in a privilege is not said again."""
    said = names - {"read-free-busy"} if "read" in names else names
    held = [element(dav("privilege"), element(caldav(name) if name in _CALDAV else dav(name))) for name in sorted(said)]
    return element(dav("ace"), element(dav("principal"), *hrefs([path])), element(dav("grant"), *held))
