"""POST requests to the URLs of push subscriptions (RFC 8620 §7.2, RFC 8030 §5)."""

import logging
import secrets
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final, Literal

import aiohttp

from adapters.egress import Network, socket_factory
from gateway.config_reader import ConfigError
from gateway.push.vapid import VapidKey
from gateway.sync.ledger import Record

log = logging.getLogger(__name__)

TTL_SECONDS: Final = 24 * 3600
"""How long a push service keeps a message for a device that is away: it learns the rest from the states."""

CONNECTIONS: Final = 100
LONGEST_WAIT: Final = 3600.0
"""Seconds: the most that a push service may make us wait."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a message. gone: there is no such subscription any more. wait: seconds that were asked for."""

    kind: Literal["taken", "gone", "slower", "failed"]
    wait: float = 0.0


class Sender:
    """Sends what is to be pushed, encrypted where the subscription has keys (RFC 8291).

    ca_file: what push services are verified by besides; None: the system's authorities. networks: where it may
    connect to besides public addresses. seconds: for a whole request. Raises ConfigError.
    """

    def __init__(self, key: VapidKey, ca_file: Path | None, networks: Sequence[Network], seconds: float) -> None:
        self._key = key
        self._networks = networks
        self._timeout = aiohttp.ClientTimeout(total=seconds)
        self._ca_file = ca_file
        self._http: aiohttp.ClientSession | None = None
        if ca_file is not None:
            _context(ca_file)

    async def send(self, record: Record, body: bytes, urgency: str = "normal") -> Outcome:
        """One message. What goes wrong is an outcome; nothing is raised."""
        try:
            answer = await self._post(record, body, urgency)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            log.info("a push failed: %s", type(error).__name__)
            return Outcome("failed")
        async with answer:
            log.info("a push was answered with %d", answer.status)
            return _outcome(answer.status, answer.headers.get("Retry-After", ""))

    async def close(self) -> None:
        """Close all connections."""
        if self._http is not None:
            await self._http.close()

    async def _post(self, record: Record, body: bytes, urgency: str) -> aiohttp.ClientResponse:
        url = record["url"]
        headers = {
            "Content-Type": "application/json",  # RFC 8620 §7.2
            "TTL": str(TTL_SECONDS),
            "Urgency": urgency,
            "Authorization": self._key.authorization(url),  # RFC 9749 §4: every time
        }
        if record["keys"] is not None:
            headers["Content-Encoding"] = "aes128gcm"
            body = _encrypted(body, record["keys"])
        # A redirect would lead to where nobody asked for the pushes.
        return await self._session().post(url, data=body, headers=headers, allow_redirects=False)

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            connector = aiohttp.TCPConnector(
                limit=CONNECTIONS, ssl=_context(self._ca_file), socket_factory=socket_factory(self._networks)
            )
            self._http = aiohttp.ClientSession(
                connector=connector,
                timeout=self._timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "jmap-gateway"},
                auto_decompress=False,
            )
        return self._http


def _context(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    try:
        if ca_file is not None:
            context.load_verify_locations(ca_file)
    except OSError as error:  # SSLError is one
        raise ConfigError([f"push.ca_file: {error}"]) from error
    return context


def _encrypted(body: bytes, keys: Record) -> bytes:
    """Raises ValueError for what does not fit."""
    # Imported when something is sent: 7 MB that a gateway without push need not have.
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    from adapters.formats import web_push  # noqa: PLC0415

    receiver = web_push.subscriber_keys(keys["p256dh"], keys["auth"])
    return web_push.encrypt(body, receiver, ec.generate_private_key(ec.SECP256R1()), secrets.token_bytes(16))


def _outcome(status: int, retry_after: str) -> Outcome:
    if 200 <= status < 300:
        return Outcome("taken")
    if status in {404, 410}:  # RFC 8030 §7.3
        return Outcome("gone")
    wait = min(LONGEST_WAIT, _seconds(retry_after))
    return Outcome("slower" if status == 429 else "failed", wait)  # RFC 8620 §7.2


def _seconds(retry_after: str) -> float:
    """The field's value (RFC 9110 §10.2.3): seconds or a date; 0 for anything else."""
    if retry_after.isascii() and retry_after.isdecimal():
        return float(retry_after[:9])
    try:
        moment = parsedate_to_datetime(retry_after)
    except ValueError:
        return 0.0
    return max(0.0, (moment.astimezone(UTC) - datetime.now(UTC)).total_seconds())
