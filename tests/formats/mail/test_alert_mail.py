"""The mail of an alert says what its event says, and nothing of that becomes a header field, a part or markup."""

import email
import email.policy
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.formats import alert_mail, event_text
from adapters.formats.compose import Generated, compose, read_email

ADDRESS = "a@example.org"
EVENT = {"title": "Tea", "start": "2026-12-01T12:00:00", "timeZone": "Europe/Berlin", "duration": "PT1H"}
HOSTILE = (
    "x\r\nBcc: b@example.net",
    "x\nContent-Type: text/html\n\n<script>alert(1)</script>",
    "x\r\n\r\n--{}\r\n".format("0123456789abcdef" * 2),
    "=?utf-8?q?x=0D=0ABcc:_b@example.net?=",
    "\0\x0b\x85\u2028\ud800",
    '"><script>',
    'https://x.example/"onclick="y',
    "javascript:alert(1)",
    ".\r\n.",
    "ÿ" * 500,
)
TEXT = st.sampled_from(HOSTILE) | st.text(max_size=60) | st.text('\r\n\0 <>@."\\=:a', max_size=30)


def written(event: dict[str, Any], zone: str | None = None) -> bytes:
    generated = Generated("m@example.org", "2026-12-01T00:00:00Z", "0123456789abcdef")
    composition = compose(read_email(alert_mail.email(event, ADDRESS, zone)), {}, generated)
    return b"".join(piece for piece in composition.pieces if isinstance(piece, bytes))


class Markup(HTMLParser):
    """What tags there are, and where links lead."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [] if tag == "meta" else attrs


@given(title=TEXT, place=TEXT, uri=TEXT, href=TEXT, description=TEXT, is_html=st.booleans())
def test_nothing_is_injected(title: str, place: str, uri: str, href: str, description: str, is_html: bool) -> None:
    event = {
        **EVENT,
        "title": title,
        "locations": {"l": {"name": place}},
        "virtualLocations": {"v": {"uri": uri}},
        "links": {"k": {"href": href}},
        "description": description,
        "descriptionContentType": "text/html" if is_html else "text/plain",
    }
    message = email.message_from_bytes(written(event), policy=email.policy.default)
    assert sorted(name.lower() for name in message) == sorted(
        [
            *("from", "to", "subject", "auto-submitted", "message-id", "date"),
            *("mime-version", "content-type", "content-transfer-encoding"),
        ]
    )
    assert not message.defects
    assert [part.get_content_type() for part in message.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    assert str(message["To"]) == ADDRESS
    assert message["Auto-Submitted"] == "auto-generated"
    markup = Markup()
    (_, html) = message.iter_parts()
    markup.feed(html.get_content())
    assert markup.tags <= {"html", "head", "meta", "body", "p", "b", "a", "br"}
    assert all(name == "href" and (value or "").lower().startswith("http") for name, value in markup.attributes)


@pytest.mark.parametrize(
    ("more", "zone", "expected"),
    [
        ({}, None, "Tuesday, 01 December 2026, 12:00 to 13:00 (Europe/Berlin)"),
        ({}, "Asia/Tokyo", "Tuesday, 01 December 2026, 20:00 to 21:00 (Asia/Tokyo)"),
        ({"timeZone": None}, "Asia/Tokyo", "Tuesday, 01 December 2026, 12:00 to 13:00"),
        ({"duration": None}, None, "Tuesday, 01 December 2026, 12:00 (Europe/Berlin)"),
        (
            {"duration": "P1DT1H"},
            None,
            "Tuesday, 01 December 2026, 12:00 to Wednesday, 02 December 2026, 13:00 (Europe/Berlin)",
        ),
        ({"showWithoutTime": True, "timeZone": None}, "Asia/Tokyo", "Tuesday, 01 December 2026"),
        ({"recurrenceRule": {}}, None, "Tuesday, 01 December 2026, 12:00 to 13:00 (Europe/Berlin), repeatedly"),
    ],
)
def test_when_it_is(more: dict[str, Any], zone: str | None, expected: str) -> None:
    assert event_text.when(EVENT | more, zone) == expected


def test_html_descriptions_are_read() -> None:
    told = {"description": "<p>One</p><script>x()</script><p>two &amp; three", "descriptionContentType": "text/html"}
    (_, (_, text)) = event_text.description(told)
    assert " ".join(text.split()) == "One two & three"
