"""Whether a path of certificates holds (RFC 5280 §6), once it is known who signed whom and that all are in date.

`cryptography` decides; it knows authorities with RSA keys and those of the NIST curves. Paths with others (Ed25519,
Brainpool) get the same questions here, and are refused where one of these would need more than that.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtensionOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store, VerificationError

from adapters.formats.smime.digests import ACCEPTED
from adapters.formats.smime.names import extension

__all__ = ["KEPT", "MAX_LENGTH", "may_issue", "validate"]

MAX_LENGTH: Final = 8

KEPT: Final = 256
"""Results kept for certificates that come again and again: those of frequent senders and their authorities."""

_NIST: Final = frozenset({"secp256r1", "secp384r1", "secp521r1"})
_UNDERSTOOD: Final = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.CERTIFICATE_POLICIES,  # no policy is asked for
    }
)


@lru_cache(maxsize=KEPT)
def validate(path: tuple[x509.Certificate, ...]) -> str | None:
    """What is wrong with a path, in words; None if it holds. From the signer's certificate to the anchor's."""
    try:
        if any(map(_is_unusual, path[1:])):
            return next(_problems(path), None)
        _verify(path)
    except (VerificationError, UnsupportedAlgorithm, ValueError, x509.DuplicateExtension) as error:
        return f"The certificate chain is not valid: {_reason(str(error))}"
    return None


def may_issue(certificate: x509.Certificate) -> bool:
    """Whether this is the certificate of an authority (RFC 5280 §4.2.1.3, §4.2.1.9)."""
    constraints = extension(certificate, ExtensionOID.BASIC_CONSTRAINTS)
    usage = extension(certificate, ExtensionOID.KEY_USAGE)
    is_authority = isinstance(constraints, x509.BasicConstraints) and constraints.ca
    return is_authority and not (isinstance(usage, x509.KeyUsage) and not usage.key_cert_sign)


def _verify(path: Sequence[x509.Certificate]) -> None:
    """Raises VerificationError. The time is one of those at which all of the path is valid."""
    any_extension = ExtensionPolicy.permit_all()
    authority = any_extension.require_present(x509.BasicConstraints, Criticality.AGNOSTIC, None)
    verifier = (
        PolicyBuilder()
        .store(Store([path[-1]]))
        .time(max(one.not_valid_before_utc for one in path).replace(tzinfo=None))
        .max_chain_depth(MAX_LENGTH)
        .extension_policies(ca_policy=authority, ee_policy=any_extension)
        .build_client_verifier()
    )
    verifier.verify(path[0], list(path[1:-1]))


def _reason(text: str) -> str:
    """The heart of the library's message, without what it shows of its insides."""
    heart = text.removeprefix("validation failed: ").partition(" (encountered")[0]
    heart = heart.removeprefix("candidates exhausted: ").partition(": AlgorithmIdentifier")[0]
    return heart[:200]


def _is_unusual(authority: x509.Certificate) -> bool:
    key = authority.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.curve.name not in _NIST
    return isinstance(key, ed25519.Ed25519PublicKey)


def _problems(path: Sequence[x509.Certificate]) -> Iterator[str]:
    for certificate in path:
        if any(one.critical and one.oid not in _UNDERSTOOD for one in certificate.extensions):
            yield "The certificate chain is not valid: it has critical extensions that are not known"
        if extension(certificate, ExtensionOID.NAME_CONSTRAINTS) is not None:
            yield "The certificate chain is not valid: its limits of names cannot be applied"
    for certificate in path[:-1]:
        algorithm = certificate.signature_hash_algorithm  # None: Ed25519
        if algorithm is not None and algorithm.name not in ACCEPTED:
            yield f"The certificate chain is not valid: {algorithm.name} is not supported"
    for below, authority in enumerate(path[1:]):
        constraints = extension(authority, ExtensionOID.BASIC_CONSTRAINTS)
        most = constraints.path_length if isinstance(constraints, x509.BasicConstraints) else None
        if not may_issue(authority) or (most is not None and below > most):
            yield "The certificate chain is not valid: it has an authority that may not issue such certificates"
