"""What goes through DATA, and the header without Bcc: properties, whatever the octets and wherever they are cut."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.formats.mail_header import header_length, without_bcc
from adapters.smtp.octets import DotStuffer

PIECES = st.lists(st.text(alphabet="\r\n.ab", max_size=8).map(str.encode), max_size=8)


def stuffed(pieces: list[bytes]) -> bytes:
    stuffer = DotStuffer()
    return b"".join(map(stuffer.feed, pieces)) + stuffer.finish()


@settings(max_examples=300)
@given(PIECES)
def test_a_server_reads_back_the_message(pieces: list[bytes]) -> None:
    """Row 19 of the threat model; on a real server: tests/objects/submission/test_injection.py."""
    sent = stuffed(pieces)
    assert sent == stuffed([b"".join(pieces)])
    assert re.search(rb"(?<!\r)\n|\r(?!\n)", sent) is None
    assert not sent or sent.endswith(b"\r\n")
    lines = sent.split(b"\r\n")
    assert b"." not in lines
    wanted = re.sub(rb"\r+\n|\r|\n", b"\r\n", b"".join(pieces))
    received = b"\r\n".join(line.removeprefix(b".") for line in lines)
    assert received == (wanted if not wanted or wanted.endswith(b"\r\n") else wanted + b"\r\n")


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\r\n.\n", b"\r\n.\r\n"])
def test_smuggling(end: bytes) -> None:
    """Threat model row 19."""
    sent = stuffed([b"Hello" + end + b"MAIL FROM:<mallory@example.org>\r\n"])
    assert sent == b"Hello\r\n..\r\nMAIL FROM:<mallory@example.org>\r\n"


@settings(max_examples=300)
@given(st.lists(st.sampled_from([b"Bcc: x", b"bCC : y", b"To: z", b"\r", b"\n", b"\r\n", b" w", b"Resent-Bcc:"])))
def test_no_bcc_is_left(pieces: list[bytes]) -> None:
    message = b"".join(pieces)
    length = header_length(message, complete=True)
    assert length is not None
    sent = stuffed([without_bcc(message[:length]), message[length:]])
    header = re.split(rb"(?:\A|\r\n)\r\n", sent, maxsplit=1)[0]
    assert re.search(rb"^(resent-)?bcc[ \t]*:", header, re.IGNORECASE | re.MULTILINE) is None


@settings(max_examples=300)
@given(st.text(alphabet="\r\na", max_size=12).map(str.encode), st.integers(0, 12))
def test_the_end_of_the_header_is_where_it_is(message: bytes, cut: int) -> None:
    early = header_length(message[:cut], complete=False)
    if early is not None:
        assert early == header_length(message, complete=True)
