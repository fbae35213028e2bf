"""SignedData (RFC 5652 §5) taken apart: what was signed stays where it is, the rest is small and bounded."""

from dataclasses import dataclass
from typing import Any, Final

from asn1crypto import cms
from asn1crypto.core import ObjectIdentifier

from adapters.formats.smime.ber import CONTEXT, Malformed, Octets, Reader, Span

__all__ = ["DATA", "CmsError", "SignedData", "parse_signed_data"]

MAX_CERTIFICATES: Final = 50
MAX_SIGNERS: Final = 16
MAX_REVOCATION_LISTS: Final = 16
MAX_ITEM: Final = 64 * 1024
"""Octets of one certificate or signer; a revocation list may have sixteen times as many."""

MAX_SIGNER_ELEMENTS: Final = 4_000

DATA: Final = "1.2.840.113549.1.7.1"
SIGNED_DATA: Final = "1.2.840.113549.1.7.2"

_OID: Final = 0x06
_SEQUENCE: Final = 0x30
_SET: Final = 0x31
_INTEGER: Final = 0x02

Signer = Any
"""An asn1crypto.cms.SignerInfo."""


class CmsError(ValueError):
    """Why a signature cannot be read, in words for its reader."""


@dataclass(frozen=True, slots=True)
class SignedData:
    """content: where in the octets that were parsed the signed content lies, in its pieces; None where it is detached.
    certificates, revocation_lists: DER."""

    content_type: str
    content: tuple[Span, ...] | None
    certificates: tuple[bytes, ...]
    revocation_lists: tuple[bytes, ...]
    signers: tuple[Signer, ...]


def parse_signed_data(data: Octets) -> SignedData:
    """Raises CmsError for what is no SignedData, and for more of it than anybody needs."""
    try:
        return _content_info(data, Reader(data))
    except Malformed as error:
        raise CmsError(f"The signature is malformed: {error}") from error


def _content_info(data: Octets, reader: Reader) -> SignedData:
    reader.enter(_SEQUENCE)
    if _object_identifier(data, reader) != SIGNED_DATA:
        raise CmsError("The part that should be signed data is something else")
    reader.enter(CONTEXT)
    reader.enter(_SEQUENCE)
    _expect(reader, _INTEGER)  # version: of no consequence
    _expect(reader, _SET)  # digestAlgorithms: a hint only, each signer names its own
    content_type, content = _encapsulated(data, reader)
    certificates = _items(data, reader, CONTEXT, "certificates", MAX_CERTIFICATES, MAX_ITEM)
    lists = _items(data, reader, CONTEXT + 1, "revocation lists", MAX_REVOCATION_LISTS, 16 * MAX_ITEM)
    infos = _items(data, reader, _SET, "signers", MAX_SIGNERS, MAX_ITEM)
    for _ in range(3):
        reader.leave()
    return SignedData(
        content_type,
        content,
        # the others of a CertificateSet are attribute certificates, of a RevocationInfoChoices other formats
        tuple(item for item in certificates if item[0] == _SEQUENCE),
        tuple(item for item in lists if item[0] == _SEQUENCE),
        tuple(map(_signer, infos)),
    )


def _encapsulated(data: Octets, reader: Reader) -> tuple[str, tuple[Span, ...] | None]:
    reader.enter(_SEQUENCE)
    content_type, content = _object_identifier(data, reader), None
    if reader.peek() == CONTEXT:
        reader.enter(CONTEXT)
        content = tuple(reader.octets())
        reader.leave()
    reader.leave()
    return content_type, content


def _items(data: Octets, reader: Reader, identifier: int, what: str, most: int, longest: int) -> list[bytes]:
    if reader.peek() != identifier:
        return []
    reader.enter(identifier)
    found: list[bytes] = []
    while reader.peek() is not None:
        if len(found) >= most:
            raise CmsError(f"The signature has more than {most} {what}")
        start, end = reader.take()
        if end - start > longest:
            raise CmsError(f"The signature has {what} of more than {longest} octets")
        found.append(bytes(data[start:end]))
    reader.leave()
    return found


def _signer(octets: bytes) -> Signer:
    Reader(octets, max_elements=MAX_SIGNER_ELEMENTS).check()
    try:
        signer = cms.SignerInfo.load(octets, strict=True)
        for name in ("sid", "digest_algorithm", "signed_attrs", "signature_algorithm", "signature"):
            signer[name]  # parses what was only measured so far
    except (ValueError, TypeError, KeyError) as error:
        raise CmsError("The signature has a signer that cannot be read") from error
    return signer


def _object_identifier(data: Octets, reader: Reader) -> str:
    start, end = _expect(reader, _OID)
    if end - start > 40:
        raise Malformed("an object identifier of more than 40 octets")
    return str(ObjectIdentifier.load(bytes(data[start:end])).dotted)


def _expect(reader: Reader, identifier: int) -> Span:
    if reader.peek() != identifier:
        raise Malformed(f"expected {identifier:#x}")
    return reader.take()
