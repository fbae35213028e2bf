"""Signed attributes (RFC 5652 §5.3, §11): what the signer signed in place of the content."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from asn1crypto import parser, tsp  # tsp also teaches asn1crypto.cms the signing-certificate attributes
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from adapters.formats.smime.digests import Content

__all__ = ["attribute_problems", "signed_octets", "signing_time"]

_SET: Final = 17
Attributes = Any
"""An asn1crypto.cms.CMSAttributes."""


def signed_octets(attributes: Attributes) -> bytes:
    """What the signature is over: the attributes encoded as SET OF (RFC 5652 §5.4), not as the [0] they stand as."""
    return bytes(parser.emit(0, 1, _SET, attributes.contents))


def attribute_problems(
    attributes: Attributes, content: Content, digest_algorithm: str, certificate: x509.Certificate
) -> Iterator[str]:
    """What in the attributes is not true, in words."""
    content_type = _single(attributes, "content_type")
    if content_type is None:
        yield "The signed attributes do not name the content type exactly once"
    elif content_type.dotted != content.content_type:
        yield "The signed attributes name another content type"
    digest = _single(attributes, "message_digest")
    if digest is None:
        yield "The signed attributes do not have the digest of the message exactly once"
    elif digest.native != content.digest(digest_algorithm):
        yield "The message was changed after it was signed"
    if "signing_time" in _names(attributes) and signing_time(attributes) is None:
        yield "The signed attributes do not have a readable time of signing"
    if not _names_certificate(attributes, certificate):
        yield "The signed attributes name another certificate than the signer's"


def signing_time(attributes: Attributes) -> datetime | None:
    """When the signer says that it signed (RFC 5652 §11.3); None where it doesn't, or not in a readable way."""
    value = _single(attributes, "signing_time")
    try:
        time = None if value is None else value.native
    except ValueError:
        return None
    return time.astimezone(UTC) if isinstance(time, datetime) else None


def _names(attributes: Attributes) -> list[str]:
    return [str(attribute["type"].native) for attribute in attributes]


def _single(attributes: Attributes, name: str) -> Any:
    """The value of an attribute that must be there once, with one value (RFC 5652 §11); None where it isn't so."""
    found = [attribute["values"] for attribute in attributes if attribute["type"].native == name]
    return found[0][0] if len(found) == 1 and len(found[0]) == 1 else None


def _names_certificate(attributes: Attributes, certificate: x509.Certificate) -> bool:
    """Whether the signing-certificate attributes (RFC 5035 §3, §4), where there are any, are about this one."""
    for attribute in attributes:
        if attribute["type"].native in ("signing_certificate", "signing_certificate_v2"):
            if len(attribute["values"]) != 1 or len(attribute["values"][0]["certs"]) == 0:
                return False
            named = attribute["values"][0]["certs"][0]
            algorithm = "sha1"
            if isinstance(named, tsp.ESSCertIDv2):
                algorithm = str(named["hash_algorithm"]["algorithm"].native)
            if algorithm not in hashlib.algorithms_guaranteed:
                return False
            digest = hashlib.new(algorithm, certificate.public_bytes(Encoding.DER), usedforsecurity=False).digest()
            if named["cert_hash"].native != digest:
                return False
    return True
