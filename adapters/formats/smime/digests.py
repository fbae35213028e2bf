"""Digests of what was signed: each algorithm goes over it once, however many signers use it."""

from collections.abc import Callable, Iterable
from typing import Final

from cryptography.hazmat.primitives import hashes

__all__ = ["ACCEPTED", "WEAK", "Content", "refusal"]

Octets = bytes | bytearray | memoryview

ACCEPTED: Final[dict[str, hashes.HashAlgorithm]] = {  # RFC 8551 §2.1, RFC 8419 §2.3
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
WEAK: Final = frozenset({"md2", "md5", "sha1"})  # RFC 8551 appendix B: historic, no assurance any more

WHOLE_LIMIT: Final = 1 << 20


def refusal(algorithm: str) -> str | None:
    """Why a digest algorithm (asn1crypto's name) isn't used, None if it is."""
    if algorithm in ACCEPTED:
        return None
    shown = algorithm.upper().replace("SHA1", "SHA-1")
    return f"{shown} is too weak" if algorithm in WEAK else f"{shown} is not supported"


class Content:
    """What was signed, in pieces that can be had again and again."""

    def __init__(self, pieces: Callable[[], Iterable[Octets]], content_type: str) -> None:
        self._pieces = pieces
        self._made: dict[str, bytes] = {}
        self.content_type = content_type

    def digest(self, algorithm: str) -> bytes:
        """The digest by an accepted algorithm."""
        if algorithm not in self._made:
            hashed = hashes.Hash(ACCEPTED[algorithm])
            for piece in self._pieces():
                hashed.update(piece)
            self._made[algorithm] = hashed.finalize()
        return self._made[algorithm]

    def beginning(self, most: int) -> bytes:
        """The first octets, at least `most` of them where there are as many."""
        found = b""
        for piece in self._pieces():
            found += bytes(piece[:most])
            if len(found) >= most:
                break
        return found

    def whole(self) -> bytes | None:
        """All of it in one piece, None if that is too much."""
        found = bytearray()
        for piece in self._pieces():
            found += piece
            if len(found) > WHOLE_LIMIT:
                return None
        return bytes(found)
