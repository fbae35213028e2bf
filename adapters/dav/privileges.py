"""Privileges and access control entries (RFC 3744) as sets of names (pure)."""

from collections.abc import Iterator
from typing import Final

from adapters.dav.bodies import Element
from adapters.dav.names import dav, local

WRITE: Final = frozenset({"write-content", "write-properties", "bind", "unbind"})
"""RFC 3744 §3.2: what DAV:write contains."""

ALL: Final = WRITE | {
    "read",
    "read-free-busy",
    "unlock",
    "read-acl",
    "write-acl",
    "read-current-user-privilege-set",
    "schedule-send",
    "schedule-deliver",
}

_CONTAINS: Final = {
    "all": ALL,
    "write": WRITE,
    "read": frozenset({"read", "read-free-busy"}),  # RFC 4791 §6.1.1
    "admin": frozenset({"read-acl", "write-acl"}),  # Cyrus
}


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
        href = ace.findtext(f"{dav('principal')}/{dav('href')}")
        grant = ace.find(dav("grant"))
        if href and grant is not None:
            yield href.strip(), privileges(grant)
