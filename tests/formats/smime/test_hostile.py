"""What a message can bring along to hurt its verifier: refused, in bounded work and without a copy of the message."""

import tracemalloc
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from asn1crypto import cms, core
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.formats.smime import chain
from adapters.formats.smime.ber import Malformed, Reader
from adapters.formats.smime.chain import Trust
from adapters.formats.smime.cms import CmsError, parse_signed_data
from adapters.formats.smime.verify import verify_cms, verify_message
from tests.formats.smime.making import (
    ALICE,
    BODY,
    NOW,
    Authority,
    Signing,
    Wish,
    by_hand,
    certificate,
    detached,
    ec_key,
    opaque,
)

CA = Authority.make()
TRUST = Trust([CA.root.certificate])
MADE = by_hand([Signing(CA.alice), Signing(CA.alice, "sha512", by_key=True)])
HELD = by_hand([Signing(CA.alice)], detached=False)


def length(count: int) -> bytes:
    octets = count.to_bytes((count.bit_length() + 7) // 8 or 1, "big")
    return bytes([count]) if count < 0x80 else bytes([0x80 | len(octets)]) + octets


def element(identifier: int, content: bytes) -> bytes:
    return bytes([identifier]) + length(len(content)) + content


def endless(identifier: int, content: bytes) -> bytes:
    """The same of indefinite length (X.690 §8.1.3.6)."""
    return bytes([identifier, 0x80]) + content + b"\x00\x00"


SIGNED_DATA, DATA = (bytes.fromhex(f"06092a864886f70d01070{last}") for last in "21")


def signed_data(
    content: bytes = b"", certificates: bytes = b"", signers: bytes = b"", make: Callable[[int, bytes], bytes] = element
) -> bytes:
    encapsulated = make(0x30, DATA + (make(0xA0, content) if content else b""))
    certificates = make(0xA0, certificates) if certificates else b""
    inner = make(0x30, b"\x02\x01\x01" + make(0x31, b"") + encapsulated + certificates + make(0x31, signers))
    return make(0x30, SIGNED_DATA + make(0xA0, inner))


def test_content_in_pieces_and_of_indefinite_length() -> None:
    """As a streaming signer writes it: the pieces are found where they lie."""
    pieces = endless(0x24, element(4, b"one ") + endless(0x24, element(4, b"two ")) + element(0x24, element(4, b"3")))
    made = signed_data(pieces, make=endless)
    found = parse_signed_data(made)
    assert found.content is not None
    assert b"".join(made[start:end] for start, end in found.content) == b"one two 3"


@pytest.mark.parametrize(
    ("octets", "problem"),
    [
        (endless(0x30, b"")[:2] * 10_000, "The part|The signature is malformed"),
        (signed_data(element(0x24, b"") * 1)[:-1], "malformed"),
        (signed_data(endless(0x24, b"\x24\x80" * 40 + b"\x00\x00" * 40)), "malformed"),
        (signed_data(element(0x24, element(4, b"x") * 250_000)), "too many elements"),
        (signed_data(element(0x30, b"x")), "no OCTET STRING"),
        (b"\x30\x84\xff\xff\xff\xff", "longer than what holds it"),
        (b"\x30\x89" + b"\x01" * 9, "more than eight octets"),
        (b"\x3f\x81\x01\x00", "a tag number"),
        (signed_data(certificates=element(0x30, b"x") * 51), "more than 50 certificates"),
        (signed_data(certificates=element(0x30, b"x") * 5_000), "more than 50 certificates"),
        (signed_data(signers=element(0x30, b"x") * 17), "more than 16 signers"),
        (signed_data(signers=element(0x30, b"x") * 5_000), "more than 16 signers"),
        (signed_data(signers=element(0x30, b"x" * 70_000)), "more than 65536 octets"),
        (signed_data(signers=element(0x30, element(0x30, b"") * 5_000)), "too many elements"),
        (signed_data(signers=element(0x30, b"\x02\x01\x01")), "a signer that cannot be read"),
        (element(0x30, b"\x06\x7f" + b"\x81" * 127 + element(0xA0, b"")), "malformed"),
    ],
)
def test_bombs(octets: bytes, problem: str) -> None:
    with pytest.raises(CmsError, match=problem):
        parse_signed_data(octets)


def test_depth_is_bounded_where_another_reader_comes_later() -> None:
    deep = b""
    for _ in range(100):
        deep = element(0x30, deep)
    with pytest.raises(Malformed, match="nested too deeply"):
        Reader(deep).check()


def mesh(size: int) -> list[x509.Certificate]:
    """Authorities that all have certificates from each other: a search for every path would take for ever."""
    keys = [ec_key() for _ in range(size)]
    own = [certificate(Wish(f"Mesh {number}", is_authority=True, key=key)) for number, key in enumerate(keys)]
    return [
        certificate(Wish(f"Mesh {number}", is_authority=True, key=key), issuer).certificate
        for number, key in enumerate(keys)
        for issuer in own
        if issuer.key is not key
    ]


def test_certificates_that_issue_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    certificates = mesh(7)
    issuer = certificate(Wish("Mesh 0", is_authority=True))
    leaf = certificate(Wish(), issuer)
    checked: list[object] = []
    real = chain._issued

    def counted(*pair: x509.Certificate) -> bool:
        checked.append(pair)
        return real(*pair)

    monkeypatch.setattr(chain, "_issued", counted)
    found = chain.build_chain(leaf.certificate, certificates, TRUST, NOW)
    assert found.problems
    same = [certificate(Wish("Same", is_authority=True)).certificate for _ in range(50)]
    leaf = certificate(Wish(), certificate(Wish("Same", is_authority=True)))
    assert chain.build_chain(leaf.certificate, [*same, *same, *same], TRUST, NOW).problems
    assert len(checked) <= 2 * chain.MAX_CHECKS


def test_many_certificates_of_one_name_end_the_search() -> None:
    own = certificate(Wish("Same", is_authority=True))
    same = [certificate(Wish("Same", is_authority=True, key=own.key), own).certificate for _ in range(120)]
    leaf = certificate(Wish(), own)
    found = chain.build_chain(leaf.certificate, same, TRUST, NOW)
    assert found.problems == ("The message has too many certificates that may have issued each other",)


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_any_damage_is_told_and_nothing_else_happens(data: st.DataObject) -> None:
    octets = bytearray(data.draw(st.sampled_from([MADE, HELD])))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(octets) - 1))
        octets[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.one_of(st.just(len(octets)), st.integers(0, len(octets))))
    damaged = bytes(octets[:cut])
    for message in (detached(damaged), opaque(damaged)):
        (finding,) = verify_message(message, TRUST, [NOW])
        assert all(isinstance(line, str) and line.isprintable() for line in finding.errors)


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=200))
def test_any_octets(octets: bytes) -> None:
    for message in (detached(octets), opaque(octets), octets):
        verify_message(message, TRUST, [NOW])
    assert verify_cms(octets, [ALICE], TRUST, [NOW])[0].errors


def attribute_bomb(found: Sequence[Any]) -> list[Any]:
    return [*found, *(cms.CMSAttribute({"type": "1.2.3.4", "values": [core.Null()] * 900}),) * 6]


def test_a_signer_with_thousands_of_attributes() -> None:
    made = by_hand([Signing(CA.alice, spoil=attribute_bomb)])
    assert verify_message(detached(made), TRUST, [NOW])[0].errors == ["The signature is malformed: too many elements"]


LARGE = BODY + b"0123456789abcdef" * 4 * (30_000_000 // 64)
"""30 MB."""


def peak(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_large_message_is_not_copied() -> None:
    message = bytearray(detached(by_hand([Signing(CA.alice)], LARGE), LARGE))
    cms_ = bytearray(by_hand([Signing(CA.alice)], LARGE, detached=False))
    verdicts: list[list[str]] = []

    def both() -> None:
        verdicts.append(verify_message(message, TRUST, [NOW])[0].errors)
        verdicts.append(verify_cms(cms_, [ALICE], TRUST, [NOW])[0].errors)

    assert peak(both) < 3_000_000
    assert verdicts == [[], []]


def test_a_message_from_very_many() -> None:
    header = b"From: " + b", ".join(b"a%d@example.org" % number for number in range(10_000)) + b"\r\n"
    found = verify_message(detached(by_hand([Signing(CA.alice)]), header=header), TRUST, [NOW])[0].errors
    assert found == ["The message is from more than 50 addresses"]


def test_a_message_that_is_all_header() -> None:
    message = bytearray(b"From: alice@example.org\r\nX: " + b"x" * 20_000_000)
    assert peak(lambda: verify_message(message, TRUST, [NOW])) < 8_000_000


def test_the_largest_certificates_are_refused_by_their_size() -> None:
    huge = element(0x30, b"\x04" + length(70_000) + bytes(70_000))
    with pytest.raises(CmsError, match="more than 65536 octets"):
        parse_signed_data(signed_data(certificates=huge))


def test_what_is_no_certificate_is_passed_over() -> None:
    others = [element(0x30, b"\x04\x01x"), CA.alice.certificate.public_bytes(Encoding.DER)]
    found = parse_signed_data(signed_data(certificates=b"".join(others) + element(0xA1, b"")))
    assert list(found.certificates) == others
