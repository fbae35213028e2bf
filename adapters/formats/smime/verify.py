"""What the S/MIME signatures of a message are worth (RFC 8551, RFC 8550), as of given moments."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtensionOID

from adapters.formats.mime import MAX_HEADER
from adapters.formats.smime.chain import Trust, build_chain
from adapters.formats.smime.cms import CmsError, SignedData, parse_signed_data
from adapters.formats.smime.digests import Content, Octets
from adapters.formats.smime.entity import Ambiguous, Entity, canonical, entity, find, sub_entities
from adapters.formats.smime.kinds import cms_kind, part_kind
from adapters.formats.smime.names import addresses_of, extension, senders, shown, unnamed
from adapters.formats.smime.signer import Signed, check_signer
from adapters.formats.transfer import decode_transfer

__all__ = ["Finding", "Path", "verify_cms", "verify_message"]

MAX_LAYERS: Final = 4
"""Signatures inside of signed messages that are looked at."""

MAX_SENDERS: Final = 50
"""Addresses of a From field that are looked for in certificates."""

_HEADER: Final = 64 * 1024
_LARGEST_SIGNATURE: Final = 8 << 20
_CLOCKS: Final = timedelta(days=1)
"""How far ahead of the moment of verification a signer's clock may be."""

Path = tuple[x509.Certificate, ...]


@dataclass(slots=True)
class Finding:
    """What was found as of one moment. errors: why the signature doesn't count, in words; none if it does.

    paths: the certificates of each signer up to the trust anchor, whose revocation is still to be looked at.
    revocation_lists: DER, as far as the message brings some.
    """

    moment: datetime
    errors: list[str] = field(default_factory=list)
    paths: list[Path] = field(default_factory=list)
    revocation_lists: list[bytes] = field(default_factory=list)

    def add(self, errors: Iterator[str] | Sequence[str], prefix: str = "") -> None:
        """Note what is wrong, each once."""
        self.errors += [line for line in dict.fromkeys(prefix + error for error in errors) if line not in self.errors]


def verify_message(message: bytes | bytearray, trust: Trust, moments: Sequence[datetime]) -> list[Finding]:
    """The signatures of a raw message that `kinds.layer_of` found to be detached or opaque; a Finding per moment."""
    findings = [Finding(moment) for moment in moments]
    root = entity(message)
    from_ = senders(bytes(memoryview(message)[: min(root.body, MAX_HEADER)]))
    verifier = _Verifier(trust, from_, findings)
    try:
        signed = root if part_kind(root.part) is not None else find(root, "multipart/signed")
        if signed is not root:
            verifier.note("The signature is over a part of the message only")
        if signed is not None:
            verifier.entity(signed)
    except Ambiguous as error:
        verifier.note(f"The message is malformed: {error}")
    return findings


def verify_cms(
    cms: bytes | bytearray, from_: Sequence[str], trust: Trust, moments: Sequence[datetime]
) -> list[Finding]:
    """The same for an opaque message that was decoded already. from_: the addresses of its From field."""
    findings = [Finding(moment) for moment in moments]
    verifier = _Verifier(trust, from_, findings)
    try:
        verifier.opaque(cms)
    except Ambiguous as error:
        verifier.note(f"The message is malformed: {error}")
    return findings


class _Verifier:
    """Goes from the outermost layer inwards and notes in the findings what is wrong."""

    def __init__(self, trust: Trust, from_: Sequence[str], findings: Sequence[Finding], layer: int = 0) -> None:
        self.trust = trust
        self.senders = from_
        self.findings = findings
        self.layer = layer
        self.prefix = "Inner signature: " if layer else ""

    def note(self, error: str) -> None:
        """What is wrong at any moment."""
        for finding in self.findings:
            finding.add([error], self.prefix)

    def entity(self, signed: Entity) -> None:
        """A multipart/signed or application/pkcs7-mime. Raises Ambiguous."""
        if signed.part.type != "multipart/signed":
            octets = bytes(memoryview(signed.data)[signed.body : signed.end])
            self.opaque(decode_transfer(signed.part.encoding, octets)[0])
            return
        parts = sub_entities(signed)
        if len(parts) != 2:  # RFC 1847 §2.1: exactly two
            raise Ambiguous("a signed message has two parts: what is signed, and the signature")
        first, second = parts
        if second.end - second.body > _LARGEST_SIGNATURE:
            self.note("The signature is too large")
            return
        encoded = bytes(memoryview(second.data)[second.body : second.end])
        signature = self._parsed(decode_transfer(second.part.encoding, encoded)[0])
        if signature is not None and signature.content is not None:
            self.note("The signature of a message in two parts holds a message of its own")
        elif signature is not None:
            data, start, end = first.data, first.start, first.end
            self._signers(signature, Content(lambda: canonical(data, start, end), signature.content_type))
            self._inner(first)

    def opaque(self, cms: bytes | bytearray) -> None:
        """A SignedData that holds what it signs. Raises Ambiguous."""
        signature = self._parsed(cms)
        if signature is None:
            return
        spans = signature.content
        if spans is None:
            self.note("The message that was signed is missing")
            return
        view = memoryview(cms)

        def pieces() -> Iterator[Octets]:
            return (view[start:end] for start, end in spans)

        content = Content(pieces, signature.content_type)
        self._signers(signature, content)
        header = entity(content.beginning(_HEADER))
        if part_kind(header.part) is not None:
            self._inner(entity(b"".join(pieces())))

    def _inner(self, content: Entity) -> None:
        kind = part_kind(content.part)
        if kind == "unlabelled":
            start = bytes(memoryview(content.data)[content.body : min(content.end, content.body + 256)])
            kind = cms_kind(decode_transfer(content.part.encoding, start)[0])
        if kind not in ("detached", "opaque"):
            return
        if self.layer + 1 >= MAX_LAYERS:
            self.note("There are more signatures around each other than are looked at")
            return
        _Verifier(self.trust, self.senders, self.findings, self.layer + 1).entity(content)

    def _parsed(self, cms: bytes | bytearray) -> SignedData | None:
        try:
            return parse_signed_data(cms)
        except CmsError as error:
            self.note(str(error))
            return None

    def _signers(self, signature: SignedData, content: Content) -> None:
        certificates = [one for one in map(_certificate, signature.certificates) if one is not None]
        if not signature.signers:
            self.note("Nobody has signed the message")
            return
        groups = _by_signer([check_signer(signer, content, certificates) for signer in signature.signers])
        for finding in self.findings:
            finding.revocation_lists += signature.revocation_lists
            self._judge(finding, groups, certificates)

    def _judge(
        self, finding: Finding, groups: Sequence[Sequence[Signed]], certificates: Sequence[x509.Certificate]
    ) -> None:
        """Every signer counts: one that fails is told, whatever the others are worth (RFC 5652 §5.1 leaves it open)."""
        addresses: set[str] = set()
        for group in groups:
            certificate = group[0].certificate
            several = len(groups) > 1 and certificate is not None
            prefix = self.prefix + (f"{shown(certificate.subject)}: " if several and certificate is not None else "")
            finding.add(_signature_problems(group, finding.moment), prefix)
            if certificate is not None:
                chain = build_chain(certificate, certificates, self.trust, finding.moment)
                finding.add(chain.problems, prefix)
                finding.paths.append(chain.certificates)
                addresses |= addresses_of(certificate, constrained=_constrained(chain.certificates))
        finding.add(_sender_problems(self.senders, addresses), self.prefix)


def _certificate(octets: bytes) -> x509.Certificate | None:
    """None where it can't be read: each field is parsed when it is first asked for, and that is here."""
    try:
        certificate = x509.load_der_x509_certificate(octets)
        for name in ("subject", "issuer", "serial_number", "not_valid_before_utc", "not_valid_after_utc"):
            getattr(certificate, name)
    except (ValueError, x509.InvalidVersion):
        return None
    return certificate


def _by_signer(signatures: Sequence[Signed]) -> list[list[Signed]]:
    """The signatures of each certificate: one signer may have signed in several ways (RFC 5652 §5.1)."""
    groups: dict[bytes | int, list[Signed]] = {}
    for number, signed in enumerate(signatures):
        key = number if signed.certificate is None else signed.certificate.fingerprint(SHA256())
        groups.setdefault(key, []).append(signed)
    return list(groups.values())


def _signature_problems(group: Sequence[Signed], moment: datetime) -> list[str]:
    """Nothing if one of a signer's signatures is good, as another may be there for older software."""
    problems: list[str] = []
    for signed in group:
        own = list(signed.problems)
        if signed.time is not None and signed.time > moment + _CLOCKS:
            own.append("The time of signing lies in the future")
        if not own:
            return []
        problems += own
    return problems


def _sender_problems(from_: Sequence[str], addresses: set[str]) -> Iterator[str]:
    """RFC 9219 §4.1: the address in the certificate matches the From header field."""
    if not from_:
        yield "The message does not say who it is from"
    if len(from_) > MAX_SENDERS:
        yield f"The message is from more than {MAX_SENDERS} addresses"
        return
    for sender in unnamed(from_, addresses):
        yield f"The From address {sender[:100]} is not in the signer's certificate"


def _constrained(path: Path) -> bool:
    return any(extension(one, ExtensionOID.NAME_CONSTRAINTS) is not None for one in path[1:])
