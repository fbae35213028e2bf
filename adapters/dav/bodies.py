"""Request bodies of WebDAV (RFC 4918, 3744, 5689, 6578) and of what builds on it (pure).

Text is escaped by lxml, never pasted.
"""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from functools import lru_cache
from typing import Final

from lxml import etree

from adapters.dav.names import PREFIXES, dav
from adapters.errors import InvalidData

Element = etree._Element  # noqa: SLF001 - lxml has no public name for the type of its elements

MEDIA_TYPE: Final = 'application/xml; charset="utf-8"'


def element(tag: str, *children: Element | str, **attributes: str) -> Element:
    """An element with children or text. Raises InvalidData for text that XML cannot hold (NUL, other controls)."""
    made = etree.Element(tag, attributes, nsmap=PREFIXES)
    try:
        for child in children:
            if isinstance(child, str):
                made.text = child
            else:
                made.append(child)
    except ValueError as error:
        raise InvalidData("text that XML cannot hold") from error
    return made


def octets(root: Element) -> bytes:
    """The body as it is sent."""
    etree.cleanup_namespaces(root)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def prop(wanted: Iterable[str | Element]) -> Element:
    """DAV:prop with empty elements: what is asked for, by name or as an element with what it says beside."""
    return element(dav("prop"), *(element(name) if isinstance(name, str) else deepcopy(name) for name in wanted))


def hrefs(paths: Iterable[str]) -> list[Element]:
    """One DAV:href for each path."""
    return [element(dav("href"), path) for path in paths]


def propfind(names: Iterable[str]) -> bytes:
    """RFC 4918 §9.1."""
    return _propfind(tuple(names))


@lru_cache(maxsize=64)
def _propfind(names: tuple[str, ...]) -> bytes:
    return octets(element(dav("propfind"), prop(names)))


def proppatch(values: Mapping[str, Element | None]) -> bytes:
    """RFC 4918 §9.2: property name -> the property with its new value, None to remove it."""
    changes = []
    for name, value in values.items():
        action = "remove" if value is None else "set"
        changes.append(element(dav(action), element(dav("prop"), element(name) if value is None else value)))
    return octets(element(dav("propertyupdate"), *changes))


def mkcol(kinds: Iterable[str], name: str | None) -> bytes:
    """RFC 5689 §3: a collection of these resource types beside DAV:collection.

    Other properties follow by PROPPATCH, so that one that is refused does not spoil it all.
    """
    types = element(dav("resourcetype"), *(element(kind) for kind in (dav("collection"), *kinds)))
    values = [types] if name is None else [types, element(dav("displayname"), name)]
    return octets(element(dav("mkcol"), element(dav("set"), element(dav("prop"), *values))))


def principal_search(names: Iterable[str]) -> bytes:
    """RFC 3744 §9.4: all principals, since every display name has the empty text in it."""
    anything = element(dav("property-search"), prop([dav("displayname")]), element(dav("match")))
    return octets(element(dav("principal-property-search"), anything, prop(names)))


def multiget(report: str, wanted: Iterable[str | Element], paths: Iterable[str]) -> bytes:
    """RFC 4791 §7.9, RFC 6352 §8.7. report: Clark name of the root."""
    return octets(element(report, prop(wanted), *hrefs(paths)))


def sync_collection(token: str | None, wanted: Iterable[str | Element]) -> bytes:
    """RFC 6578 §3.2. Without a limit: two servers of six lose what lies beyond it."""
    return octets(
        element(
            dav("sync-collection"),
            element(dav("sync-token"), token or ""),
            element(dav("sync-level"), "1"),
            prop(wanted),
        )
    )
