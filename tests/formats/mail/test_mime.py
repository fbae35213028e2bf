"""MIME structure, transfer encodings and charsets: RFC 8621 §4.1.4, RFC 2045, RFC 2046, RFC 9051 §6.4.5."""

import base64
import binascii

import pytest

from adapters.formats.charsets import decode_charset
from adapters.formats.mime import MAX_DEPTH, MAX_PARTS, Part, parse_message, part_body, walk
from adapters.formats.parameters import parse_parameterized
from adapters.formats.transfer import decode_transfer, decoded_size

NESTED = b"""Content-Type: multipart/mixed; boundary=outer

preamble
--outer

first
--outer
Content-Type: multipart/alternative; boundary="outer inner"

--outer inner
Content-Type: text/html; charset=utf-8

<b>
--outer inner--
epilogue
--outer
Content-Type: multipart/digest; boundary=d

--d

Subject: in a digest

body
--d--
--outer
Content-Type: message/rfc822

Content-Type: multipart/mixed; boundary=never

--never

--never--
--outer--
epilogue
"""


def outline(root: Part) -> list[tuple[str, str | None, str]]:
    return [(part.section, part.part_id, part.type) for part in walk(root)]


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_structure_numbers_and_offsets(newline: bytes) -> None:
    data = NESTED.replace(b"\n", newline)
    message = parse_message(data)
    assert outline(message.root) == [
        ("", None, "multipart/mixed"),
        ("1", "1", "text/plain"),
        ("2", None, "multipart/alternative"),
        ("2.1", "2.1", "text/html"),
        ("3", None, "multipart/digest"),
        ("3.1", "3.1", "message/rfc822"),  # RFC 2046 §5.1.5
        ("4", "4", "message/rfc822"),  # not expanded
    ]
    parts = {part.section: part for part in walk(message.root)}
    assert part_body(message, parts["1"]) == b"first"
    assert part_body(message, parts["2.1"]) == b"<b>"
    assert parts["2.1"].size == 3
    inner = parse_message(part_body(message, parts["4"]))
    assert outline(inner.root) == [("", None, "multipart/mixed"), ("1", "1", "text/plain")]


def test_a_memoryview_is_as_good() -> None:
    assert outline(parse_message(memoryview(NESTED)).root) == outline(parse_message(NESTED).root)


def test_a_message_without_parts_is_part_1() -> None:
    message = parse_message(b"Subject: x\r\n\r\nhello")
    assert outline(message.root) == [("1", "1", "text/plain")]
    assert (message.root.charset, message.root.disposition, message.root.header) == (
        "us-ascii",  # §4.1.4: no Content-Type header field
        None,
        b"Subject: x\r\n",
    )
    assert part_body(message, message.root) == b"hello"


@pytest.mark.parametrize("data", [b"", b"\r\n", b"\n\n", b"no header at all", b"A: b", b"\0", b"\r\n--x"])
def test_scraps_are_messages_too(data: bytes) -> None:
    message = parse_message(data)
    assert len(outline(message.root)) == 1
    assert message.root.size == len(part_body(message, message.root))


def test_properties_of_a_part() -> None:
    header = (
        b'content-type: Text/HTML; charset="ISO-8859-1" (why); name=old.html\r\n'
        b"Content-Disposition: ATTACHMENT (c); filename*0*=utf-8'de'%C3%BC; filename*1=ber.html\r\n"
        b"Content-ID: (c) <id@x>\r\nContent-Language: en, de-AT (x)\r\n"
        b"Content-Location: http://a/\r\n b\r\nContent-Transfer-Encoding: Quoted-Printable\r\n\r\n"
    )
    part = parse_message(header + b"a=20b=\r\nc").root
    assert (part.type, part.charset, part.disposition, part.name) == (
        "text/html",
        "ISO-8859-1",
        "attachment",
        "über.html",  # RFC 2231 §4.1; the file name comes before the name parameter
    )
    assert (part.cid, part.language, part.location) == ("id@x", ["en", "de-AT"], "http://a/b")
    assert (part.encoding, part.size, part.octets) == ("quoted-printable", 4, 9)


@pytest.mark.parametrize(
    ("content_type", "kind", "charset"),
    [
        (b"text/html", "text/html", "us-ascii"),  # §4.1.4: text/* without charset
        (b"image/png", "image/png", None),  # §4.1.4: not text/*
        (b"application/x; charset=utf-8", "application/x", "utf-8"),
        (b"text", "text/plain", "us-ascii"),  # RFC 2045 §5.2: syntactically invalid
        (b"; name=x", "text/plain", "us-ascii"),
        (b"(c) text (d) / plain (e)", "text/plain", "us-ascii"),
    ],
)
def test_type_and_charset(content_type: bytes, kind: str, charset: str | None) -> None:
    root = parse_message(b"Content-Type: " + content_type + b"\r\n\r\n").root
    assert (root.type, root.charset) == (kind, charset)


@pytest.mark.parametrize("content_type", [b"multipart/mixed", b"multipart/mixed; boundary=x"])
def test_a_multipart_without_parts_shows_its_body_as_text(content_type: bytes) -> None:
    message = parse_message(b"Content-Type: " + content_type + b"\r\n\r\nhello\r\n")
    assert outline(message.root) == [("", None, "multipart/mixed"), ("1", "1", "text/plain")]
    assert part_body(message, message.root.sub_parts[0]) == b"hello\r\n"


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_a_multipart_that_only_ends_shows_its_last_line(newline: bytes) -> None:
    message = parse_message(b"Content-Type: multipart/mixed; boundary=a\n\nx\n--a--\n".replace(b"\n", newline))
    (child,) = message.root.sub_parts
    assert part_body(message, child) == b"x\n--a--".replace(b"\n", newline)


def test_boundaries_match_the_beginning_of_a_line_and_the_longest_wins() -> None:  # RFC 2046 §5.1.1, §5.1.2
    message = parse_message(
        b"Content-Type: multipart/mixed; boundary=a\n\n--a \t\nContent-Type: multipart/mixed; boundary=ab\n\n"
        b"--ab\n\none\n--ab--\n--a\n\ntwo --a\n --a\n--a--\n"
    )
    assert outline(message.root)[1:] == [
        ("1", None, "multipart/mixed"),
        ("1.1", "1.1", "text/plain"),
        ("2", "2", "text/plain"),
    ]
    assert part_body(message, message.root.sub_parts[1]) == b"two --a\n --a"


def test_a_delimiter_ends_a_header_without_blank_line() -> None:
    message = parse_message(b"Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: image/x\n--a\n\nb\n--a--")
    assert [(part.type, part.size) for part in message.root.sub_parts] == [("image/x", 0), ("text/plain", 1)]


def test_depth_is_bounded() -> None:
    level = b"Content-Type: multipart/mixed; boundary=b%03d\n\n--b%03d\n"
    root = parse_message(b"".join(level % (i, i) for i in range(MAX_DEPTH * 3))).root
    parts = list(walk(root))
    assert len(parts) == MAX_DEPTH + 1
    assert (parts[-1].type, parts[-1].part_id) == ("application/octet-stream", ".".join(["1"] * MAX_DEPTH))


def test_parts_are_bounded_and_the_last_holds_the_rest() -> None:
    data = b"Content-Type: multipart/mixed; boundary=a\n\n" + b"--a\n\nx\n" * (MAX_PARTS * 2)
    parts = list(walk(parse_message(data).root))
    assert len(parts) == MAX_PARTS
    assert parts[-1].end == len(data)


def test_many_lines_of_dashes_hide_no_delimiter() -> None:
    data = (
        b"Content-Type: multipart/mixed; boundary=a\n\n"
        + b"--b\n" * 3000
        + b"--a\n\nx\n"
        + b"--b\n" * 3000
        + b"--a--\n"
    )
    (part,) = parse_message(data).root.sub_parts
    assert part.size == len(b"x\n" + b"--b\n" * 3000) - 1


@pytest.mark.parametrize(
    ("value", "params"),
    [
        (b'a/b; A=1; a=2; B = "x;\\"y" ; c=d e', {"a": "1", "b": 'x;"y', "c": "d e"}),
        (b"a/b; name*=iso-8859-1'en'%A3%20x; name=plain", {"name": "£ x"}),  # RFC 2231 §4
        (b'a/b; n*1="b"; n*0="a"; n*2*=%63', {"n": "abc"}),  # RFC 2231 §3
        (b"a/b; n*0*=utf-8''%E2%82; n*1*=%AC", {"n": "€"}),
        (b'a/b; n="=?utf-8?q?=C3=BC?="', {"n": "ü"}),  # mailers without RFC 2231
        (b'a/b; n="unclosed; m=1', {"n": "unclosed", "m": "1"}),
        (b"a/b; n=x\xe4", {"n": "xä"}),
        (b"a/b;;=;n*x=1", {"n*x": "1"}),
    ],
)
def test_parameters(value: bytes, params: dict[str, str]) -> None:
    assert parse_parameterized(value) == ("a/b", params)


@pytest.mark.parametrize(
    ("encoding", "raw", "decoded", "problem"),
    [
        ("8bit", b"\xff", b"\xff", False),
        ("x-unknown", b"=41", b"=41", True),  # §4.1.4: treated as no encoding, isEncodingProblem
        ("quoted-printable", b"a=20 \t\r\nb=\r\nc=3D=zz=", b"a \r\nbc==zz", False),
        ("base64", b"aGVs\r\nbG8=\r\n", b"hello", False),
        ("base64", b"aGVsbG8", b"hello", True),
        ("base64", b"aG!Vs-bG8=", b"hello", True),
        ("base64", b"aGVsbG8=\r\n--\r\nfooter", b"hello", True),
        ("base64", b"A", b"", True),
        ("x-uuencode", b"begin 644 f\r\n" + binascii.b2a_uu(b"hello") + b"`\r\nend\r\n", b"hello", False),
        ("x-uuencode", b"nothing", b"nothing", True),
    ],
)
def test_transfer_encodings(encoding: str, raw: bytes, decoded: bytes, problem: bool) -> None:
    assert decode_transfer(encoding, raw) == (decoded, problem)
    assert decoded_size(encoding, raw) == len(decoded)


def test_large_base64_is_measured_without_decoding() -> None:
    raw = base64.encodebytes(bytes(100_000))
    assert decoded_size("base64", raw) == 100_000


@pytest.mark.parametrize(
    ("raw", "charset", "text", "problem"),
    [
        (b"abc", None, "abc", False),
        (b"\xc3\xa9", "UTF-8", "é", False),
        (b"\xe9", "iso-8859-1", "é", False),
        (b"\x93", "iso-8859-1", "\u201c", False),  # what mail calls Latin-1 is windows-1252
        (b"\xc3\xa9", "us-ascii", "é", True),  # undeclared: UTF-8,
        (b"\xe9\x80", None, "é€", True),  # else windows-1252
        (b"abc", "x-no-such", "abc", True),  # §4.1.4: the charset was unknown
        (b"a\xffb", "utf-8", "a\ufffdb", True),  # §4.1.4: malformed sections
        (b"a\0b", "utf-8", "ab", False),
        ("\uffff".encode(), "utf-8", "\ufffd", False),  # RFC 7493 §2.1
        (b"+2AA-", "utf-7", "\ufffd", False),
        (b"\x1b$B%F%9%H\x1b(B", "iso-2022-jp", "テスト", False),
        (b"\xb5\xe7\x81\x41", "ks_c_5601-1987", "든갂", False),
        (b"a", "hex", "a", True),
        (b"a", "x" * 1000, "a", True),
    ],
)
def test_charsets(raw: bytes, charset: str | None, text: str, problem: bool) -> None:
    assert decode_charset(raw, charset) == (text, problem)


def test_a_beginning_of_text_loses_a_cut_character_only() -> None:
    assert decode_charset("a€".encode()[:-1], "utf-8", partial=True) == ("a", False)
    assert decode_charset("a€".encode()[:-1], "utf-8") == ("a\ufffd", True)
