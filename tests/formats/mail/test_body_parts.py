"""Body lists, EmailBodyPart, EmailBodyValue and preview: RFC 8621 §4.1.4 and §4.2."""

import pytest

from adapters.formats.body_parts import (
    DEFAULT_BODY_PROPERTIES,
    body_lists,
    body_part_json,
    body_value,
    estimated_size,
    has_attachment,
)
from adapters.formats.mime import Part
from adapters.formats.preview import preview


def leaf(name: str, media_type: str, disposition: str | None = None, *, filename: str | None = None) -> Part:
    return Part(part_id=name, type=media_type, disposition=disposition, name=filename)


def multi(subtype: str, *parts: Part) -> Part:
    return Part(type=f"multipart/{subtype}", sub_parts=list(parts))


def flat(root: Part) -> tuple[str, str, str]:
    lists = body_lists(root)
    text, html, attachments = (
        "".join(part.part_id or "?" for part in parts) for parts in (lists.text, lists.html, lists.attachments)
    )
    return text, html, attachments


# RFC 8621 §4.1.4, the example of a message that went through list software
LIST_MESSAGE = multi(
    "mixed",
    leaf("A", "text/plain", "inline"),
    multi(
        "mixed",
        multi(
            "alternative",
            multi(
                "mixed",
                leaf("B", "text/plain", "inline"),
                leaf("C", "image/jpeg", "inline"),
                leaf("D", "text/plain", "inline"),
            ),
            multi("related", leaf("E", "text/html"), leaf("F", "image/jpeg")),
        ),
        leaf("G", "image/jpeg", "attachment"),
        leaf("H", "application/x-excel"),
        leaf("J", "message/rfc822"),
    ),
    leaf("K", "text/plain", "inline"),
)


def test_the_example() -> None:
    assert flat(LIST_MESSAGE) == ("ABCDK", "AEK", "CFGHJ")
    assert has_attachment(LIST_MESSAGE)


T, H = leaf("T", "text/plain"), leaf("H", "text/html")
I, P = leaf("I", "image/png"), leaf("P", "application/pdf")  # noqa: E741 - one letter per part, as in the RFC


@pytest.mark.parametrize(
    ("root", "lists"),
    [
        (T, ("T", "T", "")),
        (P, ("", "", "P")),
        (I, ("I", "I", "")),
        (multi("alternative", T, H), ("T", "H", "")),
        (multi("alternative", H), ("H", "H", "")),  # HTML only: in both lists
        (multi("alternative", T), ("T", "T", "")),
        (multi("alternative", T, H, P, I), ("T", "H", "PI")),
        (multi("related", H, I), ("H", "H", "I")),  # only the first part of a related is inline
        (multi("mixed", T, I), ("TI", "TI", "")),
        (multi("mixed", T, leaf("N", "text/plain", filename="n.txt")), ("T", "T", "N")),
        (multi("mixed", leaf("N", "text/plain", filename="n.txt"), T), ("NT", "NT", "")),
        (multi("mixed", leaf("X", "text/plain", "attachment"), T), ("T", "T", "X")),
        (multi("mixed", leaf("C", "text/calendar")), ("", "", "C")),
        (multi("alternative", T, multi("related", H, I), multi("mixed", leaf("Q", "text/html"), P)), ("T", "HQ", "IP")),
        (multi("alternative", multi("mixed", T, multi("alternative", H, leaf("U", "text/plain")))), ("TU", "TU", "")),
        (multi("mixed"), ("", "", "")),
    ],
)
def test_lists(root: Part, lists: tuple[str, str, str]) -> None:
    assert flat(root) == lists


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (leaf("1", "application/pdf"), True),
        (leaf("1", "application/pdf", "inline"), False),  # SHOULD: at least one that is not inline
        (leaf("1", "image/png", "attachment"), True),
        (Part("1", "image/png", cid="a@b"), False),  # MAY ignore images embedded in HTML
        (Part("1", "image/png", disposition="attachment", cid="a@b"), True),
        (leaf("1", "application/pgp-signature", "attachment"), False),  # MAY ignore what is processed automatically
    ],
)
def test_has_attachment(part: Part, expected: bool) -> None:
    assert has_attachment(multi("related", H, part)) is expected


def blob(part: Part) -> str:
    return f"B{part.part_id}"


def test_properties_of_a_leaf_and_a_multipart() -> None:
    part = Part(
        "1", "text/plain", charset="utf-8", size=3, header=b"Content-Type: text/plain;\r\n charset=utf-8\r\nX: 1\r\n"
    )
    assert list(body_part_json(part, DEFAULT_BODY_PROPERTIES, blob)) == list(DEFAULT_BODY_PROPERTIES)
    asked = ["blobId", "headers", "header:x:asText", "header:X-No", "subParts"]
    assert body_part_json(part, asked, blob) == {
        "blobId": "B1",
        "headers": [
            {"name": "Content-Type", "value": " text/plain;\r\n charset=utf-8"},
            {"name": "X", "value": " 1"},
        ],
        "header:x:asText": "1",  # §4.2: the capitalisation of the request
        "header:X-No": None,
        "subParts": None,
    }
    structure = body_part_json(multi("mixed", part), ["partId", "blobId"], blob, with_sub_parts=True)
    assert structure == {"partId": None, "blobId": None, "subParts": [{"partId": "1", "blobId": "B1"}]}


def test_an_unknown_size_is_estimated() -> None:
    assert estimated_size(Part("1", size=5, octets=9)) == 5
    assert 55 <= estimated_size(Part("1", encoding="base64", octets=78)) <= 57
    assert estimated_size(Part("1", encoding="quoted-printable", octets=78)) == 78


@pytest.mark.parametrize(
    ("text", "limit", "value", "truncated"),
    [
        ("a\r\nb\rc\n", 0, "a\nb\rc\n", False),  # CRLF is replaced with LF
        ("a€b", 5, "a€b", False),
        ("a€b", 4, "a€", True),
        ("a€b", 3, "a", True),  # not mid-codepoint
        ("a€b", 1, "a", True),
        ("\U0001f600", 3, "", True),
        ("a\r\nb", 3, "a\nb", False),  # the limit counts the value
    ],
)
def test_values(text: str, limit: int, value: str, truncated: bool) -> None:
    expected = {"value": value, "isEncodingProblem": False, "isTruncated": truncated}
    assert body_value(text, False, limit) == expected


@pytest.mark.parametrize(
    ("html", "limit", "value"),
    [
        ('<p>Hi <a href="https://example.com">x</a>', 20, "<p>Hi "),  # SHOULD NOT truncate inside an HTML tag
        ('<p>Hi <a title="a>b" href="c">x', 22, "<p>Hi "),
        ('<p>Hi <a title="a<b" href="c">x', 22, "<p>Hi "),
        ("<p>a &lt;b", 8, "<p>a "),
        ("<p>a &#169;", 9, "<p>a "),
        ("<p>1 < 2 and more", 11, "<p>1 < 2 an"),
        ("<p>a</p><b>", 9, "<p>a</p>"),
        ("<p>a</p><b>", 8, "<p>a</p>"),
    ],
)
def test_html_is_cut_outside_of_markup(html: str, limit: int, value: str) -> None:
    assert body_value(html, False, limit, is_html=True)["value"] == value


@pytest.mark.parametrize(
    ("text", "media_type", "line"),
    [
        ("Hello,\n\n  world\t!\n-- \nsignature", "text/plain", "Hello, world !"),
        ("> quoted\n> more\nanswer", "text/plain", "answer"),
        ("> only quoted", "text/plain", "> only quoted"),
        ("a\u200b\u200c \u00adb", "text/plain", "a b"),
        (
            "<head><title>no</title></head><style>p{}</style><p>Hi&nbsp;&amp; <b>b</b>ye<br>x</p>",
            "text/html",
            "Hi & bye x",
        ),
        ("a<!-- <p>no</p> -->b<script>if (a<b) {}</SCRIPT >c", "text/html", "ab c"),
        ("1 < 2 <p>x", "text/html", "1 < 2 x"),
        ("x<style>never closed", "text/html", "x never closed"),
        ("<img alt='", "text/html", "alt='"),
        ("", "text/html", ""),
    ],
)
def test_preview(text: str, media_type: str, line: str) -> None:
    assert preview(text, media_type).replace("img ", "") == line


@pytest.mark.parametrize("media_type", ["text/plain", "text/html"])
def test_a_preview_is_never_longer_than_256_characters(media_type: str) -> None:  # §4.1.4: MUST NOT
    line = preview("word " * 100_000, media_type)
    assert len(line) <= 256
    assert line.endswith("…")
    assert len(preview("<div>" * 100_000 + "x", media_type)) <= 256
