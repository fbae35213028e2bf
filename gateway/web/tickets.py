"""Single-use tickets for browsers, which can't set Authorization on a WebSocket.

A ticket stands for the credentials that it was bought with, on every replica that shares the store. The store holds
them sealed under a key that only the ticket holds, for a minute and for one use. The resources and their answers are
those of Twake Mail (capability `com:linagora:params:jmap:ws:ticket`), whose clients know them.
"""

import base64
import binascii
import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import orjson
from aiohttp import web

from gateway.store.base import Delete, Key, LeaseLost, Put, Store
from gateway.web import addresses
from gateway.web.credentials import Credentials
from gateway.web.keys import services
from gateway.web.problems import Refusal

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

SECONDS: Final = 60
"""How long a ticket waits for its use."""

_ACCOUNT: Final = "tickets"
"""No JMAP account has this id: it has no digest."""
_NONCE: Final = bytes(12)
"""Each key seals once."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """value: what is shown once, 43 characters; it is all that can open what the store holds."""

    value: str

    @property
    def key(self) -> bytes:
        """The key that the credentials are sealed under. Raises ValueError for what was never a ticket."""
        try:
            key = base64.urlsafe_b64decode(self.value + "=")
        except binascii.Error:
            raise ValueError("no ticket") from None
        if len(key) != 32:
            raise ValueError("no ticket")
        return key

    @property
    def place(self) -> Key:
        """Where the sealed credentials lie: it tells nothing of the key."""
        return Key(_ACCOUNT, "ticket", hashlib.sha256(b"place" + self.key).hexdigest())


async def issue(store: Store, credentials: Credentials) -> Ticket:
    """A new ticket for these credentials. Raises StoreUnavailable."""
    ticket = Ticket(secrets.token_urlsafe(32))
    sealed = _cipher(ticket).encrypt(_NONCE, credentials.to_bytes(), None)
    await store.commit(_ACCOUNT, [Put(ticket.place, sealed, SECONDS)])
    return ticket


async def redeem(store: Store, value: str) -> Credentials | None:
    """The credentials, for the first who asks; None for whatever is no ticket any more. Raises StoreUnavailable."""
    try:
        ticket = Ticket(value)
        place = ticket.place
    except ValueError:
        return None
    while True:
        lease = await store.lease(_ACCOUNT)
        (sealed,) = await store.read([place])
        if sealed is None:
            return None
        try:
            await store.commit(_ACCOUNT, [Delete(place)], lease)
        except LeaseLost:
            continue  # another ticket was used at the same moment, or this one
        return _open(ticket, sealed)


def _cipher(ticket: Ticket) -> "ChaCha20Poly1305":
    """Imported when the first ticket is sold: 7 MB that a gateway without browsers need not have."""
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305  # noqa: PLC0415

    return ChaCha20Poly1305(ticket.key)


def _open(ticket: Ticket, sealed: bytes) -> Credentials | None:
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - see _cipher

    try:
        return Credentials.from_bytes(_cipher(ticket).decrypt(_NONCE, sealed, None))
    except InvalidTag:
        return None


async def post_ticket(request: web.Request) -> web.Response:
    """POST /jmap/ws/ticket: `value` is what the WebSocket's URL takes as its parameter `ticket`."""
    found = services(request)
    credentials = found.authenticator.credentials(request)
    async with found.authenticator.login(request) as login:
        ticket = await issue(found.store, credentials)
    now = datetime.now(UTC).replace(microsecond=0)
    body = {
        "value": ticket.value,
        "clientAddress": addresses.client_address(request, found.config.server),
        "generatedOn": _utc(now),
        "validUntil": _utc(now + timedelta(seconds=SECONDS)),
        "username": login.username,
    }
    return web.Response(body=orjson.dumps(body), content_type="application/json", headers={"Cache-Control": "no-store"})


async def delete_ticket(request: web.Request) -> web.Response:
    """DELETE /jmap/ws/ticket/{ticket}: it can't be used any more. Whoever knows a ticket may have it revoked."""
    found = services(request)
    async with found.authenticator.login(request):
        try:
            place = Ticket(request.match_info["ticket"]).place
        except ValueError:
            raise Refusal(404, "No such ticket.") from None
        await found.store.commit(_ACCOUNT, [Delete(place)])
    return web.Response(status=204)


def _utc(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
