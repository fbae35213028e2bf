"""Which credentials go to the server, and how. RFC 9051 §6.2; RFC 4959 SASL-IR; RFC 8314."""

import asyncio
import base64
import binascii

from adapters.errors import AuthFailed, InvalidData, Unsupported
from adapters.formats.sasl import Credentials, Mechanism, choices, mechanism
from adapters.imap import encoder
from adapters.imap.dialogue import Dialogue
from adapters.imap.errors import ProtocolError
from adapters.imap.responses import Completion


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
    for name in choices(credentials, encrypted=encrypted):
        if name == "LOGIN":
            if b"LOGINDISABLED" not in capabilities and not credentials.authzid:
                return await _login_command(dialogue, credentials)
        elif b"AUTH=" + name.encode() in capabilities:
            exchange = mechanism(name, credentials, address)
            return await _authenticate(dialogue, exchange, initial_response=b"SASL-IR" in capabilities)
    raise Unsupported("no authentication mechanism in common with the server")


async def _login_command(dialogue: Dialogue, credentials: Credentials) -> Completion:
    try:
        parts = encoder.astring(credentials.username), encoder.astring(credentials.password or "")
    except InvalidData as error:
        raise AuthFailed("NUL in credentials") from error
    return await dialogue.command("LOGIN", *parts)


async def _authenticate(dialogue: Dialogue, exchange: Mechanism, *, initial_response: bool) -> Completion:
    first: bytes | None = exchange.initial()
    parts = [encoder.atom(exchange.name)]
    if initial_response and first is not None:
        parts.append(encoder.initial_response(first))
        first = None

    async def respond(prompt: bytes) -> bytes:
        nonlocal first
        if first is not None:
            response, first = first, None
        else:  # SCRAM hashes for milliseconds
            response = await asyncio.to_thread(exchange.respond, _challenge(prompt))
        return encoder.answer(response)

    completion = await dialogue.converse("AUTHENTICATE", parts, respond)
    exchange.finish()
    return completion


def _challenge(prompt: bytes) -> bytes:
    try:
        return base64.b64decode(prompt.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise ProtocolError("challenge is not base64") from None
