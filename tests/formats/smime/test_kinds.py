"""Which S/MIME a message is by its structure (RFC 8551 §3.10), also those of the corpus."""

import pytest

from adapters.formats.mime import parse_message, part_body
from adapters.formats.smime.kinds import CONTENT_TYPES, Kind, cms_kind, layer_of, needs_structure
from tests.formats.mail.corpus import messages
from tests.formats.smime.making import Authority, Signing, by_hand, mixed, multipart, openssl

PGP = b'Content-Type: multipart/signed; protocol="application/pgp-signature"; boundary=b\r\n\r\n--b--\r\n'
NOTICE = b"Content-Type: text/plain\r\n\r\nnotice\r\n"


def entity(content_type: str) -> bytes:
    return f"Content-Type: {content_type}\r\n\r\n".encode()


@pytest.mark.parametrize(
    ("octets", "kind", "whole"),
    [
        (multipart(b""), "detached", True),
        (multipart(b"").replace(b"pkcs7-signature;", b"x-pkcs7-signature;"), "detached", True),
        (multipart(b"").replace(b'protocol="application/pkcs7-signature";', b""), "detached", True),
        (PGP, "unknown", True),
        (entity("application/pkcs7-mime; smime-type=signed-data"), "opaque", True),
        (entity("application/x-pkcs7-mime; smime-type=Signed-Data"), "opaque", True),
        (entity("application/pkcs7-mime; smime-type=certs-only"), "unknown", True),
        (entity("application/pkcs7-mime; smime-type=compressed-data"), "unknown", True),
        (entity("application/pkcs7-mime"), "unlabelled", True),
        (entity("application/octet-stream; name=smime.P7M"), "unlabelled", True),
        (mixed(multipart(b""), NOTICE), "detached", False),
        (mixed(mixed(NOTICE, PGP, header=b"").replace(b"mixed", b"inner"), NOTICE), "unknown", False),
    ],
)
def test_kinds(octets: bytes, kind: Kind, whole: bool) -> None:
    layer = layer_of(parse_message(octets).root)
    assert layer is not None
    assert (layer.kind, layer.whole) == (kind, whole)
    # what a search for candidates must find
    header = octets.partition(b"\r\n\r\n")[0].lower()
    assert any(text.encode() in header for text in CONTENT_TYPES)
    # and the header alone tells it, or tells that it doesn't
    root = parse_message(header + b"\r\n\r\n").root
    by_header = layer_of(root)
    assert needs_structure(root) or (by_header is not None and by_header.kind == kind)


@pytest.mark.parametrize(
    "octets",
    [
        NOTICE,
        entity("application/pkcs7-mime; smime-type=enveloped-data"),
        entity("application/pkcs7-mime; smime-type=authEnveloped-data"),
        mixed(entity("application/pkcs7-mime; smime-type=signed-data; name=contract.pdf.p7m"), NOTICE),
        mixed(b"Content-Type: message/rfc822\r\n\r\n" + multipart(b"")),
        mixed(NOTICE).replace(b"multipart/mixed", b"multipart/alternative"),
    ],
)
def test_no_signature_of_the_message(octets: bytes) -> None:
    """What is encrypted, what is an attachment, and what is another message's shows no signature of this one."""
    assert layer_of(parse_message(octets).root) is None


def test_the_beginning_of_cms_tells_what_it_is() -> None:
    authority = Authority.make()
    made = by_hand([Signing(authority.alice)], detached=False)
    assert cms_kind(made[:40]) == "opaque"
    assert cms_kind(bytes.fromhex("308006092a864886f70d010702")) == "opaque"  # indefinite length
    assert cms_kind(openssl("cms", "-data_create", "-outform", "DER", octets=b"x")) == "unknown"
    for start in (b"", b"\x30", b"\x30\x82", b"text", b"\x30\x03\x02\x01\x01", bytes.fromhex("30030601")):
        assert cms_kind(start) == "unknown"


def test_the_corpus() -> None:
    """Its S/MIME: two messages that are encrypted; and one that is signed, but by OpenPGP."""
    found = {name: layer_of(parse_message(octets).root) for name, octets in messages().items()}
    kinds = {name: layer.kind for name, layer in found.items() if layer is not None}
    assert kinds == {"mail-parser/eml_malformed_015.eml": "unknown"}
    encrypted = [octets for octets in messages().values() if b"smime-type=enveloped-data" in octets]
    assert len(encrypted) == 2
    for octets in encrypted:
        assert cms_kind(part_body(parse_message(octets), parse_message(octets).root)[:32]) is None
