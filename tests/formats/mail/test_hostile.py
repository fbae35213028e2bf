"""Arbitrary and hostile octets: nothing raises, everything stays bounded and is JSON."""

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.formats.body_parts import body_value
from adapters.formats.charsets import decode_charset
from adapters.formats.email import (
    BODY_DEPENDENT_PROPERTIES,
    HEADER_PROPERTIES,
    STRUCTURE_PROPERTIES,
    BodyOptions,
    email_properties,
)
from adapters.formats.header_forms import FORMS, header_fields
from adapters.formats.mime import MAX_PARTS, parse_message, part_body, walk
from adapters.formats.parameters import parse_parameterized
from adapters.formats.preview import preview
from adapters.formats.thread_headers import base_subject
from adapters.formats.transfer import decode_transfer, decoded_size, drop_partial_tail

PROPERTIES = sorted(HEADER_PROPERTIES | STRUCTURE_PROPERTIES | BODY_DEPENDENT_PROPERTIES)
SMALL = settings(max_examples=60, deadline=None)

# Pieces that mean something to a parser come together more often than by chance.
pieces = st.lists(
    st.sampled_from(
        [
            *(b"\r\n", b"\n", b"\r", b" ", b"\t", b"--", b"--b", b"--b--", b":", b";", b"=", b'"', b"\\", b"(", b")"),
            *(b"@", b",", b"=?", b"?=", b"=?utf-8?q?=C3?=", b"=?utf-7?b?2AA=?=", b"a", b"\0", b"\xff", b"\xed\xa0\x80"),
            *(b"<", b">", b"[", b"]", b"*0*", b"&", b"<!--", b"<style>"),
            b"Content-Type: multipart/mixed; boundary=b\r\n\r\n",
            b"Content-Type: text/html; charset=utf-16\n",
            b"Content-Transfer-Encoding: base64\n\n",
            *(b"From: ", b"Content-Disposition: "),
        ]
    ),
    max_size=40,
).map(b"".join)
octets = pieces | st.binary(max_size=200)


@given(octets)
@SMALL
@example(b"Content-Type: multipart/mixed; boundary=b\n\n--b\n--b--\n--b")
def test_any_octets_are_a_message(data: bytes) -> None:
    message = parse_message(data)
    options = BodyOptions(fetch_all_body_values=True, max_body_value_bytes=20)
    email = email_properties(message, PROPERTIES, options, blob_id_of=lambda part: part.part_id)
    orjson.dumps(email)  # refuses surrogates
    sections = [part.section for part in walk(message.root)]
    assert len(set(sections)) == len(sections)
    for part in walk(message.root):
        assert 0 <= part.start <= part.end <= len(data)
        assert (part.part_id is None) == part.type.startswith("multipart/")
        if not part.is_multipart:
            assert part.size == len(part_body(message, part))
    for value in email["bodyValues"].values():
        assert len(value["value"].encode()) <= 20


@given(octets)
@SMALL
def test_any_octets_have_every_form(value: bytes) -> None:
    for form in FORMS.values():
        orjson.dumps(form(value))
    orjson.dumps(parse_parameterized(value))
    orjson.dumps(header_fields(value), default=repr)
    base_subject(value.decode("latin-1"))


@given(octets, st.sampled_from(["base64", "quoted-printable", "x-uuencode", "7bit", "x"]), st.integers(0, 200))
@SMALL
def test_any_octets_can_be_decoded(raw: bytes, encoding: str, cut: int) -> None:
    assert decoded_size(encoding, raw) == len(decode_transfer(encoding, raw)[0])
    whole = decode_transfer(encoding, raw)[0]
    if encoding == "base64":
        assert whole.startswith(decode_transfer(encoding, drop_partial_tail(encoding, raw[:cut].partition(b"=")[0]))[0])


@given(
    octets,
    st.sampled_from(["utf-8", "utf-7", "utf-16", "iso-2022-jp", "gb2312", "big5", "hz", "x", None]),
    st.booleans(),
)
@SMALL
def test_any_octets_are_text(raw: bytes, charset: str | None, partial: bool) -> None:
    text, _ = decode_charset(raw, charset, partial=partial)
    assert orjson.loads(orjson.dumps(text)) == text
    assert "\0" not in text


@given(st.text(max_size=100), st.integers(0, 60))
@SMALL
def test_any_text_is_a_value_and_has_a_preview(text: str, limit: int) -> None:
    for is_html in (False, True):
        value = body_value(text, False, limit, is_html=is_html)
        assert text.replace("\r\n", "\n").startswith(value["value"])
        assert value["isTruncated"] == (value["value"] != text.replace("\r\n", "\n"))
    assert len(preview(text, "text/html")) <= 256


BOMB = 100_000
MULTIPART = b"Content-Type: multipart/mixed; boundary=b\n\n"


@pytest.mark.parametrize(
    "data",
    [
        (MULTIPART + b"--b\n") * (BOMB // 10),
        MULTIPART + b"--b\n" * BOMB,
        MULTIPART + b"--b\nA: b\n" * 2000 + b"x" * BOMB,
        MULTIPART + b"--c\n" * BOMB,
        b"Content-Type: message/rfc822\n\n" * (BOMB // 10),
        b"A: b\n" * BOMB,
        b"Content-Type: a/b" + b';n="\\"' * BOMB,
        b"Content-Type: a/b" + b";n*1*=x" * BOMB,
        b"Content-Type: multipart/mixed; boundary=" + b"b" * BOMB + b"\n\n" + b"--" * BOMB,
        b"Content-Transfer-Encoding: x-uuencode\n\nbegin 644 a\n" + b"\n" * BOMB,
        b"Content-Type: text/html\n\n" + b"<div>" * BOMB,
        b"Content-Type: text/html\n\n" + b"<!--" * BOMB,
    ],
    ids=lambda data: data[:50].decode(),
)
def test_bombs_are_bounded(data: bytes) -> None:
    """Each of these takes minutes where some step is quadratic."""
    email = email_properties(parse_message(data), PROPERTIES, blob_id_of=lambda part: part.part_id)
    assert len(email["attachments"]) + len(email["textBody"]) <= 2 * MAX_PARTS


@pytest.mark.parametrize(
    "unit",
    [
        *(
            b",",
            b'"',
            b'\\"',
            b"(",
            b"()",
            b"(\\",
            b"<",
            b"<@",
            b"a<b",
            b"a:",
            b"a:;",
            b"[",
            b" ",
            b"a ",
            b"=?",
            b"=?u?q?",
        ),
        *(b"=?utf-8?q?a?= ", b"@", b"a@b ", b"\r\n ", b";", b'"a" ', "\u0315\u0300".encode()),
    ],
)
def test_header_bombs_are_bounded(unit: bytes) -> None:
    value = unit * (BOMB // len(unit))
    for form in FORMS.values():
        form(value)
    text = value.decode()
    base_subject(text)
    body_value(text, False, len(value) - 1, is_html=True)
    parse_parameterized(b"a/b;" + value)
