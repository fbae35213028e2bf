"""Folding white space and comments of structured header fields (RFC 5322 §2.2.3, §3.2.2)."""

import re

__all__ = ["angle_items", "comment_end", "strip_comments", "unfold"]

_FOLD = re.compile(r"\r?\n(?=[ \t])")
_COMMENT_MARK = re.compile(r"[()\\]")
_QUOTED_OR_OPEN = re.compile(r'\\.|"[^"\\]*(?:\\.[^"\\]*)*"|\(', re.DOTALL)
_ANGLE_OR_OPEN = re.compile(r"<([^<>]*)>|\(")


def unfold(text: str) -> str:
    """Remove each line break that is followed by white space (RFC 5322 §2.2.3)."""
    return _FOLD.sub("", text) if "\n" in text else text


def comment_end(text: str, start: int) -> int:
    """The index after the comment that opens at `start`; -1 if it is never closed. Comments nest."""
    depth = 0
    position = start
    while mark := _COMMENT_MARK.search(text, position):
        position = mark.end()
        match mark.group():
            case "\\":
                position += 1
            case "(":
                depth += 1
            case _:
                depth -= 1
                if depth == 0:
                    return position
    return -1


def strip_comments(text: str) -> str:
    """Remove comments outside of quoted strings. A comment that is never closed is left as it stands."""
    if "(" not in text:
        return text
    kept: list[str] = []
    position = done = 0
    while found := _QUOTED_OR_OPEN.search(text, position):
        position = found.end()
        if found.group() != "(":
            continue
        end = comment_end(text, found.start())
        if end < 0:
            break
        kept += text[done : found.start()], " "
        position = done = end
    return "".join([*kept, text[done:]])


def angle_items(text: str, limit: int = 10_000) -> list[str]:
    """The texts between "<" and ">" that are not inside a comment, without white space, empty ones left out."""
    items: list[str] = []
    position = 0
    comments = True
    while len(items) < limit and (found := _ANGLE_OR_OPEN.search(text, position)):
        position = found.end()
        if found.group() == "(":
            end = comment_end(text, found.start()) if comments else -1
            comments = end >= 0
            position = end if comments else position
        elif item := "".join(found.group(1).split()):
            items.append(item)
    return items
