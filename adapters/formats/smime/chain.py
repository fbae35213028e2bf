"""From a signer's certificate to a trust anchor (RFC 5280 §6, RFC 8550 §4).

The path is looked for here, each certificate at most once, so that what a message brings along cannot make the search
long; then the one path that was found is validated. That does not say in words what is wrong, so what usually is
wrong is looked for here as well.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from adapters.formats.smime.digests import WEAK
from adapters.formats.smime.names import extension, shown
from adapters.formats.smime.path import KEPT, MAX_LENGTH, may_issue, validate
from adapters.formats.smime.signer import key_refusal

__all__ = ["Chain", "Trust", "build_chain"]

MAX_CHECKS: Final = 100
"""Signatures of certificates that are looked at to find one path."""

_EMAIL: Final = frozenset({ExtendedKeyUsageOID.EMAIL_PROTECTION, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE})


class Trust:
    """The certificates that are trusted by themselves."""

    def __init__(self, anchors: Sequence[x509.Certificate]) -> None:
        self.anchors = tuple(anchors)
        self._by_subject = _by_subject(self.anchors)

    def named(self, subject: bytes) -> Sequence[x509.Certificate]:
        """The anchors of a name (DER)."""
        return self._by_subject.get(subject, ())


def _by_subject(certificates: Sequence[x509.Certificate]) -> dict[bytes, list[x509.Certificate]]:
    found: dict[bytes, list[x509.Certificate]] = {}
    for certificate in certificates:
        found.setdefault(certificate.subject.public_bytes(), []).append(certificate)
    return found


@dataclass(frozen=True, slots=True)
class Chain:
    """certificates: from the signer's to the trust anchor, as far as a path was found; problems: none if it holds."""

    certificates: tuple[x509.Certificate, ...]
    problems: tuple[str, ...]


def build_chain(
    certificate: x509.Certificate, others: Sequence[x509.Certificate], trust: Trust, moment: datetime
) -> Chain:
    """Whether a certificate may sign mail at a moment (aware), and how it leads to a trust anchor."""
    problems = [*_use_problems(certificate), *_time_problems(certificate, moment)]
    # A certificate that is out of date is looked at as of when it wasn't, so that everything wrong is told at once.
    at = min(max(moment, certificate.not_valid_before_utc), certificate.not_valid_after_utc)
    path, why = _find_path(certificate, others, trust, at)
    if why is not None:
        return Chain(tuple(path), (*problems, why))
    weak = list(_path_problems(path, at))
    if not weak and (invalid := validate(tuple(path))):
        weak = [invalid]
    return Chain(tuple(path), (*problems, *weak))


def _use_problems(certificate: x509.Certificate) -> Iterator[str]:
    """RFC 8550 §4.4.2 (key usage), §4.4.4 (extended key usage): what is there must allow it."""
    usage = extension(certificate, ExtensionOID.KEY_USAGE)
    if isinstance(usage, x509.KeyUsage) and not (usage.digital_signature or usage.content_commitment):
        yield "The signer's certificate is not for signing"
    if not _for_email(certificate):
        yield "The signer's certificate is not for mail"


def _for_email(certificate: x509.Certificate) -> bool:
    extended = extension(certificate, ExtensionOID.EXTENDED_KEY_USAGE)
    return not isinstance(extended, x509.ExtendedKeyUsage) or bool(_EMAIL & set(extended))


def _time_problems(certificate: x509.Certificate, moment: datetime) -> Iterator[str]:
    whose = f"The certificate of {shown(certificate.subject)}"
    if moment < certificate.not_valid_before_utc:
        yield f"{whose} is not valid before {certificate.not_valid_before_utc:%Y-%m-%d}"
    if moment > certificate.not_valid_after_utc:
        yield f"{whose} expired on {certificate.not_valid_after_utc:%Y-%m-%d}"


def _find_path(
    certificate: x509.Certificate, others: Sequence[x509.Certificate], trust: Trust, at: datetime
) -> tuple[list[x509.Certificate], str | None]:
    """The shortest path to an anchor, or the longest beginning of one and why it ends there."""
    if certificate in trust.anchors:
        return [certificate], None
    known = _by_subject(others)
    paths, seen, checks = [[certificate]], {certificate}, 0
    for path in paths:  # grows meanwhile: breadth first
        issuer = path[-1].issuer.public_bytes()
        usable = [one for one in known.get(issuer, ()) if one not in seen and may_issue(one)]
        usable.sort(key=lambda one: not one.not_valid_before_utc <= at <= one.not_valid_after_utc)
        for candidate in (*trust.named(issuer), *usable) if len(path) < MAX_LENGTH else ():
            checks += 1
            if checks > MAX_CHECKS:
                return path, "The message has too many certificates that may have issued each other"
            if _issued(path[-1], candidate):
                if candidate in trust.anchors:
                    return [*path, candidate], None
                seen.add(candidate)
                paths.append([*path, candidate])
    last = paths[-1][-1]
    if _is_weak(last):
        return paths[-1], f"The certificate of {shown(last.subject)} is signed by a digest algorithm that is too weak"
    if last.issuer == last.subject:
        return paths[-1], f"The certificate authority {shown(last.subject)} is not trusted"
    return paths[-1], f"The certificate of the issuer {shown(last.issuer)} is neither in the message nor trusted"


@lru_cache(maxsize=KEPT)
def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        if _is_weak(certificate) or key_refusal(issuer.public_key()):
            return False
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def _is_weak(certificate: x509.Certificate) -> bool:
    try:
        algorithm = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return False  # refused all the same, as what it is
    return algorithm is not None and algorithm.name in WEAK


def _path_problems(path: Sequence[x509.Certificate], at: datetime) -> Iterator[str]:
    for certificate in path[1:]:
        yield from _time_problems(certificate, at)
        if not _for_email(certificate):
            yield f"The certificate authority {shown(certificate.subject)} is not for mail"
