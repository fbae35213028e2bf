"""Sealing what must be kept in the store and not be read there: credentials for work that outlives its request.

Only where the operator gave a key. cryptography is imported when something is sealed or opened: 7 MB.
"""

import hashlib
import secrets
from typing import TYPE_CHECKING, Final

from gateway.config_reader import Secret

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

_NONCE: Final = 12


class Vault:
    """Seals under one key. Whoever has the store, but not the key, can neither read nor move what is sealed."""

    def __init__(self, key: Secret) -> None:
        self._key = hashlib.sha256(b"jmap-gateway vault\0" + key.reveal().encode()).digest()

    def seal(self, text: bytes, place: str) -> bytes:
        """The text, to be opened only where it is said to lie in the same place."""
        nonce = secrets.token_bytes(_NONCE)
        return nonce + self._cipher().encrypt(nonce, text, place.encode())

    def open(self, sealed: bytes, place: str) -> bytes | None:
        """The text; None for what was not sealed under this key for this place."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - see above

        try:
            return self._cipher().decrypt(sealed[:_NONCE], sealed[_NONCE:], place.encode())
        except (InvalidTag, ValueError):
            return None

    def _cipher(self) -> "ChaCha20Poly1305":
        from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305  # noqa: PLC0415 - see above

        return ChaCha20Poly1305(self._key)
