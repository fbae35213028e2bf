"""Verification of S/MIME signatures (RFC 8551, RFC 8550, RFC 9219 §4.1)."""

import datetime
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from adapters.formats.smime.chain import Trust
from adapters.formats.smime.verify import verify_message
from tests.formats.smime.making import (
    ALICE,
    BODY,
    DAY,
    HEADER,
    NOW,
    Authority,
    Holder,
    Signing,
    Wish,
    base64_lines,
    by_hand,
    by_library,
    by_openssl,
    certificate,
    detached,
    ec_key,
    mixed,
    multipart,
    opaque,
    rsa_key,
    weak_certificate,
)


@pytest.fixture(scope="module")
def ca() -> Authority:
    return Authority.make()


def errors(message: bytes, ca: Authority, moment: datetime.datetime = NOW) -> list[str]:
    """What is wrong with the signatures of a message; nothing if they count."""
    (finding,) = verify_message(message, Trust([ca.root.certificate]), [moment])
    return finding.errors


@pytest.mark.parametrize("make", [ec_key, rsa_key])
def test_detached_and_opaque_by_the_library(ca: Authority, make: Callable[[], object]) -> None:
    holder = certificate(Wish(key=make()), ca.intermediate)
    assert errors(detached(by_library(holder, BODY, pkcs7.PKCS7Options.DetachedSignature)), ca) == []
    assert errors(opaque(by_library(holder)), ca) == []
    assert errors(opaque(by_library(holder), label=b""), ca) == []


def test_rsassa_pss(ca: Authority, tmp_path: Path) -> None:
    holder = certificate(Wish(key=rsa_key()), ca.intermediate)
    detach = pkcs7.PKCS7Options.DetachedSignature
    assert errors(detached(by_library(holder, BODY, detach, pss=True)), ca) == []
    made = by_openssl(tmp_path, [holder], BODY, "-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_pss_saltlen:20")
    assert errors(detached(made), ca) == []


def test_ed25519(ca: Authority) -> None:  # RFC 8419
    holder = certificate(Wish(key=ed25519.Ed25519PrivateKey.generate()), ca.intermediate)
    for attributes in (True, False):
        made = by_hand([Signing(holder, "sha512", attributes)])
        assert errors(detached(made), ca) == []
        assert errors(detached(made, BODY.replace(b"10", b"99")), ca) != []


@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
@pytest.mark.parametrize(
    "options", [(), ("-keyid",), ("-noattr",), ("-nodetach",), ("-nodetach", "-stream"), ("-cades",)]
)
def test_by_the_command_line(ca: Authority, tmp_path: Path, digest: str, options: tuple[str, ...]) -> None:
    for holder in (ca.alice, certificate(Wish(key=rsa_key()), ca.intermediate)):
        made = by_openssl(tmp_path, [holder], BODY, "-md", digest, *options)
        message = opaque(made) if "-nodetach" in options else detached(made)
        assert errors(message, ca) == []
        assert errors(message.replace(b"alice@", b"mallory@"), ca) == [
            "The From address mallory@example.org is not in the signer's certificate"
        ]


def test_canonical_line_ends(ca: Authority) -> None:
    """RFC 8551 §3.1.1: CRLF is what was signed, whatever the store has made of it."""
    body = BODY * 3 + b"\r\n" + b"x" * 300_000 + b"\r\nlast"
    message = detached(by_library(ca.alice, body, pkcs7.PKCS7Options.DetachedSignature), body)
    assert errors(message, ca) == []
    assert errors(message.replace(b"\r\n", b"\n"), ca) == []


def test_a_tampered_body(ca: Authority) -> None:
    made = by_library(ca.alice, BODY, pkcs7.PKCS7Options.DetachedSignature)
    assert errors(detached(made, BODY.replace(b"10", b"99")), ca) == ["The message was changed after it was signed"]
    held = by_library(ca.alice).replace(b"10 coins", b"99 coins")
    assert errors(opaque(held), ca) == ["The message was changed after it was signed"]


def test_tampered_attributes(ca: Authority) -> None:
    made = by_hand([Signing(ca.alice)])
    time = f"{NOW - datetime.timedelta(hours=2):%y%m%d%H%M%S}Z".encode()
    assert made.count(time) == 1
    spoiled = made.replace(time, b"250101000000Z")
    assert errors(detached(spoiled), ca) == ["The signature is not right: it or what it is over was changed"]


def test_signed_attributes_are_checked(ca: Authority) -> None:
    wrong_type = by_hand([Signing(ca.alice, content_type="signed_data")])
    assert errors(detached(wrong_type), ca) == ["The signed attributes name another content type"]
    twice = by_hand([Signing(ca.alice, spoil=lambda found: [*found, found[1]])])
    assert errors(detached(twice), ca) == ["The signed attributes do not have the digest of the message exactly once"]
    none = by_hand([Signing(ca.alice, spoil=lambda found: found[1:])])
    assert errors(detached(none), ca) == ["The signed attributes do not name the content type exactly once"]
    two_times = by_hand([Signing(ca.alice, spoil=lambda found: [*found, found[2]])])
    assert errors(detached(two_times), ca) == ["The signed attributes do not have a readable time of signing"]
    future = by_hand([Signing(ca.alice, time=NOW + 3 * DAY)])
    assert errors(detached(future), ca) == ["The time of signing lies in the future"]


def test_attributes_cannot_be_passed_off_as_a_message(ca: Authority) -> None:
    """What was signed with attributes is no signature over those attributes as a message."""
    attributes = b"\x31\x0bContent-Type: x\r\n\r\n"
    made = by_hand([Signing(ca.alice, attributes=False)], attributes, detached=False)
    assert errors(opaque(made), ca) == ["The signature is over what is no message"]


def test_the_certificate_that_was_meant(ca: Authority, tmp_path: Path) -> None:
    """RFC 5035: another certificate of the same key, issuer and serial number is not the one that was signed with."""
    made = by_openssl(tmp_path, [ca.alice], BODY, "-cades")
    other = by_hand([Signing(ca.alice)])
    assert errors(detached(made), ca) == errors(detached(other), ca) == []
    digest = ca.alice.certificate.fingerprint(hashes.SHA256())
    assert made.count(digest) == 1
    spoiled = made.replace(digest, bytes(32))
    assert errors(detached(spoiled), ca) != []


def test_validity_is_that_of_the_moment(ca: Authority) -> None:
    past = certificate(Wish(valid=(NOW - 300 * DAY, NOW - 100 * DAY)), ca.intermediate)
    made = detached(by_hand([Signing(past, time=NOW - 200 * DAY)]))
    assert errors(made, ca) == ["The certificate of Alice expired on 2026-08-20"]
    assert errors(made, ca, NOW - 200 * DAY) == []
    coming = certificate(Wish(valid=(NOW + 10 * DAY, NOW + 100 * DAY)), ca.intermediate)
    made = detached(by_hand([Signing(coming)]))
    assert errors(made, ca) == ["The certificate of Alice is not valid before 2026-12-08"]
    assert errors(made, ca, NOW + 20 * DAY) == []
    now, then = verify_message(
        detached(by_hand([Signing(past, time=NOW - 200 * DAY)])),
        Trust([ca.root.certificate]),
        [NOW, NOW - 200 * DAY],
    )
    assert now.errors
    assert not then.errors


def test_everything_wrong_is_told(ca: Authority) -> None:
    """RFC 9219 §4.1: an expired certificate of somebody else has two lines."""
    past = certificate(Wish(addresses=["bob@example.org"], valid=(NOW - 90 * DAY, NOW - DAY)), ca.intermediate)
    assert errors(detached(by_hand([Signing(past)])), ca) == [
        "The certificate of Alice expired on 2026-11-27",
        "The From address alice@example.org is not in the signer's certificate",
    ]


def test_an_untrusted_root(ca: Authority) -> None:
    other = Authority.make()
    message = detached(by_library(other.alice, BODY, pkcs7.PKCS7Options.DetachedSignature))
    assert errors(message, ca) == ["The certificate of the issuer Root is neither in the message nor trusted"]
    own = certificate(Wish())
    assert errors(detached(by_hand([Signing(own)])), ca) == ["The certificate authority Alice is not trusted"]
    alone = Authority(own, own, own)
    assert errors(detached(by_hand([Signing(own)])), alone) == []  # an operator may trust a certificate by itself


def test_a_missing_intermediate(ca: Authority) -> None:
    made = by_hand([Signing(ca.alice)], certificates=[ca.alice.certificate])
    assert errors(detached(made), ca) == [
        "The certificate of the issuer Intermediate is neither in the message nor trusted"
    ]
    made = by_hand([Signing(ca.alice)], certificates=[ca.intermediate.certificate])
    assert errors(detached(made), ca)[0] == "The signer's certificate is not in the message"


def test_weak_digests(ca: Authority, tmp_path: Path) -> None:
    holder = certificate(Wish(key=rsa_key()), ca.intermediate)
    for digest, name in (("sha1", "SHA-1"), ("md5", "MD5")):
        made = by_openssl(tmp_path, [holder], BODY, "-md", digest)
        assert errors(detached(made), ca) == [f"The digest algorithm {name} is too weak"]
    weak = weak_certificate(tmp_path, ca.intermediate)
    now = datetime.datetime.now(datetime.UTC)  # the command line knows no other time
    assert errors(detached(by_hand([Signing(weak)])), ca, now) == [
        "The certificate of Alice is signed by a digest algorithm that is too weak"
    ]


def test_weak_keys(ca: Authority) -> None:
    holder = certificate(Wish(key=rsa_key(1024)), ca.intermediate)
    assert errors(detached(by_hand([Signing(holder)])), ca) == ["The signer's key has 1024 bits, which is too few"]


def test_two_signers(ca: Authority, tmp_path: Path) -> None:
    bob = certificate(Wish("Bob", ["bob@example.org"]), ca.intermediate)
    assert errors(detached(by_openssl(tmp_path, [ca.alice, bob])), ca) == []
    stranger = certificate(Wish("Stranger", ["bob@example.org"]), Authority.make().intermediate)
    assert errors(detached(by_openssl(tmp_path, [ca.alice, stranger])), ca) == [
        "Stranger: The certificate of the issuer Root is neither in the message nor trusted"
    ]
    weak = by_hand([Signing(ca.alice), Signing(bob, "sha1")])
    assert errors(detached(weak), ca) == ["Bob: The digest algorithm SHA-1 is too weak"]


def test_one_signer_in_two_ways(ca: Authority) -> None:
    """RFC 5652 §5.1: one good signature of a signer is enough."""
    assert errors(detached(by_hand([Signing(ca.alice, "sha1"), Signing(ca.alice)])), ca) == []
    assert errors(detached(by_hand([Signing(ca.alice, "sha1")])), ca) != []


def test_signer_by_key_identifier(ca: Authority) -> None:
    assert errors(detached(by_hand([Signing(ca.alice, by_key=True)])), ca) == []


@pytest.mark.parametrize(
    ("wish", "problem"),
    [
        (Wish(usage=["key_encipherment"]), "The signer's certificate is not for signing"),
        (Wish(usage=["content_commitment"]), None),
        (Wish(extended=[ExtendedKeyUsageOID.SERVER_AUTH]), "The signer's certificate is not for mail"),
        (Wish(extended=[ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]), None),
        (Wish(extended=[]), None),  # RFC 8550 §4.4.4: no extension, no limit
    ],
)
def test_what_a_certificate_is_for(ca: Authority, wish: Wish, problem: str | None) -> None:
    holder = certificate(wish, ca.intermediate)
    assert errors(detached(by_hand([Signing(holder)])), ca) == ([] if problem is None else [problem])


def utf8_mailbox(address: str) -> x509.OtherName:
    octets = address.encode()
    return x509.OtherName(x509.ObjectIdentifier("1.3.6.1.5.5.7.8.9"), b"\x0c" + bytes([len(octets)]) + octets)


@pytest.mark.parametrize(
    ("from_", "wish", "matches"),
    [
        ("Alice@EXAMPLE.org", Wish(), True),
        ("alice@example.com", Wish(), False),
        ("alice@example.org, bob@example.org", Wish(), False),  # each of them must be
        ("alice@example.org, bob@example.org", Wish(addresses=[ALICE, "bob@example.org"]), True),
        ("jörg@bücher.example", Wish(addresses=[], other_names=[utf8_mailbox("jörg@bücher.example")]), True),
        ("\u212aelly@example.org", Wish(addresses=["kelly@example.org"]), False),  # KELVIN SIGN is a k without case
        ("joerg@xn--bcher-kva.example", Wish(addresses=["joerg@xn--bcher-kva.example"]), True),
        ("joerg@bücher.example", Wish(addresses=["joerg@xn--bcher-kva.example"]), True),
        (ALICE, Wish(addresses=[], subject=[x509.NameAttribute(NameOID.EMAIL_ADDRESS, ALICE)]), True),
        (ALICE, Wish(addresses=[]), False),
    ],
)
def test_who_the_message_is_from(ca: Authority, from_: str, wish: Wish, matches: bool) -> None:
    holder = certificate(wish, ca.intermediate)
    header = f"From: {from_}\r\nMIME-Version: 1.0\r\n".encode()
    found = errors(detached(by_hand([Signing(holder)]), header=header), ca)
    assert (found == []) is matches
    assert all(line.endswith("is not in the signer's certificate") for line in found)


def test_a_message_from_nobody_and_from_two(ca: Authority) -> None:
    made = by_hand([Signing(ca.alice)])
    assert errors(detached(made, header=b"Subject: x\r\n"), ca) == ["The message does not say who it is from"]
    twice = HEADER + b"From: mallory@example.org\r\n"
    assert errors(detached(made, header=twice), ca) == [
        "The From address mallory@example.org is not in the signer's certificate"
    ]


def test_name_constraints(ca: Authority) -> None:
    limits = x509.NameConstraints([x509.RFC822Name("example.com")], None)
    limited = certificate(Wish("Limited", is_authority=True, extensions=[(limits, True)]), ca.root)
    found = errors(detached(by_hand([Signing(certificate(Wish(), limited))])), ca)
    assert found == ["The certificate chain is not valid: no permitted name constraints matched SAN"]
    subject = [x509.NameAttribute(NameOID.EMAIL_ADDRESS, ALICE)]
    hidden = certificate(Wish(addresses=[], subject=subject), limited)  # nor past them by the subject
    assert errors(detached(by_hand([Signing(hidden)])), ca) != []


@pytest.mark.parametrize(
    "make", [ed25519.Ed25519PrivateKey.generate, lambda: ec.generate_private_key(ec.BrainpoolP256R1())]
)
def test_authorities_that_the_library_does_not_know(make: Callable[[], object]) -> None:
    """The same questions are asked of them: pathLenConstraint, critical extensions, limits of names, who may issue."""

    def judged(*extensions: tuple[x509.ExtensionType, bool], depth: int = 1, length: int | None = None) -> list[str]:
        wish = Wish("Root", is_authority=True, key=make(), extensions=extensions, path_length=length)
        root = issuer = certificate(wish)
        for number in range(depth):
            issuer = certificate(Wish(f"Below {number}", is_authority=True, key=make()), issuer)
        alice = certificate(Wish(key=make()), issuer)
        made = detached(by_hand([Signing(alice, "sha512")]))
        return verify_message(made, Trust([root.certificate]), [NOW])[0].errors

    assert judged() == judged(depth=3) == judged(depth=2, length=2) == []
    assert judged(depth=2, length=1) == [
        "The certificate chain is not valid: it has an authority that may not issue such certificates"
    ]
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    assert judged((unknown, False)) == []
    assert judged((unknown, True)) == [
        "The certificate chain is not valid: it has critical extensions that are not known"
    ]
    limits = x509.NameConstraints([x509.RFC822Name("example.org")], None)
    assert judged((limits, False)) == ["The certificate chain is not valid: its limits of names cannot be applied"]


def test_path_length(ca: Authority) -> None:
    short = certificate(Wish("Short", is_authority=True, path_length=0), ca.root)
    assert errors(detached(by_hand([Signing(certificate(Wish(), short))])), ca) == []
    below = certificate(Wish("Below", is_authority=True), short)
    found = errors(detached(by_hand([Signing(certificate(Wish(), below))])), ca)
    assert found[0].startswith("The certificate chain is not valid: ")


def test_who_may_issue(ca: Authority) -> None:
    not_one = certificate(Wish("Bob"), ca.intermediate)
    assert errors(detached(by_hand([Signing(certificate(Wish(), not_one))])), ca) == [
        "The certificate of the issuer Bob is neither in the message nor trusted"
    ]
    for_web = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    web = certificate(Wish("Web", is_authority=True, extensions=[(for_web, False)]), ca.root)
    assert errors(detached(by_hand([Signing(certificate(Wish(), web))])), ca) == [
        "The certificate authority Web is not for mail"
    ]
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    strange = certificate(Wish(extensions=[(unknown, True)]), ca.intermediate)
    assert "critical extensions" in errors(detached(by_hand([Signing(strange)])), ca)[0]


def test_nested(ca: Authority) -> None:
    """RFC 8551 §3.7: a signature around a signed message; each has to be right."""
    inner = multipart(by_hand([Signing(ca.alice)]), boundary=b"inner")
    assert errors(detached(by_hand([Signing(ca.alice)], inner), inner), ca) == []
    assert errors(opaque(by_hand([Signing(ca.alice)], inner, detached=False)), ca) == []
    inner = inner.replace(b"10 coins", b"99 coins")
    assert errors(detached(by_hand([Signing(ca.alice)], inner), inner), ca) == [
        "Inner signature: The message was changed after it was signed"
    ]
    inner = opaque(by_hand([Signing(ca.alice, "sha1")], detached=False), header=b"")
    assert errors(detached(by_hand([Signing(ca.alice)], inner), inner), ca) == [
        "Inner signature: The digest algorithm SHA-1 is too weak"
    ]
    for _ in range(5):
        inner = opaque(by_hand([Signing(ca.alice)], inner, detached=False), header=b"")
    assert errors(HEADER + inner, ca) == [
        "Inner signature: There are more signatures around each other than are looked at"
    ]


def test_forwarded(ca: Authority) -> None:
    """Somebody else's signed message inside of a signed one is an attachment as any other."""
    other = Authority.make()
    theirs = b"From: carol@example.net\r\n" + multipart(by_hand([Signing(other.alice)]), boundary=b"theirs")
    body = b"Content-Type: message/rfc822\r\n\r\n" + theirs
    assert errors(detached(by_hand([Signing(ca.alice)], body), body), ca) == []


def test_a_signature_over_a_part_of_the_message(ca: Authority) -> None:
    made = multipart(by_hand([Signing(ca.alice)]))
    notice = b"Content-Type: text/plain\r\n\r\nSent by a list.\r\n"
    assert errors(mixed(made, notice), ca) == ["The signature is over a part of the message only"]


def no_signature(content: bytes) -> bytes:
    return content.replace(b"application/pkcs7-signature; name", b"text/plain; name")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda octets: octets.replace(b"--=_signed--", b""), "The message is malformed: it has no end"),
        (lambda octets: octets.replace(b'boundary="=_signed"', b""), "The message is malformed: it has no boundary"),
        (
            lambda octets: octets.replace(b"Pay", b"--=_signedtoo\r\nPay"),
            "The message is malformed: a line begins like its boundary",
        ),
        (
            lambda octets: octets.replace(b"Pay", b"\r\n--=_signed\r\n\r\nPay"),
            "The message is malformed: a signed message has two parts: what is signed, and the signature",
        ),
    ],
)
def test_malformed_multiparts(ca: Authority, change: Callable[[bytes], bytes], problem: str) -> None:
    assert errors(change(detached(by_hand([Signing(ca.alice)]))), ca) == [problem]


def test_no_cms(ca: Authority) -> None:
    assert errors(detached(b"\x30\x03\x02\x01\x01"), ca)[0].startswith("The signature is malformed: ")
    assert errors(detached(b""), ca) == ["The signature is malformed: ends too early"]
    assert errors(opaque(by_hand([Signing(ca.alice)])), ca) == ["The message that was signed is missing"]
    assert errors(detached(by_hand([Signing(ca.alice)], detached=False)), ca) == [
        "The signature of a message in two parts holds a message of its own"
    ]
    assert errors(detached(by_hand([])), ca) == ["Nobody has signed the message"]


def test_transfer_encodings_of_the_signature(ca: Authority) -> None:
    made = by_hand([Signing(ca.alice)])
    message = detached(made)
    quoted = b"".join(b"=%02X" % octet for octet in made)
    quoted = b"=\r\n".join(quoted[start : start + 72] for start in range(0, len(quoted), 72)) + b"\r\n"
    message = message.replace(base64_lines(made), quoted).replace(b"Encoding: base64", b"Encoding: quoted-printable")
    assert errors(message, ca) == []


def test_holders_are_compared_by_their_names(ca: Authority) -> None:
    """Certificates that the message brings along are no signers."""
    extra: Holder = certificate(Wish("Extra", ["mallory@example.org"]), ca.intermediate)
    certificates = [extra.certificate, ca.alice.certificate, ca.intermediate.certificate, ca.root.certificate]
    made = by_hand([Signing(ca.alice)], certificates=certificates)
    assert errors(detached(made), ca) == []
    assert errors(detached(made, header=HEADER.replace(b"alice@", b"mallory@")), ca) != []
