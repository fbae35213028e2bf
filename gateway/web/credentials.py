"""Credentials out of the Authorization header field (RFC 9110 §11.4, RFC 7617, RFC 6750). Pure."""

import base64
import binascii
import json
import re
from dataclasses import dataclass
from typing import Final, Literal

import orjson

from gateway.config import Auth
from gateway.config_reader import Secret

MAX_LENGTH: Final = 16_384
"""Octets of a user name, a password or a token; aiohttp bounds the header line before that."""


_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/=-]+")


class Malformed(Exception):
    """No usable credentials; answered like wrong ones (401)."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a backend is asked to accept.

    username: whose mail is opened. login: who proves it: the user, or the master user on the user's behalf.
    """

    scheme: Literal["password", "oauthbearer", "xoauth2"]
    username: str
    login: str
    secret: Secret

    def to_bytes(self) -> bytes:
        """All of them, to be sealed."""
        return orjson.dumps((self.scheme, self.username, self.login, self.secret.reveal()))

    @classmethod
    def from_bytes(cls, text: bytes) -> "Credentials":
        """What `to_bytes` gave."""
        scheme, username, login, secret = orjson.loads(text)
        return cls(scheme, username, login, Secret(secret))

    def __repr__(self) -> str:
        return f"Credentials({self.scheme})"


def from_authorization(value: str, auth: Auth) -> Credentials:
    """The credentials of one Authorization header field. Raises Malformed."""
    scheme, blank, rest = value.partition(" ")
    if not blank:
        raise Malformed
    if scheme.lower() == "basic" and auth.basic:
        return _basic(rest.strip(" "), auth)
    if scheme.lower() == "bearer" and auth.bearer != "off":
        return _bearer(rest.strip(" "), auth)
    raise Malformed


def from_trusted_header(username: str, auth: Auth) -> Credentials:
    """What an authenticating proxy said: the master user opens the user's mail. Raises Malformed."""
    _check_text(username)
    if auth.master_user is None or auth.master_password is None or auth.master_separator in username:
        raise Malformed
    return Credentials("password", username, auth.master_user, auth.master_password)


def _basic(encoded: str, auth: Auth) -> Credentials:
    # RFC 7617 §2: base64 of user-id ":" password, UTF-8 as our challenge says; the user-id holds no colon.
    try:
        text = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise Malformed from None
    name, colon, password = text.partition(":")
    if not colon or not password:
        raise Malformed
    _check_text(name)
    _check_text(password)
    username, separator, master = name.partition(auth.master_separator)
    if not separator:
        return Credentials("password", name, name, Secret(password))
    if auth.master_user is None or master != auth.master_user or not username:
        raise Malformed  # "user*somebody" is a way around the user's own password: only for the known master
    return Credentials("password", username, master, Secret(password))


def _bearer(token: str, auth: Auth) -> Credentials:
    # RFC 6750 §2.1: b64token. The backend judges the token; the user's name is only read out of it, and
    # RFC 7628 §3.1 has the backend compare the two.
    if not _TOKEN.fullmatch(token):
        raise Malformed
    parts = token.split(".")
    if len(parts) != 3:
        raise Malformed
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        username = claims[auth.bearer_claim]
    except (binascii.Error, ValueError, KeyError, TypeError, RecursionError):
        raise Malformed from None
    if not isinstance(username, str):
        raise Malformed
    _check_text(username)
    if auth.master_separator in username:
        raise Malformed
    return Credentials("xoauth2" if auth.bearer == "xoauth2" else "oauthbearer", username, username, Secret(token))


def _check_text(text: str) -> None:
    """Nothing that could end a SASL string or a protocol line, and nothing endless."""
    if not text or len(text) > MAX_LENGTH or _CONTROL.search(text):
        raise Malformed
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Malformed from None
