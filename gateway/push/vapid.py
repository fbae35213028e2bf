"""The key by which push services know this gateway (RFC 8292, RFC 9749): configured, or made once and stored.

cryptography is imported when a key is made or used: 7 MB that a gateway without push need not have.
"""

import contextlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import orjson

from gateway.config_reader import ConfigError, Secret
from gateway.store.base import Key, LeaseLost, Put, Store

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

VAPID: Final = "urn:ietf:params:jmap:webpush-vapid"

_PARTITION: Final = "push"
_PLACE: Final = Key(_PARTITION, "vapid", "key")


class VapidKey:
    """The private key, and the public half as clients are told it. Gateways on one store have the same.

    advertise: called with the public half whenever it is another than before. contact: see `formats.web_push.vapid`.
    """

    def __init__(
        self, store: Store, configured: Secret | None, contact: str | None, advertise: Callable[[str], None]
    ) -> None:
        self.public = ""
        self._store = store
        self._contact = contact
        self._advertise = advertise
        self._pem = b""
        self._key: EllipticCurvePrivateKey | None = None
        self._is_configured = configured is not None
        if configured is not None:
            self._adopt(configured.reveal().encode(), _public(_parsed(configured.reveal().encode())))

    async def load(self, *, make: bool = True) -> str:
        """The public half, which the store has from now on. Raises StoreUnavailable.

        make: whether to make a key where there is none; else it is "" then.
        """
        while not self._is_configured and not await self._find():
            if not self.public and not make:
                break
            await self._keep()
        return self.public

    async def _find(self) -> bool:
        """Take the key that the store has, if it has one."""
        (stored,) = await self._store.read([_PLACE])
        if stored is None:
            return False
        found = orjson.loads(stored)
        self._adopt(found["pem"].encode(), found["public"])
        return True

    async def _keep(self) -> None:
        """Give the store a key, unless another gateway does."""
        lease = await self._store.lease(_PARTITION)
        if await self._find():
            return
        if not self.public:
            self._adopt(*_made())
        value = orjson.dumps({"pem": self._pem.decode(), "public": self.public})
        with contextlib.suppress(LeaseLost):
            await self._store.commit(_PARTITION, [Put(_PLACE, value)], lease)

    def authorization(self, url: str) -> str:
        """The Authorization header field of a request to a push resource (RFC 8292 §3)."""
        from adapters.formats import web_push  # noqa: PLC0415 - see above

        if self._key is None:
            self._key = _parsed(self._pem)
        return web_push.vapid(url, self._key, self._contact, int(time.time()))

    def _adopt(self, pem: bytes, public: str) -> None:
        if public != self.public:
            self._pem, self._key, self.public = pem, None, public
            self._advertise(public)


def _made() -> tuple[bytes, str]:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - see above

    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem, _public(key)


def _parsed(pem: bytes) -> "EllipticCurvePrivateKey":
    """Raises ConfigError for what is no key on P-256 in PEM."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - see above
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - see above

    try:
        key = serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError) as error:
        raise ConfigError([f"push.vapid_key: {error}"]) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ConfigError(["push.vapid_key: must be a private key on the curve P-256"])
    return key


def _public(key: "EllipticCurvePrivateKey") -> str:
    from adapters.formats import web_push  # noqa: PLC0415 - see above

    return web_push.application_server_key(key)
