"""Which credentials go to the server, and how. RFC 9051 §6.2; RFC 4959 SASL-IR; RFC 8314."""

import asyncio
import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

from adapters.errors import AuthFailed, InvalidData, Unsupported
from adapters.imap import encoder
from adapters.imap.dialogue import Dialogue
from adapters.imap.errors import ProtocolError
from adapters.imap.responses import Completion
from adapters.imap.sasl import Mechanism, OAuthBearer, Plain, ScramSha256, XOAuth2

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


async def log_in(
    dialogue: Dialogue,
    capabilities: frozenset[bytes],
    credentials: Credentials,
    address: tuple[str, int],
    *,
    encrypted: bool,
) -> Completion:
    """Authenticate by the best way that the server offers and the credentials allow.

    Raises AuthFailed, ConnectionLimit, Unavailable; Unsupported where no way is common to both.
    """
    for name in _choices(credentials, encrypted=encrypted):
        if name == "LOGIN":
            if b"LOGINDISABLED" not in capabilities and not credentials.authzid:
                return await _login_command(dialogue, credentials)
        elif b"AUTH=" + name.encode() in capabilities:
            mechanism = _mechanism(name, credentials, address)
            return await _authenticate(dialogue, mechanism, initial_response=b"SASL-IR" in capabilities)
    raise Unsupported("no authentication mechanism in common with the server")


def _choices(credentials: Credentials, *, encrypted: bool) -> Iterator[MechanismName]:
    if credentials.mechanism != "auto":
        yield credentials.mechanism
    elif credentials.token is not None:
        yield from _TOKEN
    else:
        yield from _PASSWORD_TLS if encrypted else _PASSWORD_CLEAR


def _mechanism(name: MechanismName, credentials: Credentials, address: tuple[str, int]) -> Mechanism:
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


async def _login_command(dialogue: Dialogue, credentials: Credentials) -> Completion:
    try:
        parts = encoder.astring(credentials.username), encoder.astring(credentials.password or "")
    except InvalidData as error:
        raise AuthFailed("NUL in credentials") from error
    return await dialogue.command("LOGIN", *parts)


async def _authenticate(dialogue: Dialogue, mechanism: Mechanism, *, initial_response: bool) -> Completion:
    first: bytes | None = mechanism.initial()
    parts = [encoder.atom(mechanism.name)]
    if initial_response and first is not None:
        parts.append(encoder.initial_response(first))
        first = None

    async def respond(prompt: bytes) -> bytes:
        nonlocal first
        if first is not None:
            response, first = first, None
        else:  # SCRAM hashes for milliseconds
            response = await asyncio.to_thread(mechanism.respond, _challenge(prompt))
        return encoder.answer(response)

    completion = await dialogue.converse("AUTHENTICATE", parts, respond)
    mechanism.finish()
    return completion


def _challenge(prompt: bytes) -> bytes:
    try:
        return base64.b64decode(prompt.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise ProtocolError("challenge is not base64") from None
