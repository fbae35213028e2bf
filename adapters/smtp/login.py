"""Logging in at a submission server: AUTH PLAIN, LOGIN, XOAUTH2, OAUTHBEARER (RFC 4954, RFC 4616, RFC 7628)."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from aiosmtplib import SMTP, SMTPResponse

from adapters.errors import AuthFailed, Unavailable, Unsupported

_CONTINUE: Final = 334
_DONE: Final = 235
_FORBIDDEN: Final = "\0\r\n\x01"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who logs in: with a password or a bearer token. `authzid` is whom a master user acts for (RFC 4616)."""

    username: str
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    authzid: str = ""
    mechanism: Literal["auto", "OAUTHBEARER", "XOAUTH2"] = "auto"


async def log_in(smtp: SMTP, offered: Sequence[str], credentials: Credentials) -> None:
    """Authenticate by a way that both sides know. Raises AuthFailed, Unavailable, Unsupported; aiosmtplib's errors."""
    for text in (credentials.username, credentials.password or "", credentials.token or "", credentials.authzid):
        if any(char in _FORBIDDEN for char in text):
            raise AuthFailed("the credentials hold a control character")
    name = _choice(offered, credentials)
    _check(await (_login(smtp, credentials) if name == "LOGIN" else _initial(smtp, name, credentials)))


def _choice(offered: Sequence[str], credentials: Credentials) -> str:
    wanted: tuple[str, ...]
    if credentials.token is not None:
        wanted = ("OAUTHBEARER", "XOAUTH2") if credentials.mechanism == "auto" else (credentials.mechanism,)
    else:
        wanted = ("PLAIN",) if credentials.authzid else ("PLAIN", "LOGIN")
    for name in wanted:
        if name in offered:
            return name
    raise Unsupported("no authentication mechanism in common with the submission server")


async def _initial(smtp: SMTP, name: str, credentials: Credentials) -> SMTPResponse:
    """A mechanism that says all at once (RFC 4954 §4)."""
    answer = await smtp.execute_command(b"AUTH", name.encode(), _encoded(_message(name, credentials)))
    if answer.code == _CONTINUE:  # RFC 7628 §3.2.3, XOAUTH2 alike: the error's details, to be acknowledged
        answer = await smtp.execute_command(b"AQ==" if name == "OAUTHBEARER" else b"*")
    return answer


def _message(name: str, credentials: Credentials) -> str:
    user, token = credentials.authzid or credentials.username, credentials.token or ""
    if name == "OAUTHBEARER":
        name_ = user.replace("=", "=3D").replace(",", "=2C")
        return f"n,a={name_},\1auth=Bearer {token}\1\1"
    if name == "XOAUTH2":
        return f"user={user}\1auth=Bearer {token}\1\1"
    return f"{credentials.authzid}\0{credentials.username}\0{credentials.password or ''}"


async def _login(smtp: SMTP, credentials: Credentials) -> SMTPResponse:
    answer = await smtp.execute_command(b"AUTH", b"LOGIN")
    for text in (credentials.username, credentials.password or ""):
        if answer.code == _CONTINUE:
            answer = await smtp.execute_command(_encoded(text))
    return answer


def _encoded(text: str) -> bytes:
    return base64.b64encode(text.encode()) or b"="


def _check(answer: SMTPResponse) -> None:
    if answer.code == _DONE:
        return
    if 400 <= answer.code < 500:  # RFC 4954 §6: 454 is temporary
        raise Unavailable(f"the submission server cannot log in now: {answer.code}")
    raise AuthFailed(f"the submission server refuses the login: {answer.code}")
