"""What the core needs to see of the context that the web layer builds for each request."""

from collections.abc import Mapping
from typing import Any, Protocol

from gateway.jmap.capabilities import CoreLimits


class CallAccount(Protocol):
    """An account as the core sees it: which capabilities it has and whether it may be written (RFC 8620 §2)."""

    @property
    def is_read_only(self) -> bool:
        """True when every method that changes data is refused with accountReadOnly."""
        ...

    @property
    def capabilities(self) -> Mapping[str, Mapping[str, Any]]:
        """Capability URN -> the account's object for it."""
        ...


class CallContext(Protocol):
    """One request: what the client opted into, the limits, the creation ids so far, the accounts in reach."""

    @property
    def using(self) -> frozenset[str]:
        """The capabilities of the request's `using`."""
        ...

    @property
    def limits(self) -> CoreLimits:
        """The limits that the session object advertises."""
        ...

    @property
    def created_ids(self) -> dict[str, str]:
        """Creation id -> id, one map for all types of the request (RFC 8620 §5.3). The core adds to it."""
        ...

    def account(self, account_id: str) -> CallAccount:
        """The account, or MethodError("accountNotFound")."""
        ...
