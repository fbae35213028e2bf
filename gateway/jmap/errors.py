"""The errors of the JMAP core: of a request, of a method call, of one object in a /set (RFC 8620 §3.6, §5.3).

Raised wherever they are found and turned into JSON in one place each: `RequestProblem` by the web layer,
`MethodError` by `dispatch`, `SetError` by the standard methods. What an adapter raises becomes one of them
through the table `FROM_ADAPTER`.
"""

from typing import Any, Final

from adapters.errors import (
    AdapterError,
    AuthFailed,
    Broken,
    Conflict,
    Forbidden,
    InvalidData,
    NotFound,
    OverQuota,
    TooLarge,
    Unavailable,
    Unsupported,
)

UNKNOWN_CAPABILITY: Final = "urn:ietf:params:jmap:error:unknownCapability"
NOT_JSON: Final = "urn:ietf:params:jmap:error:notJSON"
NOT_REQUEST: Final = "urn:ietf:params:jmap:error:notRequest"
LIMIT: Final = "urn:ietf:params:jmap:error:limit"


class RequestProblem(Exception):
    """A request-level error (RFC 8620 §3.6.1): the whole request is refused with an HTTP status.

    type: one of the URNs above, or "about:blank". limit: the name of the limit, for LIMIT only.
    """

    def __init__(self, type: str, detail: str, *, status: int = 400, limit: str | None = None) -> None:
        super().__init__(detail)
        self.type = type
        self.detail = detail
        self.status = status
        self.limit = limit

    def to_json(self) -> dict[str, Any]:
        """The problem details object (RFC 7807), to be sent as application/problem+json."""
        body: dict[str, Any] = {"type": self.type, "status": self.status, "detail": self.detail}
        if self.limit is not None:  # RFC 8620 §3.6.1: "limit" MUST be present on this type
            body["limit"] = self.limit
        return body


class _TypedError(Exception):
    """An error object of a JMAP response: a type, an optional description, members that the type defines."""

    def __init__(self, type: str, description: str | None = None, **extra: Any) -> None:
        super().__init__(type if description is None else f"{type}: {description}")
        self.type = type
        self.description = description
        self.extra = extra

    def to_json(self) -> dict[str, Any]:
        """The error object as it goes into the response."""
        body: dict[str, Any] = {"type": self.type}
        if self.description is not None:
            body["description"] = self.description
        return body | self.extra


class MethodError(_TypedError):
    """A method-level error (RFC 8620 §3.6.2): replaces the response of one call; the others still run."""


class SetError(_TypedError):
    """Why one object was not created, updated, destroyed, copied or imported (RFC 8620 §5.3).

    properties: the names or paths at fault, for invalidProperties. Other members of a type go into `extra`,
    such as existingId of alreadyExists.
    """

    def __init__(
        self,
        type: str,
        description: str | None = None,
        properties: list[str] | None = None,
        **extra: Any,
    ) -> None:
        if properties is not None:
            extra["properties"] = properties
        super().__init__(type, description, **extra)
        self.properties = properties


# Adapter error -> (method error, SetError), the most derived class first. None: not the client's to know, an
# internal fault. RFC 8620 §3.6.2 has no "credentials" error for a method: a login whose password the backend
# stops accepting half-way is refused by the web layer at its next request; this one gets serverUnavailable
# (trying again is then answered with 401). What others took away or changed while a method worked gives no
# answer now: a method that only reads knows no "notFound", and trying again looks anew.
FROM_ADAPTER: Final[dict[type[AdapterError], tuple[str, str]]] = {
    Unavailable: ("serverUnavailable", "serverUnavailable"),
    Broken: ("serverUnavailable", "serverUnavailable"),
    AuthFailed: ("serverUnavailable", "serverUnavailable"),
    Forbidden: ("forbidden", "forbidden"),
    NotFound: ("serverUnavailable", "notFound"),
    Conflict: ("serverUnavailable", "stateMismatch"),
    OverQuota: ("overQuota", "overQuota"),
    TooLarge: ("tooLarge", "tooLarge"),
    Unsupported: ("invalidArguments", "forbidden"),
    InvalidData: ("invalidArguments", "invalidProperties"),
}

_DESCRIPTIONS: Final[dict[str, str]] = {
    "serverUnavailable": "The server behind this gateway cannot serve this now; try again later.",
    "forbidden": "The server behind this gateway does not allow this.",
    "notFound": "This does not exist (any more).",
    "stateMismatch": "Somebody else changed this at the same time; fetch it again and retry.",
    "overQuota": "There is no room left.",
    "tooLarge": "This is larger than the server behind this gateway accepts.",
    "invalidArguments": "The server behind this gateway cannot do this.",
    "invalidProperties": "The server behind this gateway refuses this content.",
}


def method_error(error: AdapterError) -> MethodError | None:
    """The method error for what an adapter raised; None for an AdapterError that is not in the table."""
    names = _row(error)
    return None if names is None else MethodError(names[0], _DESCRIPTIONS[names[0]])


def set_error(error: AdapterError) -> SetError | None:
    """The SetError for what an adapter raised; None for an AdapterError that is not in the table."""
    names = _row(error)
    return None if names is None else SetError(names[1], _DESCRIPTIONS[names[1]])


def _row(error: AdapterError) -> tuple[str, str] | None:
    for kind in type(error).__mro__:
        if kind in FROM_ADAPTER:
            return FROM_ADAPTER[kind]
    return None
