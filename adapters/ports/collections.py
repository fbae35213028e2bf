"""What calendars and address books have in common: collections of named resources that a DAV server keeps."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Names = Mapping[str, str]
"""Resources of one collection: name -> ETag, as the backend writes it (with quotes)."""

Privilege = Literal[
    "read",
    "read-free-busy",
    "write-content",
    "write-properties",
    "bind",
    "unbind",
    "read-acl",
    "write-acl",
    "share",
    "unlock",
    "schedule-send",
    "schedule-deliver",
    "read-current-user-privilege-set",
]
"""RFC 3744 §3, RFC 4791 §6.1.1, RFC 6638 §6, draft-pot-webdav-resource-sharing ("share").

Aggregates ("all", "write") arrive as what they contain.
"""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a collection stands: its sync-token (RFC 6578 §4) and its ctag; a listing may tell only one of them."""

    token: str | None
    ctag: str | None

    def moved_from(self, before: "Cursor | None") -> bool:
        """Whether the port's `changes` must look; true also where the two cannot be compared."""
        if before is None:
            return True
        if self.ctag is not None and before.ctag is not None:
            return self.ctag != before.ctag
        return self.token is None or self.token != before.token


@dataclass(frozen=True, slots=True)
class Stored:
    """After a write. etag: None where the server gave none or altered what it was given; then fetch before use.

    schedule_tag: RFC 6638 §3.2.10, of calendar resources where the server has it.
    """

    etag: str | None
    schedule_tag: str | None = None
