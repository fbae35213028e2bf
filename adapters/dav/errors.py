"""How refusals of a DAV server become adapter errors: conditions first, then the status (pure)."""

from typing import Final

from adapters.errors import (
    AdapterError,
    AuthFailed,
    Conflict,
    Forbidden,
    InvalidData,
    NotFound,
    OverQuota,
    TooLarge,
    Unavailable,
    Unsupported,
)


class Refusal(Exception):
    """An answer as received: cause (`__cause__`) of the adapter error raised for it."""

    def __init__(self, status: int, conditions: frozenset[str]) -> None:
        super().__init__(" ".join([str(status), *sorted(conditions)]))
        self.status = status
        self.conditions = conditions


# Preconditions of RFC 3744 §7.1.1 and §8.1.1, RFC 4331 §6, RFC 4791 §5.3, RFC 5689 §3.3, RFC 6352 §6.3,
# RFC 6638 §3.2 and §9.
_BY_CONDITION: Final[dict[str, type[AdapterError]]] = {
    "no-uid-conflict": Conflict,
    "unique-scheduling-object-resource": Conflict,
    "calendar-collection-location-ok": Forbidden,
    "addressbook-collection-location-ok": Forbidden,
    "valid-resourcetype": Unsupported,
    "resource-must-be-null": Conflict,
    "need-privileges": Forbidden,
    "recognized-principal": InvalidData,
    "allowed-principal": InvalidData,
    "not-supported-privilege": InvalidData,
    "no-abstract": InvalidData,
    "allowed-organizer-scheduling-object-change": Forbidden,
    "allowed-attendee-scheduling-object-change": Forbidden,
    "same-organizer-in-all-components": InvalidData,
    "quota-not-exceeded": OverQuota,
    "sufficient-disk-space": OverQuota,
    "max-resource-size": TooLarge,
    "supported-calendar-data": InvalidData,
    "valid-calendar-data": InvalidData,
    "valid-calendar-object-resource": InvalidData,
    "supported-calendar-component": InvalidData,
    "min-date-time": InvalidData,
    "max-date-time": InvalidData,
    "max-instances": InvalidData,
    "max-attendees-per-instance": InvalidData,
    "supported-address-data": InvalidData,
    "valid-address-data": InvalidData,
    "supported-filter": Unsupported,
    "supported-report": Unsupported,
    "number-of-matches-within-limits": TooLarge,
}

# RFC 9110 §15, RFC 4918 §11. What is missing here is Unavailable from 500 on, else InvalidData.
_BY_STATUS: Final[dict[int, type[AdapterError]]] = {
    401: AuthFailed,
    403: Forbidden,
    404: NotFound,
    405: Unsupported,
    408: Unavailable,
    409: NotFound,  # a parent collection is missing (RFC 4918 §9.7.1); conflicts of UIDs carry their condition
    410: NotFound,
    412: Conflict,
    413: TooLarge,
    423: Unavailable,  # locked by another client, for now
    424: Unavailable,
    425: Unavailable,
    429: Unavailable,
    501: Unsupported,
    507: OverQuota,
}


def refused(what: str, status: int, conditions: frozenset[str] = frozenset()) -> AdapterError:
    """The error for an answer of 300 and above, with its Refusal as the cause."""
    refusal = Refusal(status, conditions)
    kind = next((_BY_CONDITION[name] for name in sorted(conditions) if name in _BY_CONDITION), None)
    if kind is None or (status >= 500 and status != 507):
        kind = _BY_STATUS.get(status, Unavailable if status >= 500 or status < 400 else InvalidData)
    error = kind(f"{what}: {refusal}")
    error.__cause__ = refusal
    return error


def refusal(error: BaseException) -> Refusal:
    """What the server answered; status 0 where the error is not a server's refusal."""
    return error.__cause__ if isinstance(error.__cause__, Refusal) else Refusal(0, frozenset())
