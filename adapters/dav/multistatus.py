"""Multistatus answers (RFC 4918 §13), read as they arrive: memory stays at what one response element takes.

No document type, no entities, no network; depth and text are bounded by libxml2 (256 levels, 10 MB a text).
"""

from collections.abc import AsyncIterable, AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, cast

from lxml import etree

from adapters.dav.bodies import Element
from adapters.dav.names import dav, local
from adapters.errors import Unavailable

_RESPONSE: Final = dav("response")
_TOKEN: Final = dav("sync-token")
_MULTISTATUS: Final = dav("multistatus")
_HREF: Final = dav("href")
_PROPSTAT: Final = dav("propstat")
_PROP: Final = dav("prop")
_STATUS: Final = dav("status")
_ERROR: Final = dav("error")

_SAFE: Final[dict[str, Any]] = {
    "resolve_entities": False,
    "load_dtd": False,
    "dtd_validation": False,
    "no_network": True,
    "huge_tree": False,
    "remove_comments": True,
    "remove_pis": True,
}


class Malformed(Unavailable):
    """The server's XML is broken or hostile: asking again will not help."""


class Truncated(Unavailable):
    """The answer ended before it was complete."""


@dataclass(slots=True)
class Entry:
    """One DAV:response: a resource and its properties.

    href: as written. status: of the response as a whole, 0 where it has propstats. found: properties of status 200,
    Clark name -> element. refused: other properties -> status. conditions: local names inside DAV:error.
    """

    href: str
    status: int = 0
    found: dict[str, Element] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    conditions: frozenset[str] = frozenset()

    def text(self, name: str) -> str | None:
        """The text of a property that was found; None where it is absent or empty."""
        value = self.found.get(name)
        return None if value is None or value.text is None or not value.text.strip() else value.text

    def href_of(self, name: str) -> str | None:
        """The first DAV:href inside a property."""
        return next(iter(self.hrefs_of(name)), None)

    def hrefs_of(self, name: str) -> list[str]:
        """All DAV:hrefs inside a property."""
        value = self.found.get(name)
        return [] if value is None else [href.text for href in value.iter(dav("href")) if href.text]


@dataclass(slots=True)
class Multistatus:
    """What an answer says beside its responses: the sync token, known once all entries were read."""

    sync_token: str | None = None


async def entries(pieces: AsyncIterable[bytes], about: Multistatus | None = None) -> AsyncIterator[Entry]:
    """The responses one by one. Raises Malformed; Truncated at the end of an answer that is not complete."""
    parser = etree.XMLPullParser(events=("end",), tag=(_RESPONSE, _TOKEN, _MULTISTATUS), **_SAFE)
    root, complete = None, False
    try:
        async for piece in pieces:
            parser.feed(piece)
            for _, found in cast("Iterator[tuple[str, Element]]", parser.read_events()):
                if root is None:
                    root = found.getroottree().getroot()
                    _refuse_document_type(root)
                if found.tag == _RESPONSE and found.getparent() is root:
                    yield _entry(found)
                    root.remove(found)  # the entry keeps it; the tree lets it go
                elif found is root:
                    complete = found.tag == _MULTISTATUS
                elif found.tag == _TOKEN and found.getparent() is root and about is not None:
                    about.sync_token = (found.text or "").strip() or None
    except etree.XMLSyntaxError as error:
        raise Malformed(f"XML from the server: {error}") from error
    if any(problem.type == etree.ErrorTypes.ERR_UNDECLARED_ENTITY for problem in parser.feed_error_log):
        raise Malformed("XML from the server has an entity")
    if not complete:
        raise Truncated("an answer that ends early, or is no multistatus")


def multistatus(body: bytes) -> list[Entry]:
    """All responses of a small answer that is there as a whole. Raises Malformed, Truncated."""
    root = document(body)
    if root.tag != _MULTISTATUS:
        raise Truncated("an answer that is no multistatus")
    return [_entry(response) for response in root.iterfind(_RESPONSE)]


def document(body: bytes) -> Element:
    """A small XML body as a whole. Raises Malformed."""
    try:
        root = etree.fromstring(body, etree.XMLParser(**_SAFE))
    except etree.XMLSyntaxError as error:
        raise Malformed(f"XML from the server: {error}") from error
    _refuse_document_type(root)
    return root


def conditions_of(body: bytes) -> frozenset[str]:
    """The preconditions named in a DAV:error body (RFC 4918 §16), local names; none where it is something else."""
    try:
        root = document(body)
    except Malformed:
        return frozenset()
    return _conditions(root) if root.tag == dav("error") else frozenset()


def status_code(line: str | None) -> int:
    """The code of "HTTP/1.1 404 Not Found"; 500 for what is no status line."""
    words = (line or "").split()
    return int(words[1]) if len(words) > 1 and is_number(words[1]) else 500


def _refuse_document_type(found: Element) -> None:
    if found.getroottree().docinfo.internalDTD is not None:
        raise Malformed("XML from the server has a document type")


def _entry(response: Element) -> Entry:
    entry = Entry(href="")
    for child in response:
        name = child.tag
        if name == _HREF:
            entry.href = entry.href or (child.text or "").strip()
        elif name == _PROPSTAT:
            _propstat(child, entry)
        elif name == _STATUS:
            entry.status = status_code(child.text)
        elif name == _ERROR:
            entry.conditions = _conditions(child)
    return entry


def _propstat(propstat: Element, entry: Entry) -> None:
    status = status_code(propstat.findtext(_STATUS))
    values = propstat.find(_PROP)
    for value in [] if values is None else values:
        name = value.tag
        if name.startswith("{DAV}"):  # SOGo lacks the colon in answers to PROPPATCH
            name = dav(name[5:])
        if status == 200:
            entry.found[name] = value
        else:
            entry.refused[name] = status


def _conditions(error: Element) -> frozenset[str]:
    return frozenset(local(child.tag) for child in error) - {"responsedescription"}


def is_number(text: str) -> bool:
    """Whether a text is a number without a sign, and none that is longer than any that is meant."""
    return text.isascii() and text.isdigit() and len(text) < 20
