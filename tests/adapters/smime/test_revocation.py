"""Revocation: lists that a message brings or an operator keeps, and what is fetched where that is allowed."""

import datetime
import ipaddress
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from asn1crypto import cms, crl
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from adapters.ports.signatures import SignedMessage
from adapters.smime import revocation
from adapters.smime.anchors import Anchors
from adapters.smime.judge import Judge
from adapters.smime.revocation import RevocationCheck
from tests.formats.smime.making import (
    DAY,
    Authority,
    Holder,
    Signing,
    Wish,
    by_hand,
    certificate,
    detached,
    revocation_list,
)

NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
CA = Authority.make(NOW)
REVOKED = "The certificate of Alice, or one above it, was revoked: key_compromise"
UNKNOWN = "It cannot be told whether the certificate of Alice was revoked"


GOOD = [revocation_list(CA.root), revocation_list(CA.intermediate)]
BAD = [revocation_list(CA.root), revocation_list(CA.intermediate, CA.alice.certificate.serial_number)]


def with_lists(made: bytes, lists: Sequence[bytes]) -> bytes:
    """The SignedData with revocation lists beside the certificates (RFC 5652 §10.2.1)."""
    info = cms.ContentInfo.load(made)
    info["content"]["crls"] = [crl.CertificateList.load(octets) for octets in lists]
    return bytes(info.dump(force=True))


@asynccontextmanager
async def judge(tmp_path: Path, check: RevocationCheck) -> AsyncIterator[Judge]:
    path = tmp_path / "anchors.pem"
    path.write_bytes(CA.root.certificate.public_bytes(Encoding.PEM))
    made = Judge(Anchors(path), check)
    try:
        yield made
    finally:
        await made.close()


async def errors(
    tmp_path: Path,
    check: RevocationCheck,
    lists: Sequence[bytes] = (),
    moment: datetime.datetime = NOW,
    holder: Holder = CA.alice,
) -> list[str]:
    made = by_hand([Signing(holder, time=NOW - 20 * DAY)])
    message = SignedMessage(detached(with_lists(made, lists) if lists else made))
    async with judge(tmp_path, check) as one:
        (found,) = await one.judge(message, [moment])
        return found


@pytest.mark.parametrize(
    ("lists", "soft", "hard"),
    [(GOOD, [], []), (BAD, [REVOKED], [REVOKED]), ([], [], [UNKNOWN]), (BAD[:1], [], [UNKNOWN])],
)
async def test_lists_in_the_message(tmp_path: Path, lists: Sequence[bytes], soft: list[str], hard: list[str]) -> None:
    assert await errors(tmp_path, RevocationCheck(is_required=False), lists) == soft
    assert await errors(tmp_path, RevocationCheck(is_required=True), lists) == hard


async def test_revoked_later_than_the_moment(tmp_path: Path) -> None:
    """For the status at delivery: what was revoked since was good then."""
    assert await errors(tmp_path, RevocationCheck(is_required=False), BAD, NOW - 10 * DAY) == []
    assert await errors(tmp_path, RevocationCheck(is_required=False), BAD, NOW) == [REVOKED]


async def test_lists_in_files(tmp_path: Path) -> None:
    lists = tmp_path / "crl"
    lists.mkdir()
    (lists / "one.crl").write_bytes(BAD[0])
    (lists / "two.pem").write_bytes(x509.load_der_x509_crl(BAD[1]).public_bytes(Encoding.PEM))
    (lists / "broken.crl").write_bytes(b"nonsense")
    (lists / "notes.txt").write_bytes(b"nonsense")
    assert await errors(tmp_path, RevocationCheck(is_required=True, lists=lists)) == [REVOKED]
    assert await errors(tmp_path, RevocationCheck(is_required=True, lists=lists / "one.crl")) == [UNKNOWN]


async def test_a_certificate_that_is_trusted_by_itself(tmp_path: Path) -> None:
    own = certificate(Wish("Own", valid=(NOW - DAY, NOW + DAY)))
    path = tmp_path / "own.pem"
    path.write_bytes(own.certificate.public_bytes(Encoding.PEM))
    one = Judge(Anchors(path), RevocationCheck(is_required=True))
    assert await one.judge(SignedMessage(detached(by_hand([Signing(own)]))), [NOW]) == [[]]
    await one.close()


@asynccontextmanager
async def list_server(octets: bytes, asked: list[str]) -> AsyncIterator[str]:
    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(body=octets)

    application = web.Application()
    application.router.add_get("/list.crl", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/list.crl"
    finally:
        await runner.cleanup()


def pointing_to(url: str) -> Holder:
    """A certificate by the root that says where its list is."""
    point = x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None)
    extensions = [(x509.CRLDistributionPoints([point]), False)]
    return certificate(Wish(valid=(NOW - 30 * DAY, NOW + 30 * DAY), extensions=extensions), CA.root)


async def test_nothing_is_fetched_unless_it_is_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    here = [ipaddress.ip_network("127.0.0.0/8")]
    async with list_server(revocation_list(CA.root), asked) as url:
        holder = pointing_to(url)
        assert await errors(tmp_path, RevocationCheck(is_required=True), holder=holder) == [UNKNOWN]
        refused = RevocationCheck(is_required=True, fetch=True)  # loopback isn't public
        assert await errors(tmp_path, refused, holder=holder) == [UNKNOWN]
        assert asked == []
        allowed = RevocationCheck(is_required=True, fetch=True, networks=here)
        assert await errors(tmp_path, allowed, holder=holder) == []
        assert asked == ["/list.crl"]
        monkeypatch.setattr(revocation, "MAX_LIST", 10)
        bounded = RevocationCheck(is_required=True, fetch=True, networks=here)
        assert await errors(tmp_path, bounded, holder=holder) == [UNKNOWN]
    asked.clear()
    monkeypatch.undo()
    holder = pointing_to("http://127.0.0.1/list.crl")
    async with list_server(revocation_list(CA.root, 1), asked) as url:
        holder = pointing_to(url)
    assert await errors(tmp_path, RevocationCheck(is_required=False, fetch=True, networks=here), holder=holder) == []


async def test_what_was_fetched_is_used_for_the_next_message(tmp_path: Path) -> None:
    asked: list[str] = []
    check = RevocationCheck(is_required=True, fetch=True, networks=[ipaddress.ip_network("127.0.0.0/8")])
    async with list_server(revocation_list(CA.root), asked) as url:
        message = SignedMessage(detached(by_hand([Signing(pointing_to(url))])))
        async with judge(tmp_path, check) as one:
            for _ in range(3):
                assert await one.judge(message, [NOW]) == [[]]
    assert asked == ["/list.crl"]


async def test_nobody_is_named_in_the_logs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await errors(tmp_path, RevocationCheck(is_required=True), BAD)
    assert "Alice" not in caplog.text
    assert "alice@" not in caplog.text
