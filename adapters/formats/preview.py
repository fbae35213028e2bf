"""The preview line of a message (RFC 8621 §4.1.4).

HTML is read by a scanner that stops as soon as it has enough text. A tree builder would be the wrong tool: elements
nested 100,000 deep take one more than half a minute.
"""

import re
from collections.abc import Iterator
from html import unescape

__all__ = ["MAX_INPUT", "preview"]

MAX_PREVIEW = 256  # characters: RFC 8621 §4.1.4, MUST NOT be more
MAX_INPUT = 256 * 1024  # characters of the part that are looked at
_ENOUGH = 4 * MAX_PREVIEW

_MARKUP = re.compile(r"<(?:!--|(/?)([A-Za-z][A-Za-z0-9]*)|[!?/])")
_INVISIBLE = frozenset(["script", "style", "head", "title", "template", "noscript", "object", "svg", "math"])
_INLINE = frozenset(
    [
        "a",
        "abbr",
        "b",
        "big",
        "code",
        "em",
        "font",
        "i",
        "mark",
        "s",
        "small",
        "span",
        "strong",
        "sub",
        "sup",
        "u",
        "wbr",
    ]
)
# Padding that newsletters put after their hidden preview text: it would fill the line with nothing.
_PADDING = re.compile("[\u00ad\u034f\u061c\u180e\u200b-\u200f\u2060\ufeff]+")


def preview(text: str, media_type: str) -> str:
    """At most 256 characters of the text in one line; lines quoted with ">" and signatures are left out.

    Args:
        text: the decoded value of a text part.
        media_type: "text/html" is read as HTML, everything else as plain text.
    """
    text = text[:MAX_INPUT]
    if media_type == "text/html":
        return _one_line(html_text(text))
    return _one_line(_own_lines(text)) or _one_line(text)


def _own_lines(text: str) -> str:
    kept: list[str] = []
    length = 0
    for line in text.splitlines():
        if line in ("-- ", "--"):
            break
        if line.lstrip().startswith(">"):
            continue
        kept.append(line)
        length += len(line.strip())
        if length > _ENOUGH:
            break
    return " ".join(kept)


def _one_line(text: str) -> str:
    line = " ".join((text if text.isascii() else _PADDING.sub("", text)).split())
    return line if len(line) <= MAX_PREVIEW else line[: MAX_PREVIEW - 1].rstrip() + "…"


def html_text(html: str, most: int = _ENOUGH) -> str:
    """What a reader sees of HTML, up to about `most` characters; time is linear in what is read."""
    kept: list[str] = []
    length = 0
    for piece in _visible(html):
        kept.append(piece)
        length += len(piece.strip())
        if length > most:
            break
    return unescape("".join(kept))


def _visible(html: str) -> Iterator[str]:
    """The text between tags, with a space for each tag that is not inline."""
    position = 0
    missing: set[str] = set()  # end marks that do not occur (any more): searched for once only
    while found := _MARKUP.search(html, position):
        yield html[position : found.start()]
        closing, name = found.group(1), (found.group(2) or "").lower()
        if found.group() == "<!--":
            position = _after(html, "-->", found.end(), missing)
            continue
        position = _after(html, ">", found.end(), missing)
        if name in _INVISIBLE and not closing and not html.startswith("/>", position - 2):
            position = _after_element(html, name, position, missing)
        if name not in _INLINE:
            yield " "
    yield html[position:]


def _after(html: str, mark: str, position: int, missing: set[str]) -> int:
    """The index after the next `mark`; `position` itself if there is none, so that broken markup hides nothing."""
    if mark in missing:
        return position
    end = html.find(mark, position)
    if end < 0:
        missing.add(mark)
        return position
    return end + len(mark)


_END_TAGS = {name: re.compile(rf"</{name}\b[^>]*>", re.IGNORECASE) for name in _INVISIBLE}


def _after_element(html: str, name: str, position: int, missing: set[str]) -> int:
    if name in missing:
        return position
    end = _END_TAGS[name].search(html, position)
    if end is None:
        missing.add(name)
        return position
    return end.end()
