"""Blob ids of messages and their parts (RFC 8621 §4.1.1, §4.1.4): made from the Email's id, never from a location.

`b<email id>` is the whole message; `-` and a part number with `_` for `.` go down to a part of what stands before,
any number of times, because an attached message has parts of its own: `bm2k…-2-1_1`. An uploaded blob can stand at
the root as well (`u…-1`), for the parts that Email/parse finds in it.
"""

import re
from collections.abc import Callable

from adapters.formats.mime import Part

_PART = re.compile(r"[1-9][0-9]*(?:_[1-9][0-9]*)*")
MAX_LEVELS = 20


def of_email(email_id: str) -> str:
    """The blob id of the whole message."""
    return f"b{email_id}"


def of_parts(root: str) -> Callable[[Part], str | None]:
    """A function that gives the blob id of each leaf of the message with the blob id `root`."""
    return lambda part: None if part.part_id is None else f"{root}-{part.part_id.replace('.', '_')}"


def email_of(root: str) -> str | None:
    """The Email id when this root is a stored message, None when it is an upload."""
    return root[1:] if root.startswith("b") else None


def split(blob_id: str) -> tuple[str, list[str]] | None:
    """The root and the part numbers below it; None for what is no blob id of this gateway."""
    root, *parts = blob_id.split("-")
    if len(parts) > MAX_LEVELS or not all(_PART.fullmatch(part) for part in parts):
        return None
    return root, [part.replace("_", ".") for part in parts]
