"""Whether the certificates of a signature were revoked: revocation lists and OCSP (RFC 5280 §6.3, RFC 6960).

What is looked at: the lists that the message brings along, those that the operator keeps in files, and, only where it
is switched on, what the certificates' own URLs give, by connections that the egress policy allows. All of it runs on
an event loop in a thread of its own, as it computes as much as it waits.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import aiohttp
from asn1crypto import crl, pem
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko_certvalidator import CertificateValidator, ValidationContext
from pyhanko_certvalidator.errors import InsufficientRevinfoError, PathError, RevokedError, ValidationError
from pyhanko_certvalidator.fetchers.aiohttp_fetchers import AIOHttpFetcherBackend
from pyhanko_certvalidator.fetchers.api import Fetchers

from adapters.egress import Network, socket_factory
from adapters.formats.smime.names import shown
from adapters.formats.smime.verify import Finding

__all__ = ["RevocationCheck"]

_log = logging.getLogger(__name__)

FETCH_SECONDS: Final = 5
CHECK_SECONDS: Final = 20
KEEP_SECONDS: Final = 3600.0
"""How long what was fetched, or read from files, is used."""

MAX_LIST: Final = 32 << 20
_SUFFIXES: Final = frozenset({".crl", ".pem"})


class RevocationCheck:
    """is_required: a certificate whose revocation cannot be told doesn't count. lists: a file or directory of
    revocation lists. fetch: whether anything may be fetched; networks: see `adapters.egress`."""

    def __init__(
        self, *, is_required: bool, lists: Path | None = None, fetch: bool = False, networks: Sequence[Network] = ()
    ) -> None:
        # it would log whose certificates are looked at
        logging.getLogger("pyhanko_certvalidator").setLevel(logging.CRITICAL)
        self._is_required = is_required
        self._path = lists
        self._fetch = fetch
        self._networks = networks
        self._loop = asyncio.new_event_loop()
        self._thread: threading.Thread | None = None
        self._session: aiohttp.ClientSession | None = None
        self._fetchers: Fetchers | None = None
        self._kept: list[bytes] = []
        self._renewed_at = -KEEP_SECONDS

    async def problems(self, finding: Finding) -> list[str]:
        """What is wrong with the certificates of a Finding whose paths hold otherwise, in words."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._loop.run_forever, name="revocation", daemon=True)
            self._thread.start()
        work = asyncio.run_coroutine_threadsafe(self._problems(finding), self._loop)
        return await asyncio.wrap_future(work)

    async def close(self) -> None:
        """End the thread and all connections."""
        if self._thread is not None:
            closing = asyncio.run_coroutine_threadsafe(self._end_session(), self._loop)
            await asyncio.wrap_future(closing)
            self._loop.call_soon_threadsafe(self._loop.stop)
            await asyncio.to_thread(self._thread.join)
        self._loop.close()

    async def _problems(self, finding: Finding) -> list[str]:
        await self._renew()
        found: dict[str, None] = {}
        for path in finding.paths:
            if problem := await self._problem(path, finding.revocation_lists, finding.moment):
                found[problem] = None
        return list(found)

    async def _problem(self, path: Sequence[x509.Certificate], lists: Sequence[bytes], at: datetime) -> str | None:
        certificates = [asn1_x509.Certificate.load(one.public_bytes(Encoding.DER)) for one in path]
        if len(certificates) < 2:  # an anchor isn't revoked but removed
            return None
        whose = f"the certificate of {shown(path[0].subject)}"
        try:
            context = ValidationContext(
                trust_roots=[certificates[-1]],
                other_certs=certificates[1:-1],
                moment=at,
                allow_fetching=self._fetch,
                fetchers=self._fetchers,
                crls=[*_readable(lists), *self._kept],
                revocation_mode="require",
                retroactive_revinfo=True,  # a list of today tells as well what was revoked at an earlier moment
            )
            validator = CertificateValidator(certificates[0], certificates[1:-1], context)
            validate: Any = validator.async_validate_usage
            async with asyncio.timeout(CHECK_SECONDS):
                await validate(set(), extended_optional=True)
        except RevokedError as error:
            return f"The certificate of {shown(path[0].subject)}, or one above it, was revoked: {error.reason.native}"
        except InsufficientRevinfoError:
            return f"It cannot be told whether {whose} was revoked" if self._is_required else None
        except (ValidationError, PathError, ValueError, TimeoutError) as error:
            _log.info("revocation cannot be looked at: %s", type(error).__name__)
            return f"It cannot be told whether {whose} was revoked" if self._is_required else None
        return None

    async def _renew(self) -> None:
        """Forget what was fetched and read some time ago."""
        if time.monotonic() - self._renewed_at < KEEP_SECONDS:
            return
        self._renewed_at = time.monotonic()
        self._kept = list(_lists(self._path)) if self._path is not None else []
        if self._fetch:
            await self._end_session()
            connector = aiohttp.TCPConnector(socket_factory=socket_factory(self._networks))
            self._session = aiohttp.ClientSession(connector=connector, response_class=_Bounded, trust_env=False)
            self._fetchers = AIOHttpFetcherBackend(self._session, FETCH_SECONDS).get_fetchers()

    async def _end_session(self) -> None:
        if self._session is not None:
            await self._session.close()


class _Bounded(aiohttp.ClientResponse):
    """A response of which no more than a revocation list may have is read."""

    async def read(self) -> bytes:
        """See ClientResponse."""
        octets = bytearray()
        async for piece in self.content.iter_any():
            octets += piece
            if len(octets) > MAX_LIST:
                raise aiohttp.ClientPayloadError("more than a revocation list has")
        return bytes(octets)


def _lists(path: Path) -> Iterator[bytes]:
    files = sorted(file for file in path.iterdir() if file.suffix in _SUFFIXES) if path.is_dir() else [path]
    for file in files:
        try:
            octets = file.read_bytes()
            yield from _readable([pem.unarmor(octets)[2] if pem.detect(octets) else octets])
        except (OSError, ValueError) as error:
            _log.warning("a revocation list cannot be read: %s: %s", file, error)


def _readable(lists: Sequence[bytes]) -> Iterator[bytes]:
    """Those that are revocation lists; of a message's own nothing else is made known."""
    for octets in lists:
        try:
            crl.CertificateList.load(octets, strict=True)["tbs_cert_list"]["issuer"].native  # noqa: B018 - parses
        except (ValueError, TypeError, KeyError):
            continue
        yield octets
