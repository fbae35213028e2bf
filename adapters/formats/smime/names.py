"""Whose a certificate is: its mail addresses (RFC 8550 §3, RFC 9598) against those of a From field."""

from collections.abc import Iterable
from typing import Final

from asn1crypto.core import UTF8String
from cryptography import x509
from cryptography.x509.oid import ExtensionOID, NameOID

from adapters.formats.addresses import parse_address_groups
from adapters.formats.header_fields import header_fields

__all__ = ["addresses_of", "comparable", "extension", "senders", "shown", "unnamed"]

SMTP_UTF8_MAILBOX: Final = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.9")
_LONGEST: Final = 320


def senders(header: bytes) -> tuple[str, ...]:
    """Every address of every From field of a header block, as written."""
    values = [value for name, value in header_fields(header) if name.lower() == "from"]
    groups = [group for value in values for group in parse_address_groups(value)]
    return tuple(address["email"] for group in groups for address in group["addresses"])


def addresses_of(certificate: x509.Certificate, *, constrained: bool) -> set[str]:
    """The addresses that the certificate is for, in comparable form.

    constrained: a certificate above it limits names. Then only those count that the limits are known to be applied
    to: rfc822Name, and not SmtpUTF8Mailbox or an emailAddress of the subject.
    """
    names = extension(certificate, ExtensionOID.SUBJECT_ALTERNATIVE_NAME)
    found: list[str] = []
    if isinstance(names, x509.SubjectAlternativeName):
        found += names.get_values_for_type(x509.RFC822Name)
        others = names.get_values_for_type(x509.OtherName)
        found += [] if constrained else filter(None, map(_utf8_mailbox, others))
    if not constrained:  # RFC 8550 §3: in the subject of older certificates
        found += [str(one.value) for one in certificate.subject.get_attributes_for_oid(NameOID.EMAIL_ADDRESS)]
    return set(map(comparable, found))


def comparable(address: str) -> str:
    """An address in a form that is equal for equal ones (RFC 9598 §5): the domain in A-labels, no case in ASCII.

    What isn't ASCII in the local part is compared as it is: other letters look alike, or are alike without case.
    """
    local, _, domain = address[:_LONGEST].strip().rpartition("@")
    try:
        ascii_domain = domain.encode("idna").decode("ascii")
    except UnicodeError:
        ascii_domain = domain
    return f"{local.lower() if local.isascii() else local}@{ascii_domain.lower()}"


def shown(name: x509.Name) -> str:
    """A short name for a person to read."""
    for oid in (NameOID.COMMON_NAME, NameOID.EMAIL_ADDRESS, NameOID.ORGANIZATION_NAME):
        if found := name.get_attributes_for_oid(oid):
            return _plain(str(found[0].value))
    return _plain(name.rfc4514_string()) or "without a name"


def extension(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> x509.ExtensionType | None:
    """The value of an extension; None where it is missing or the extensions cannot be read (a chain of such a
    certificate is refused)."""
    try:
        return certificate.extensions.get_extension_for_oid(oid).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError):
        return None


def unnamed(senders_: Iterable[str], addresses: set[str]) -> list[str]:
    """Those of the senders that no address is equal to."""
    return [sender for sender in senders_ if comparable(sender) not in addresses]


def _utf8_mailbox(name: x509.OtherName) -> str | None:
    if name.type_id != SMTP_UTF8_MAILBOX:
        return None
    try:
        return str(UTF8String.load(name.value, strict=True).native)
    except (ValueError, TypeError):
        return None


def _plain(text: str) -> str:
    return "".join(character for character in text if character.isprintable())[:100]
