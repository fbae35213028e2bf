"""One signature of a SignedData: whose it is, and whether it is right (RFC 5652 §5.4 to §5.6)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.x509.oid import ExtensionOID

from adapters.formats.smime.attributes import attribute_problems, signed_octets, signing_time
from adapters.formats.smime.cms import DATA, Signer
from adapters.formats.smime.digests import ACCEPTED, Content, refusal

__all__ = ["MAX_KEY_BITS", "MIN_RSA_BITS", "Signed", "check_signer", "key_refusal"]

MIN_RSA_BITS: Final = 2048  # RFC 8551 §4.3: less is historic
MIN_EC_BITS: Final = 224
MAX_KEY_BITS: Final = 8192
_SET_TAG: Final = b"\x31"


class _Wrong(Exception):
    """Why a signature doesn't count, in words."""


@dataclass(frozen=True, slots=True)
class Signed:
    """What one signer did. certificate: None where the message doesn't have it; problems: none if all is well;
    time: when it was signed, as far as the signer says."""

    certificate: x509.Certificate | None
    problems: tuple[str, ...]
    time: Any = None


def check_signer(signer: Signer, content: Content, certificates: Sequence[x509.Certificate]) -> Signed:
    """Verify one signature over the content; nothing is said of the certificate's own worth."""
    certificate = None
    try:
        certificate = _certificate(signer, certificates)
        if certificate is None:
            return Signed(None, ("The signer's certificate is not in the message",))
        attributes = signer["signed_attrs"] if signer["signed_attrs"] else None
        problems = tuple(_problems(signer, attributes, content, certificate))
        return Signed(certificate, problems, None if attributes is None else signing_time(attributes))
    except _Wrong as error:
        return Signed(certificate, (str(error),))
    except (ValueError, TypeError, KeyError, UnsupportedAlgorithm):
        return Signed(certificate, ("The signature cannot be read",))


def _problems(signer: Signer, attributes: Any, content: Content, certificate: x509.Certificate) -> Iterator[str]:
    digest = str(signer["digest_algorithm"]["algorithm"].native)
    if refused := refusal(digest):
        raise _Wrong(f"The digest algorithm {refused}")
    key = certificate.public_key()
    if refused := key_refusal(key):
        raise _Wrong(f"The signer's key {refused}")
    if content.content_type != DATA:
        yield "What was signed is not a message"  # RFC 8551 §2.4.2: MUST be id-data
    if attributes is None:
        _check_bare(signer, content, key, digest)
        return
    _verify(signer, key, digest, signed_octets(attributes), prehashed=False)
    yield from attribute_problems(attributes, content, digest, certificate)


def _check_bare(signer: Signer, content: Content, key: object, digest: str) -> None:
    """A signature over the content itself. Raises _Wrong."""
    if content.beginning(1) == _SET_TAG:  # it may have been made over the attributes of another message
        raise _Wrong("The signature is over what is no message")
    if isinstance(key, ed25519.Ed25519PublicKey):
        octets = content.whole()
        if octets is None:
            raise _Wrong("A large message must be signed by way of its digest")
        _verify(signer, key, digest, octets, prehashed=False)
    else:
        _verify(signer, key, digest, content.digest(digest), prehashed=True)


def _verify(signer: Signer, key: object, digest: str, octets: bytes, *, prehashed: bool) -> None:
    """Raises _Wrong where the signature isn't this key's over these octets (their digest if prehashed)."""
    algorithm, signature = signer["signature_algorithm"], bytes(signer["signature"].native)
    name = str(algorithm["algorithm"].native)
    kind = _kind(name)
    own = algorithm.hash_algo if kind == "rsassa_pss" else name.rpartition("_")[0]
    if own not in ("", "rsassa", digest):  # RFC 8933 §3: one and the same digest algorithm
        raise _Wrong("The signature uses two different digest algorithms")
    hashed = utils.Prehashed(ACCEPTED[digest]) if prehashed else ACCEPTED[digest]
    try:
        if kind == "ed25519" and isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, octets)
        elif kind == "ecdsa" and isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, octets, ec.ECDSA(hashed))
        elif kind == "rsassa_pkcs1v15" and isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, octets, padding.PKCS1v15(), hashed)
        elif kind == "rsassa_pss" and isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, octets, _pss(algorithm["parameters"]), hashed)
        else:
            raise _Wrong(f"The signature algorithm {name.upper()} is not supported for the signer's key")
    except InvalidSignature:
        raise _Wrong("The signature is not right: it or what it is over was changed") from None


def _kind(name: str) -> str:
    if name.endswith("_rsa") or name == "rsassa_pkcs1v15":
        return "rsassa_pkcs1v15"
    return "ecdsa" if name.endswith("_ecdsa") else name


def _pss(parameters: Any) -> padding.PSS:
    mask = parameters["mask_gen_algorithm"]
    inner = str(mask["parameters"]["algorithm"].native)
    if mask["algorithm"].native != "mgf1" or parameters["trailer_field"].native != "trailer_field_bc":
        raise _Wrong("The RSASSA-PSS parameters are not supported")
    if refused := refusal(inner):
        raise _Wrong(f"The digest algorithm of the mask {refused}")
    return padding.PSS(padding.MGF1(ACCEPTED[inner]), int(parameters["salt_length"].native))


def key_refusal(key: object) -> str | None:
    """Why a public key isn't used, None if it is."""
    if isinstance(key, ed25519.Ed25519PublicKey):
        return None
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        return "is of a kind that is not supported"
    low = MIN_RSA_BITS if isinstance(key, rsa.RSAPublicKey) else MIN_EC_BITS
    if not low <= key.key_size <= MAX_KEY_BITS:
        return f"has {key.key_size} bits, which is too {'few' if key.key_size < low else 'many'}"
    return None


def _certificate(signer: Signer, certificates: Sequence[x509.Certificate]) -> x509.Certificate | None:
    """The certificate that the signer's identifier names (RFC 5652 §5.3)."""
    chosen = signer["sid"].chosen
    if signer["sid"].name == "subject_key_identifier":
        return next((one for one in certificates if _key_identifier(one) == chosen.native), None)
    serial, issuer = chosen["serial_number"].native, chosen["issuer"]
    return next((one for one in certificates if one.serial_number == serial and _is(one.issuer, issuer)), None)


def _key_identifier(certificate: x509.Certificate) -> bytes:
    try:
        extension = certificate.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_KEY_IDENTIFIER)
    except (x509.ExtensionNotFound, ValueError, x509.DuplicateExtension):
        return x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest
    return bytes(extension.value.digest) if isinstance(extension.value, x509.SubjectKeyIdentifier) else b""


def _is(name: x509.Name, other: Any) -> bool:
    """Whether two names are the same, also where they are encoded in different string types (RFC 5280 §7.1)."""
    octets = name.public_bytes()
    return octets == other.dump() or bool(asn1_x509.Name.load(octets) == other)
