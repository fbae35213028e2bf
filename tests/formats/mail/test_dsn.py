"""Delivery status notifications, read (RFC 3464)."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.formats import dsn
from adapters.formats.report import message_id, report_type, typed_address

CORPUS = Path(__file__).parents[2] / "corpus/eml"


def message(status: bytes, returned: bytes = b"", kind: bytes = b"delivery-status") -> bytes:
    head = b'Content-Type: multipart/report; report-type=%b; boundary="b"\r\nSubject: x\r\n\r\n' % kind
    part = b"--b\r\nContent-Type: message/delivery-status\r\n\r\n" + status
    return head + b"--b\r\n\r\nText\r\n" + part + b"\r\n" + returned + b"--b--\r\n"


def reply(fields: str) -> str:
    """What is made of the fields of a recipient."""
    found = dsn.read(message(f"X: y\r\n\r\nFinal-Recipient: rfc822; a@b.c\r\n{fields}".encode()))
    assert found is not None
    return found.recipients[0].reply


def test_bounces_that_came() -> None:
    found = dsn.read((CORPUS / "flanker/bounce_mailbox-full.eml").read_bytes())
    assert found == dsn.Dsn(
        None,
        "<4E326A95.3010907@example.com>",
        [dsn.Recipient(["user@aol.com"], "failed", "552 5.2.2 E4.12 user MAILBOX FULL")],
    )
    found = dsn.read((CORPUS / "flanker/bounce_office365.eml").read_bytes())
    assert found is not None
    assert found.recipients[0].reply.startswith("550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient noname@")


def test_all_of_one() -> None:
    status = (
        b"Reporting-MTA: dns; mx.example\r\nOriginal-Envelope-Id: s1 (a comment stays)\r\n\r\n"
        b"Original-Recipient: rfc822;bob+2Btea@example.org\r\nFinal-Recipient: RFC822; <robert@example.org>\r\n"
        b"Action: Delivered (to mailbox)\r\nStatus: 2.0.0\r\n\r\n"
        b"Final-Recipient: x400; /c=de\r\nAction: failed\r\n\r\n"
        b"Final-Recipient: utf-8; gr\\x{FC}n@example.org\r\nAction: delayed\r\nStatus: 4.4.1\r\n\r\n"
        b"Final-Recipient: rfc822; c@example.org\r\nAction: eaten\r\n"
    )
    returned = (
        b"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\nMESSAGE-ID:\r\n <1@a>\r\n\r\nMessage-ID: <2@a>\r\n"
    )
    found = dsn.read(message(status, returned))
    assert found == dsn.Dsn(
        "s1 (a comment stays)",
        "<1@a>",
        [
            dsn.Recipient(
                ["bob+2Btea@example.org", "bob+tea@example.org", "robert@example.org"],
                "delivered",
                "250 2.0.0 delivered",
            ),
            dsn.Recipient(["gr\\x{FC}n@example.org", "grün@example.org"], "delayed", "451 4.4.1 delayed"),
        ],
    )


def test_replies() -> None:
    """RFC 8621 §7, smtpReply."""
    assert (
        reply(
            "Action: failed\r\nDiagnostic-Code: smtp; 550-5.7.1 Our system has detected that\r\n 550-5.7.1 this message"
            " is\r\n 550 5.7.1 likely spam.\r\n"
        )
        == "550 5.7.1 Our system has detected that this message is likely spam."
    )
    assert reply("Action: failed\r\nDiagnostic-Code: SMTP;554 go away\r\n") == "554 go away"
    assert reply("Action: failed\r\nDiagnostic-Code: smtp; 554-go\r\n 554 away\r\n") == "554 go away"
    assert reply("Action: failed\r\nStatus: 5.1.1 (no such)\r\nDiagnostic-Code: X-Unix; died\r\n") == "550 5.1.1 died"
    assert reply("Action: failed\r\nStatus: nonsense\r\n") == "550 5.0.0 failed"
    assert reply("Action: delayed\r\nDiagnostic-Code: smtp; hello\r\n") == "451 4.0.0 hello"
    assert reply("Action: relayed\r\n") == "250 2.0.0 relayed"
    assert len(reply(f"Action: failed\r\nDiagnostic-Code: smtp; 550 {'x' * 5000}\r\n")) == 1000


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"Subject: x\r\n\r\ntext",
        message(b""),
        message(b"Reporting-MTA: dns; x\r\n"),
        message(b"A: b\r\n\r\nFinal-Recipient: rfc822; a@b.c\r\n"),
        message(b"A: b\r\n\r\nAction: failed\r\n"),
        message(b"A: b\r\n\r\nFinal-Recipient: rfc822; a@b.c\r\nAction: failed\r\n", kind=b"disposition-notification"),
        (CORPUS / "flanker/bounce_gmail-no-dns.eml").read_bytes(),
    ],
)
def test_what_is_none(octets: bytes) -> None:
    assert dsn.read(octets) is None


def test_its_beginning_is_enough() -> None:
    octets = (CORPUS / "flanker/bounce_mailbox-full.eml").read_bytes()
    end = octets.index(b"4E326A95.3010907@example.com>") + 40
    assert dsn.read(octets[:end]) == dsn.read(octets)


def test_recipients_beyond_measure_are_passed_over() -> None:
    one = b"Final-Recipient: rfc822; a@b.c\r\nAction: failed\r\n\r\n"
    found = dsn.read(message(b"A: b\r\n\r\n" + one * 20_000))
    assert found is not None
    assert len(found.recipients) == dsn.MOST_RECIPIENTS


@given(st.binary(max_size=400), st.binary(max_size=200))
def test_whatever_comes_nothing_raises(octets: bytes, returned: bytes) -> None:
    dsn.read(message(octets, returned))
    dsn.read(octets)
    fields = b"A: b\r\n\r\nFinal-Recipient: rfc822; a@b.c\r\nAction: failed\r\nDiagnostic-Code: smtp; 550 "
    found = dsn.read(message(fields + octets))
    if found is not None:
        for one in found.recipients:
            assert one.reply.isprintable()
            assert one.reply[:3].isdigit()


WORD = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters='()<>;"\\=+'), min_size=1)
ACTIONS = st.sampled_from(dsn.ACTIONS)


@given(WORD, st.lists(st.tuples(WORD, ACTIONS, st.integers(200, 599).filter(lambda code: code // 100 != 3))))
def test_what_was_written_is_read(envelope_id: str, recipients: list[tuple[str, str, int]]) -> None:
    lines = [f"Original-Envelope-Id: {envelope_id}\r\n"]
    lines += [
        f"Original-Recipient: rfc822;{name}@b.c\r\nAction: {action}\r\nDiagnostic-Code: smtp; {code} said\r\n"
        for name, action, code in recipients
    ]
    found = dsn.read(message("\r\n".join(lines).encode()))
    if not recipients:
        assert found is None
        return
    assert found is not None
    assert found.envelope_id == envelope_id
    expected = [dsn.Recipient([f"{name}@b.c"], action, f"{code} said") for name, action, code in recipients]
    assert found.recipients == expected


def test_pieces_of_reports() -> None:
    assert report_type(b' Multipart/Report; boundary=x; Report-Type="Delivery-Status"') == "delivery-status"
    assert report_type(b"multipart/mixed; report-type=delivery-status") is None
    assert report_type(b"multipart/report") is None
    assert typed_address("rfc822; a@b (c)") == ("a@b",)
    assert typed_address("dns; a") == ()
    assert typed_address(None) == ()
    assert typed_address("utf-8; a\\x{D800}@b") == ("a\\x{D800}@b",)
    assert message_id("text <a@b> <c@d>") == "<a@b>"
    assert message_id("a@b") is None
