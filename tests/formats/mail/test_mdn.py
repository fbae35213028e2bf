"""Disposition notifications, read and written (RFC 8098)."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.formats import mdn

EXAMPLE = Path(__file__).parents[2] / "corpus/eml/flanker/disposition-notification.eml"
DISPOSITION = {"actionMode": "automatic-action", "sendingMode": "mdn-sent-automatically", "type": "deleted"}


def message(report: bytes, kind: bytes = b"disposition-notification") -> bytes:
    head = b'Content-Type: multipart/report; report-type=%b; boundary="b"\r\nSubject: Read\r\n\r\n' % kind
    part = b"Content-Type: message/disposition-notification\r\n\r\n" + report
    return head + b"--b\r\n\r\nText\r\n--b\r\n" + part + b"\r\n--b--\r\n"


def test_the_example_of_the_standard() -> None:
    found = mdn.read(EXAMPLE.read_bytes())
    assert found is not None
    assert found["disposition"] == {
        "actionMode": "manual-action",
        "sendingMode": "mdn-sent-manually",  # RFC 9007 §2: in lower case
        "type": "displayed",
    }
    assert found["finalRecipient"] == "rfc822;Joe_Recipient@example.com"
    assert found["originalMessageId"] == "<199509192301.23456@example.org>"
    assert found["includeOriginalMessage"] is True
    assert found["textBody"].startswith("The message sent on 1995 Sep 19")
    assert (found["error"], found["mdnGateway"], found["extensionFields"]) == (None, None, None)


def test_modifiers_errors_and_gateways() -> None:
    found = mdn.read(
        message(
            b"MDN-Gateway: dns; gw.example\r\nDisposition: automatic-action/MDN-sent-automatically; processed/error\r\n"
            b"Error: one\r\nError: two\r\nX-More: yes\r\n"
        )
    )
    assert found is not None
    assert found["disposition"]["type"] == "processed"
    assert (found["error"], found["mdnGateway"]) == (["one", "two"], "dns; gw.example")
    assert found["extensionFields"] == {"X-More": "yes"}


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"Subject: x\r\n\r\ntext",
        message(b"Disposition: nonsense\r\n"),
        message(b"Disposition: manual-action/MDN-sent-manually; eaten\r\n"),
        message(b"Final-Recipient: rfc822; a@b.c\r\n"),
        message(b"Disposition: manual-action/MDN-sent-manually; displayed\r\n", b"delivery-status"),
    ],
)
def test_what_is_none(octets: bytes) -> None:
    assert mdn.read(octets) is None


@given(st.binary(max_size=400))
def test_whatever_comes_nothing_raises(octets: bytes) -> None:
    mdn.read(message(octets))
    mdn.read(octets)


VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=200).map(
    lambda text: " ".join(text.split()) or "x"
)


@given(VALUES, VALUES, st.dictionaries(st.sampled_from(["X-A", "X-B"]), VALUES, max_size=2))
def test_what_was_written_is_read(agent: str, recipient: str, extensions: dict[str, str]) -> None:
    made: dict[str, Any] = {
        "reportingUA": agent,
        "finalRecipient": recipient,
        "disposition": DISPOSITION,
        "extensionFields": extensions,
    }
    written = mdn.write(made)
    found = mdn.read(message(written))
    assert found is not None
    assert {name: found[name] for name in made} == made | {"extensionFields": extensions or None}


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\nb", "\0", "é", "", "x" * 901])
def test_what_no_field_can_hold(value: str) -> None:
    with pytest.raises(mdn.InvalidMdn) as caught:
        mdn.write({"reportingUA": value, "disposition": DISPOSITION})
    assert caught.value.properties == ["reportingUA"]
    with pytest.raises(mdn.InvalidMdn):
        mdn.write({"extensionFields": {value or ":": "x"}, "disposition": DISPOSITION})
