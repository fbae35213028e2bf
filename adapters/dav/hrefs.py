"""Paths of resources in one canonical form, so that equal resources have equal keys (pure).

Servers write one path in several ways: absolute URLs, "%40" or "@", upper- or lower-case escapes (RFC 3986 §6.2.2).
"""

import re
from typing import Final
from urllib.parse import quote, unquote_to_bytes, urlsplit

from adapters.errors import InvalidData

_KEPT: Final = "-._~!$&'()*+,;=:@"
"""RFC 3986 §3.3: what may stand in a segment as it is."""

_PLAIN: Final = re.compile(r"(?:/[A-Za-z0-9\-_~!$&'()*+,;=:@][A-Za-z0-9\-._~!$&'()*+,;=:@]*)+/?")
"""Nearly every path: in canonical form already."""

_SEGMENT: Final = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@]|%[0-9A-F]{2})+")


def canonical(href: str) -> str:
    """The path of an href or URL, escaped the same way whoever wrote it. Raises InvalidData where there is none."""
    if _PLAIN.fullmatch(href):
        return href
    text = href.strip()
    path = urlsplit(text).path if "://" in text.partition("?")[0] else text.partition("?")[0]
    if not path.startswith("/") or "//" in path:
        path = "/" + "/".join(segment for segment in path.split("/") if segment) + ("/" if path.endswith("/") else "")
    segments = [quote(unquote_to_bytes(segment), safe=_KEPT) for segment in path.split("/")]
    if any(segment in {".", ".."} for segment in segments):
        raise InvalidData("an href with dot segments")
    return "/".join(segments).replace("//", "/")


def collection(href: str) -> str:
    """As `canonical`, with the slash at the end that collections have (RFC 4918 §5.2)."""
    path = canonical(href)
    return path if path.endswith("/") else path + "/"


def below(path: str, parent: str) -> str:
    """The path relative to the collection `parent`, or as it is where it lies elsewhere."""
    return path.removeprefix(parent) if path != parent else path


def join(parent: str, relative: str) -> str:
    """The opposite of `below`. Raises InvalidData for what is not canonical."""
    path = relative if relative.startswith("/") else parent + relative
    if canonical(path) != path:
        raise InvalidData("a path that is not in canonical form")
    return path


def check_name(name: str) -> str:
    """A name that is one canonical segment. Raises InvalidData."""
    if not _SEGMENT.fullmatch(name) or name in {".", ".."} or canonical("/" + name) != "/" + name:
        raise InvalidData("a resource name that is not one path segment")
    return name


def member(href: str, parent: str) -> str | None:
    """The name of a resource directly in the collection `parent`; None for the collection itself and for others."""
    path = canonical(href)
    name = path.removeprefix(parent)
    return name if path.startswith(parent) and name and "/" not in name else None
