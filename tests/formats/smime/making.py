"""Signed messages: made with `cryptography`, with the openssl command line, and by hand for what neither would make."""

import base64
import datetime
import hashlib
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asn1crypto import algos, cms, core
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime.datetime(2026, 11, 28, 12, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)
ALICE = "alice@example.org"
BODY = b"Content-Type: text/plain; charset=us-ascii\r\n\r\nPay the bearer 10 coins.\r\n"

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


@dataclass(frozen=True)
class Holder:
    """A certificate with its key. chain: the certificates above it, without the root's."""

    certificate: x509.Certificate
    key: Any
    chain: tuple[x509.Certificate, ...] = ()

    def write(self, directory: Path, name: str) -> None:
        """As `NAME.pem` and `NAME.key`, for the command line."""
        octets = self.certificate.public_bytes(Encoding.PEM)
        (directory / f"{name}.pem").write_bytes(octets)
        form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        (directory / f"{name}.key").write_bytes(self.key.private_bytes(Encoding.PEM, *form))


@dataclass(frozen=True)
class Wish:
    """What a certificate is to be like."""

    name: str = "Alice"
    addresses: Sequence[str] = (ALICE,)
    is_authority: bool = False
    path_length: int | None = None
    valid: tuple[datetime.datetime, datetime.datetime] = (NOW - 30 * DAY, NOW + 30 * DAY)
    key: Any = None
    digest: Any = field(default_factory=hashes.SHA256)
    usage: Sequence[str] = ("digital_signature",)
    extended: Sequence[x509.ObjectIdentifier] = (ExtendedKeyUsageOID.EMAIL_PROTECTION,)
    extensions: Sequence[tuple[x509.ExtensionType, bool]] = ()
    subject: Sequence[x509.NameAttribute[Any]] = ()
    other_names: Sequence[x509.GeneralName] = ()


USAGES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)


def certificate(wish: Wish, issuer: Holder | None = None) -> Holder:
    """A certificate by an issuer, or one that is its own."""
    key = wish.key or ec_key()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, wish.name), *wish.subject])
    signing = key if issuer is None else issuer.key
    usage = ("key_cert_sign", "crl_sign") if wish.is_authority else wish.usage
    names: list[x509.GeneralName] = [*map(x509.RFC822Name, wish.addresses), *wish.other_names]
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(wish.valid[0])
        .not_valid_after(wish.valid[1])
        .add_extension(x509.BasicConstraints(ca=wish.is_authority, path_length=wish.path_length), critical=True)
        .add_extension(x509.KeyUsage(**{name: name in usage for name in USAGES}), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if not wish.is_authority:
        if wish.extended:
            builder = builder.add_extension(x509.ExtendedKeyUsage(wish.extended), critical=False)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    for value, critical in wish.extensions:
        builder = builder.add_extension(value, critical)
    made = builder.sign(signing, None if isinstance(signing, ed25519.Ed25519PrivateKey) else wish.digest)
    chain = () if issuer is None else (*((issuer.certificate,) if issuer.chain is not None else ()), *issuer.chain)
    return Holder(made, key, tuple(one for one in chain if one.issuer != one.subject))


def weak_certificate(directory: Path, issuer: Holder) -> Holder:
    """Alice's certificate signed by SHA-1, which `cryptography` doesn't make any more."""
    holder = certificate(Wish(), issuer)
    holder.write(directory, "weak")
    issuer.write(directory, "issuer")
    here = str(directory)
    request = openssl("req", "-new", "-key", f"{here}/weak.key", "-subj", "/CN=Alice")
    (directory / "extensions").write_text(f"subjectAltName=email:{ALICE}\n")
    issuing = ["-CA", f"{here}/issuer.pem", "-CAkey", f"{here}/issuer.key", "-sha1", "-days", "900"]
    made = openssl("x509", "-req", *issuing, "-set_serial", "7", "-extfile", f"{here}/extensions", octets=request)
    return Holder(x509.load_pem_x509_certificate(made), holder.key, holder.chain)


@dataclass(frozen=True)
class Authority:
    """A root, an intermediate below it, and Alice, whom the intermediate knows."""

    root: Holder
    intermediate: Holder
    alice: Holder

    @classmethod
    def make(cls, now: datetime.datetime = NOW) -> "Authority":
        root = certificate(Wish("Root", is_authority=True, valid=(now - 900 * DAY, now + 900 * DAY)))
        wish = Wish("Intermediate", is_authority=True, valid=(now - 800 * DAY, now + 800 * DAY))
        intermediate = certificate(wish, root)
        return cls(root, intermediate, certificate(Wish(valid=(now - 30 * DAY, now + 30 * DAY)), intermediate))


def by_library(holder: Holder, body: bytes = BODY, *options: pkcs7.PKCS7Options, pss: bool = False) -> bytes:
    """The SignedData (DER) of a body by `cryptography`, detached unless the options say otherwise."""
    if pss:
        mask = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
        builder = pkcs7.PKCS7SignatureBuilder().set_data(body)
        builder = builder.add_signer(holder.certificate, holder.key, hashes.SHA256(), rsa_padding=mask)
    else:
        builder = pkcs7.PKCS7SignatureBuilder().set_data(body)
        builder = builder.add_signer(holder.certificate, holder.key, hashes.SHA256())
    for one in holder.chain:
        builder = builder.add_certificate(one)
    return builder.sign(Encoding.DER, [*options, pkcs7.PKCS7Options.Binary])


def openssl(*arguments: str, octets: bytes = b"") -> bytes:
    """The output of the openssl command line."""
    done = subprocess.run(["openssl", *arguments], input=octets, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def by_openssl(directory: Path, holders: Sequence[Holder], body: bytes = BODY, *options: str) -> bytes:
    """The SignedData (DER) of a body by `openssl cms -sign`; detached unless the options say -nodetach."""
    arguments = ["cms", "-sign", "-binary", "-outform", "DER"]
    for number, holder in enumerate(holders):
        holder.write(directory, f"signer{number}")
        path = str(directory / f"signer{number}")
        arguments += ["-signer", f"{path}.pem", "-inkey", f"{path}.key"]
    chains = dict.fromkeys(one for holder in holders for one in holder.chain)
    (directory / "chains").write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in chains))
    if chains:
        arguments += ["-certfile", str(directory / "chains")]
    return openssl(*arguments, *options, octets=body)


@dataclass(frozen=True)
class Signing:
    """One signer of a SignedData that is made by hand."""

    holder: Holder
    digest: str = "sha256"
    attributes: bool = True
    content_type: str = "data"
    by_key: bool = False
    time: datetime.datetime | None = None
    spoil: Any = None
    """A function that changes the list of attributes before they are signed."""


def by_hand(
    signings: Sequence[Signing],
    content: bytes = BODY,
    *,
    detached: bool = True,
    certificates: Sequence[x509.Certificate] | None = None,
) -> bytes:
    """A SignedData with whatever is wanted of it."""
    if certificates is None:
        certificates = [one for each in signings for one in (each.holder.certificate, *each.holder.chain)]
    encapsulated: dict[str, Any] = {"content_type": "data"}
    if not detached:
        encapsulated["content"] = content
    signed = cms.SignedData(
        {
            "version": "v1",
            "digest_algorithms": [algos.DigestAlgorithm({"algorithm": each.digest}) for each in signings],
            "encap_content_info": encapsulated,
            "certificates": [
                asn1_x509.Certificate.load(one.public_bytes(Encoding.DER)) for one in dict.fromkeys(certificates)
            ],
            "signer_infos": [_signer_info(each, content) for each in signings],
        }
    )
    return bytes(cms.ContentInfo({"content_type": "signed_data", "content": signed}).dump())


def _signer_info(signing: Signing, content: bytes) -> cms.SignerInfo:
    own = signing.holder.certificate
    issuer_and_serial = cms.IssuerAndSerialNumber(
        {"issuer": asn1_x509.Name.load(own.issuer.public_bytes()), "serial_number": own.serial_number}
    )
    identifier = x509.SubjectKeyIdentifier.from_public_key(own.public_key()).digest
    sid = cms.SignerIdentifier("issuer_and_serial_number", issuer_and_serial)
    if signing.by_key:
        sid = cms.SignerIdentifier("subject_key_identifier", core.OctetString(identifier))
    info: dict[str, Any] = {
        "version": "v3" if signing.by_key else "v1",
        "sid": sid,
        "digest_algorithm": algos.DigestAlgorithm({"algorithm": signing.digest}),
    }
    octets = content
    if signing.attributes:
        attributes = _attributes(signing, content)
        info["signed_attrs"] = attributes
        octets = b"\x31" + attributes.dump()[1:]
    kind, signature = _sign(signing, octets)
    info |= {"signature_algorithm": algos.SignedDigestAlgorithm({"algorithm": kind}), "signature": signature}
    return cms.SignerInfo(info)


def _attributes(signing: Signing, content: bytes) -> cms.CMSAttributes:
    digest = hashlib.new(signing.digest, content).digest()
    time = signing.time or NOW - datetime.timedelta(hours=2)
    attributes = [
        cms.CMSAttribute({"type": "content_type", "values": [signing.content_type]}),
        cms.CMSAttribute({"type": "message_digest", "values": [digest]}),
        cms.CMSAttribute({"type": "signing_time", "values": [cms.Time({"utc_time": core.UTCTime(time)})]}),
    ]
    if signing.spoil is not None:
        attributes = signing.spoil(attributes)
    return cms.CMSAttributes(attributes)


def _sign(signing: Signing, octets: bytes) -> tuple[str, bytes]:
    key = signing.holder.key
    algorithm: dict[str, hashes.HashAlgorithm] = {
        "sha1": hashes.SHA1(),  # noqa: S303 - made to be refused
        "sha256": hashes.SHA256(),
        "sha512": hashes.SHA512(),
    }
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "ed25519", key.sign(octets)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return f"{signing.digest}_ecdsa", key.sign(octets, ec.ECDSA(algorithm[signing.digest]))
    return f"{signing.digest}_rsa", key.sign(octets, padding.PKCS1v15(), algorithm[signing.digest])


def revocation_list(issuer: Holder, *serials: int, on: datetime.datetime | None = None) -> bytes:
    """A revocation list (DER) of today; what is on it was revoked yesterday, or then."""
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer.certificate.subject)
    builder = builder.last_update(now - DAY / 2).next_update(now + 7 * DAY)
    for serial in serials:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(on or now - DAY)
        reason = x509.CRLReason(x509.ReasonFlags.key_compromise)
        builder = builder.add_revoked_certificate(entry.add_extension(reason, critical=False).build())
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.DER)


HEADER = f"From: Alice Example <{ALICE}>\r\nTo: bob@example.org\r\nSubject: Signed\r\nMIME-Version: 1.0\r\n".encode()


def base64_lines(octets: bytes) -> bytes:
    return base64.encodebytes(octets).replace(b"\n", b"\r\n")


def detached(signature: bytes, body: bytes = BODY, header: bytes = HEADER) -> bytes:
    """A message in two parts (RFC 1847 §2.1)."""
    return header + multipart(signature, body)


def multipart(signature: bytes, body: bytes = BODY, boundary: bytes = b"=_signed") -> bytes:
    """The entity of a message in two parts, without the header of a message."""
    return (
        b'Content-Type: multipart/signed; protocol="application/pkcs7-signature";\r\n'
        b' micalg=sha-256; boundary="' + boundary + b'"\r\n\r\nThis is signed.\r\n--' + boundary + b"\r\n"
        b"" + body + b"\r\n--" + boundary + b"\r\n"
        b"Content-Type: application/pkcs7-signature; name=smime.p7s\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + base64_lines(signature) + b"--" + boundary + b"--\r\n"
    )


def opaque(signature: bytes, header: bytes = HEADER, label: bytes = b"smime-type=signed-data; ") -> bytes:
    """A message whose content lies in the SignedData (RFC 8551 §3.5.2)."""
    return (
        header + b"Content-Type: application/pkcs7-mime; " + label + b"name=smime.p7m\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + base64_lines(signature)
    )


def mixed(*parts: bytes, header: bytes = HEADER) -> bytes:
    """A multipart/mixed of complete entities."""
    body = b"".join(b"--mixed\r\n" + part + b"\r\n" for part in parts)
    return header + b"Content-Type: multipart/mixed; boundary=mixed\r\n\r\n" + body + b"--mixed--\r\n"
