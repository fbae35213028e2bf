"""How refusals and faults of an IMAP server become adapter errors: one table of response codes (pure)."""

import re
from typing import Final

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


class ProtocolError(Unavailable):
    """The server's bytes break the protocol or a cap; the connection is not used again."""


class LineTooLong(ProtocolError):
    """A response has a line over the cap, which a message can bring about by the number of its parts."""


class ConnectionLost(Unavailable):
    """The connection ended (BYE, reset, end of file, time-out) before the answer was complete."""


class SessionConfused(Broken):
    """The server has an error of its own in this session; another session may have none."""


class SessionCollapsed(ConnectionLost, Broken):
    """The server ended the session over an error of its own, such as a damaged message that it was to read."""


class Damaged(Broken):
    """The folder could be opened, but the server fails over one of the messages that were asked for."""


class ConnectionLimit(Unavailable):
    """The server allows no further connection for this user or address."""


class Refusal(Exception):
    """A tagged NO or BAD as received: cause (`__cause__`) of the adapter error raised for it."""

    def __init__(self, status: bytes, code: bytes | None, text: str) -> None:
        super().__init__(f"{status.decode()} [{(code or b'').decode('ascii', 'replace')}] {text}")
        self.status = status
        self.code = code
        self.text = text


# Response codes of RFC 9051 §7.1, RFC 4469, 5464, 5465, 7888 and 9208.
_BY_CODE: Final[dict[bytes, type[AdapterError]]] = {
    b"ALREADYEXISTS": Conflict,
    b"AUTHENTICATIONFAILED": AuthFailed,
    b"AUTHORIZATIONFAILED": AuthFailed,
    b"BADCHARSET": Unsupported,
    b"BADEVENT": Unsupported,
    b"CANNOT": InvalidData,
    b"CLIENTBUG": Unsupported,
    b"CONTACTADMIN": Broken,
    b"CORRUPTION": Broken,
    b"EXPIRED": AuthFailed,
    b"EXPUNGEISSUED": Conflict,
    b"HASCHILDREN": Conflict,
    b"INUSE": Broken,
    b"LIMIT": Unavailable,
    b"NONEXISTENT": NotFound,
    b"NOPERM": Forbidden,
    b"NOTIFICATIONOVERFLOW": Unavailable,
    b"NOTSAVED": Conflict,
    b"NOUPDATE": Unsupported,
    b"OVERQUOTA": OverQuota,
    b"PARSE": InvalidData,
    b"PRIVACYREQUIRED": Forbidden,
    b"SERVERBUG": SessionConfused,
    b"TOOBIG": TooLarge,
    b"TRYCREATE": NotFound,
    b"UNAVAILABLE": Broken,
    b"UNKNOWN-CTE": Unsupported,
    b"USEATTR": Unsupported,
}

# Servers that give no code are read by their words, the first row that fits.
_BY_TEXT: Final[tuple[tuple[re.Pattern[str], type[AdapterError]], ...]] = (
    (re.compile(r"deleted under us", re.I), SessionConfused),
    (re.compile(r"does(n't| not) exist|no such|not found|unknown mailbox|non-?existent", re.I), NotFound),
    (re.compile(r"already exists", re.I), Conflict),
    (re.compile(r"over ?quota|quota exceeded|exceeds quota", re.I), OverQuota),
    (re.compile(r"too (big|large)", re.I), TooLarge),
    (re.compile(r"invalid mailbox name|invalid name|message contains", re.I), InvalidData),
    (
        re.compile(r"temporar(y|ily)|internal error|server error|try again|timed? ?out|I/O error|invalid format", re.I),
        Broken,
    ),
)

_TOO_MANY: Final = re.compile(
    r"(maximum|max\.?|too many|limit)\b.{0,40}\b(connections?|sessions?|logins?|clients?)"
    r"|connections?\b.{0,20}\b(limit|exceeded)",
    re.I | re.S,
)
_COLLAPSE: Final = re.compile(r"\b(fetch|search) failed\b|\bfatal error\b", re.I)  # Dovecot; Cyrus
_OUTAGE: Final = re.compile(
    r"temporary (authentication|login)? ?failure|internal (login |server )?(error|failure)"
    r"|unavailable|try again|server error|timed? ?out",
    re.I,
)


def refused(command: str, status: bytes, code: bytes | None, text: str) -> AdapterError:
    """The error for a tagged NO or BAD answer to `command`; raise it `from Refusal`."""
    return _kind(status, code, text)(f"{command}: {Refusal(status, code, text)}")


def login_refused(command: str, status: bytes, code: bytes | None, text: str) -> AdapterError:
    """The error for a refused login: AuthFailed only where nothing points to an outage (RFC 9051 §7.1)."""
    return _login_kind(status, code, text)(f"{command}: {Refusal(status, code, text)}")


def farewell(code: bytes | None, text: str) -> AdapterError:
    """The error for a BYE that nobody asked for."""
    kind: type[AdapterError] = SessionCollapsed if _COLLAPSE.search(text) else ConnectionLost
    if code == b"LIMIT" or _TOO_MANY.search(text):
        kind = ConnectionLimit
    return kind(f"server said BYE: {text}")


def _kind(status: bytes, code: bytes | None, text: str) -> type[AdapterError]:
    if code is not None and code in _BY_CODE:
        return _BY_CODE[code]
    if status == b"BAD":
        return Unsupported
    return next((kind for words, kind in _BY_TEXT if words.search(text)), Forbidden)


def _login_kind(status: bytes, code: bytes | None, text: str) -> type[AdapterError]:
    if code == b"LIMIT" or _TOO_MANY.search(text):
        return ConnectionLimit
    if code is not None and code in _BY_CODE:
        kind = _BY_CODE[code]
        return Unavailable if issubclass(kind, Broken) else kind  # no folder was asked for
    if status == b"BAD" or _OUTAGE.search(text):
        return Unavailable
    return AuthFailed
