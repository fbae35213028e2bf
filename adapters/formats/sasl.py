"""Credentials, and SASL mechanisms as exchanges of octets: PLAIN, OAUTHBEARER, XOAUTH2, SCRAM-SHA-256.

The connection does the base64 and the lines; nothing here knows a protocol.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
import stringprep
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from adapters.errors import AuthFailed, Unavailable

MechanismName = Literal["auto", "PLAIN", "LOGIN", "SCRAM-SHA-256", "OAUTHBEARER", "XOAUTH2"]


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who logs in: with a password or a bearer token. `authzid` is whom a master user acts for (RFC 4616).

    Secrets never show in `repr`.
    """

    username: str
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    authzid: str = ""
    mechanism: MechanismName = "auto"


# In order of preference. PLAIN and LOGIN need one round trip; under TLS the others protect nothing more.
_PASSWORD_TLS: Final[tuple[MechanismName, ...]] = ("PLAIN", "LOGIN", "SCRAM-SHA-256")
_PASSWORD_CLEAR: Final[tuple[MechanismName, ...]] = ("SCRAM-SHA-256", "PLAIN", "LOGIN")
_TOKEN: Final[tuple[MechanismName, ...]] = ("OAUTHBEARER", "XOAUTH2")

_MIN_ITERATIONS: Final = 4096  # RFC 7677 §4
_MAX_ITERATIONS: Final = 1_000_000  # a server may not buy minutes of our time
_PROHIBITED: Final = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


class Mechanism(Protocol):
    """One authentication exchange."""

    name: str

    def initial(self) -> bytes:
        """The first client response."""

    def respond(self, challenge: bytes) -> bytes:
        """The answer to a challenge. May take milliseconds of CPU. Raises Unavailable, AuthFailed."""

    def finish(self) -> None:
        """Called when the server reports success; raises Unavailable if it has not proved what it must."""


def choices(credentials: Credentials, *, encrypted: bool) -> Iterator[MechanismName]:
    """The ways to log in that the credentials allow, the best first."""
    if credentials.mechanism != "auto":
        yield credentials.mechanism
    elif credentials.token is not None:
        yield from _TOKEN
    else:
        yield from _PASSWORD_TLS if encrypted else _PASSWORD_CLEAR


def mechanism(name: MechanismName, credentials: Credentials, address: tuple[str, int]) -> Mechanism:
    """The exchange of this name with the server at (host, port). Raises AuthFailed for what cannot be sent."""
    user, authzid = credentials.username, credentials.authzid
    match name:
        case "OAUTHBEARER":
            return OAuthBearer(authzid or user, credentials.token or "", *address)
        case "XOAUTH2":
            return XOAuth2(authzid or user, credentials.token or "")
        case "SCRAM-SHA-256":
            return ScramSha256(user, credentials.password or "", authzid)
        case _:
            return Plain(user, credentials.password or "", authzid)


class Plain:
    """RFC 4616: authzid NUL authcid NUL password."""

    name = "PLAIN"

    def __init__(self, username: str, password: str, authzid: str = "") -> None:
        if "\x00" in username + password + authzid:
            raise AuthFailed("NUL in credentials")
        self._message = f"{authzid}\x00{username}\x00{password}".encode(errors="replace")

    def initial(self) -> bytes:
        """The whole message."""
        return self._message

    def respond(self, challenge: bytes) -> bytes:
        """PLAIN has no challenge."""
        raise Unavailable(f"unexpected PLAIN challenge of {len(challenge)} octets")

    def finish(self) -> None:
        """Nothing to prove."""


class OAuthBearer:
    """RFC 7628. An error comes as a challenge, which is answered by %x01 before the server says NO (§3.2.3)."""

    name = "OAUTHBEARER"

    def __init__(self, username: str, token: str, host: str, port: int) -> None:
        _check_token(username, token)
        name = username.replace("=", "=3D").replace(",", "=2C")  # RFC 5801 §4 gs2 saslname
        fields = f"n,a={name},\x01host={host}\x01port={port}\x01auth=Bearer {token}\x01\x01"
        self._message = fields.encode()

    def initial(self) -> bytes:
        """GS2 header and key/value pairs."""
        return self._message

    def respond(self, challenge: bytes) -> bytes:
        """End the error sequence."""
        return b"\x01"

    def finish(self) -> None:
        """Nothing to prove."""


class XOAuth2:
    """The mechanism that Google and Microsoft used before RFC 7628; an error challenge is answered by nothing."""

    name = "XOAUTH2"

    def __init__(self, username: str, token: str) -> None:
        _check_token(username, token)
        self._message = f"user={username}\x01auth=Bearer {token}\x01\x01".encode()

    def initial(self) -> bytes:
        """User and token."""
        return self._message

    def respond(self, challenge: bytes) -> bytes:
        """End the error round."""
        return b""

    def finish(self) -> None:
        """Nothing to prove."""


class ScramSha256:
    """RFC 5802 with SHA-256 (RFC 7677), without channel binding. The server must prove that it knows the password."""

    name = "SCRAM-SHA-256"

    def __init__(self, username: str, password: str, authzid: str = "", nonce: str | None = None) -> None:
        self._password = saslprep(password).encode()
        self._gs2 = f"n,{'a=' + _sasl_name(authzid) if authzid else ''},"
        self._nonce = nonce or secrets.token_urlsafe(24)
        self._first = f"n={_sasl_name(saslprep(username))},r={self._nonce}"
        self._expected: bytes | None = None
        self._proved = False

    def initial(self) -> bytes:
        """client-first-message."""
        return (self._gs2 + self._first).encode()

    def respond(self, challenge: bytes) -> bytes:
        """client-final-message for server-first; nothing for a server-final whose signature is right."""
        if self._expected is None:
            return self._final(challenge)
        fields = _fields(challenge)
        if "e" in fields:
            return b""  # the tagged NO follows
        if not hmac.compare_digest(_unbase64(fields.get("v", "")), self._expected):
            raise Unavailable("SCRAM: the server's signature is wrong")
        self._proved = True
        return b""

    def finish(self) -> None:
        """RFC 5802 §5: without the right signature the server is not to be believed."""
        if not self._proved:
            raise Unavailable("SCRAM: the server did not prove that it knows the password")

    def _final(self, challenge: bytes) -> bytes:
        fields = _fields(challenge)
        nonce, salt, count = fields.get("r", ""), _unbase64(fields.get("s", "")), fields.get("i", "")
        if not nonce.startswith(self._nonce) or len(nonce) == len(self._nonce) or not salt or "m" in fields:
            raise Unavailable("SCRAM: malformed server-first-message")
        if not (count.isascii() and count.isdigit() and _MIN_ITERATIONS <= int(count[:9]) <= _MAX_ITERATIONS):
            raise Unavailable("SCRAM: iteration count out of bounds")
        salted = hashlib.pbkdf2_hmac("sha256", self._password, salt, int(count))
        binding = base64.b64encode(self._gs2.encode()).decode()
        without_proof = f"c={binding},r={nonce}"
        message = f"{self._first},{challenge.decode()},{without_proof}".encode()
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        signature = hmac.digest(hashlib.sha256(client_key).digest(), message, "sha256")
        proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
        self._expected = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), message, "sha256")
        return f"{without_proof},p={base64.b64encode(proof).decode()}".encode()


def saslprep(text: str) -> str:
    """RFC 4013: mapped, NFKC, nothing prohibited. Raises AuthFailed."""
    mapped = "".join(" " if stringprep.in_table_c12(c) else c for c in text if not stringprep.in_table_b1(c))
    prepared = unicodedata.ucd_3_2_0.normalize("NFKC", mapped)
    if any(prohibited(c) for c in prepared for prohibited in _PROHIBITED):
        raise AuthFailed("character in credentials that SASLprep prohibits")
    return prepared


def _sasl_name(name: str) -> str:
    return name.replace("=", "=3D").replace(",", "=2C")


def _check_token(username: str, token: str) -> None:
    if not token.isascii() or not token.isprintable() or "\x01" in username or "\x00" in username:
        raise AuthFailed("control character in bearer credentials")


def _fields(message: bytes) -> dict[str, str]:
    try:
        text = message.decode()
    except UnicodeDecodeError:
        raise Unavailable("SCRAM: not UTF-8") from None
    return {part[0]: part[2:] for part in text.split(",") if part[1:2] == "="}


def _unbase64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Unavailable("SCRAM: not base64") from None
