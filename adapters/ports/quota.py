"""Limits of what a login may store, as the backend tells them. All methods raise only `adapters.errors`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

Resource = Literal["STORAGE", "MESSAGE", "MAILBOX"]
"""What is limited (RFC 9208 §5): octets of messages, the number of messages, the number of mailboxes."""


@dataclass(frozen=True, slots=True)
class Usage:
    """How much of a resource is used and how much may be; octets for STORAGE."""

    used: int
    limit: int


@dataclass(frozen=True, slots=True)
class QuotaRoot:
    """A quota root (RFC 9208 §3.2): its name, and the resources that it limits."""

    name: str
    resources: Mapping[Resource, Usage]


@runtime_checkable
class QuotaPort(Protocol):
    """A backend that may have limits."""

    async def quotas(self) -> list[QuotaRoot]:
        """The limits that new mail of the login meets; none where there are none. Raises Unavailable, Forbidden."""
        ...
