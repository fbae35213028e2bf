"""Email properties from a whole message and from fetched pieces: RFC 8621 §4.1 to §4.2, §4.9, §4.10, RFC 5256 §2.1."""

from typing import Any

import pytest

from adapters.formats.bodystructure import Token, part_from_bodystructure
from adapters.formats.email import (
    BODY_DEPENDENT_PROPERTIES,
    HEADER_PROPERTIES,
    STRUCTURE_PROPERTIES,
    BodyOptions,
    FetchedSource,
    body_value_parts,
    email_properties,
    header_fields_needed,
    header_properties,
    preview_parts,
    properties_from,
)
from adapters.formats.header_forms import header_fields
from adapters.formats.mime import Part, parse_message, walk
from adapters.formats.thread_headers import base_subject, message_ids

# RFC 8621 §4.10: the message that the server creates
DRAFT = b"""Message-Id: <bbce0ae9-58be-4b24-ac82-deb840d58016@sloti7d1t02>
User-Agent: Cyrus-JMAP/3.1.6-736-gdfb8e44
Mime-Version: 1.0
Date: Tue, 10 Jul 2018 11:03:11 +1000
From: "Joe Bloggs" <joe@example.com>
Subject: World domination
Content-Language: en
Content-Type: text/plain

I have the most brilliant plan.  Let me tell you all about it.  What we
do is, we
""".replace(b"\n", b"\r\n")


def blob(part: Part) -> str:
    return f"B{part.part_id}"


def test_the_draft_of_the_rfc() -> None:
    asked = ["messageId", "inReplyTo", "sender", "from", "to", "subject", "sentAt", "hasAttachment", "preview"]
    options = BodyOptions(body_properties=("partId", "type", "header:Content-Language"), fetch_text_body_values=True)
    email = email_properties(
        parse_message(DRAFT), [*asked, "bodyStructure", "textBody", "bodyValues", "id"], options, blob_id_of=blob
    )
    part = {"partId": "1", "type": "text/plain", "header:Content-Language": " en"}
    assert email == {
        "messageId": ["bbce0ae9-58be-4b24-ac82-deb840d58016@sloti7d1t02"],
        "inReplyTo": None,
        "sender": None,
        "from": [{"name": "Joe Bloggs", "email": "joe@example.com"}],
        "to": None,
        "subject": "World domination",
        "sentAt": "2018-07-10T11:03:11+10:00",
        "hasAttachment": False,
        "preview": "I have the most brilliant plan. Let me tell you all about it. What we do is, we",
        "bodyStructure": part,
        "textBody": [part],
        "bodyValues": {
            "1": {
                "value": "I have the most brilliant plan.  Let me tell you all about it.  What we\ndo is, we\n",
                "isEncodingProblem": False,
                "isTruncated": False,
            }
        },
    }


BODIES = {
    "1.1": b"caf=C3=A9 and more=\r\n text",
    "1.2": b"<p>caf=C3=A9 <b>and</b> more</p>",
    "2": b"JVBERi0x\r\n",
}
MIME_HEADERS = {
    "1": b"Content-Type: multipart/alternative; boundary=i\r\n\r\n",
    "1.1": b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n",
    "1.2": b"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n",
    "2": b"Content-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n",
}
HEADER = b"Subject: two\r\nContent-Type: multipart/mixed; boundary=o\r\nList-POST: <mailto:l@x>\r\n\r\n"
WHOLE = (
    HEADER
    + (b"--o\r\n" + MIME_HEADERS["1"])
    + (b"--i\r\n" + MIME_HEADERS["1.1"] + BODIES["1.1"] + b"\r\n")
    + (b"--i\r\n" + MIME_HEADERS["1.2"] + BODIES["1.2"] + b"\r\n--i--\r\n")
    + (b"--o\r\n" + MIME_HEADERS["2"] + BODIES["2"] + b"\r\n--o--\r\n")
)


def tree() -> Part:
    def leaf(kind: bytes, subtype: bytes, params: list[Token], encoding: bytes, section: str) -> list[Token]:
        return [kind, subtype, params, None, None, encoding, str(len(BODIES[section])).encode()]

    utf8: list[Token] = [b"charset", b"utf-8"]
    alternative: list[Token] = [
        leaf(b"text", b"plain", utf8, b"quoted-printable", "1.1"),
        leaf(b"text", b"html", utf8, b"quoted-printable", "1.2"),
        *(b"alternative", [b"boundary", b"i"]),
    ]
    pdf = leaf(b"application", b"pdf", [b"name", b"a.pdf"], b"base64", "2")
    return part_from_bodystructure([alternative, pdf, b"mixed", [b"boundary", b"o"]])


def from_pieces(bodies: dict[str, bytes], properties: list[str], options: BodyOptions) -> dict[str, Any]:
    root = tree()
    source = FetchedSource(HEADER, bodies, MIME_HEADERS, root)
    return properties_from(root, header_fields(HEADER), source, properties, options, blob_id_of=blob)


def test_both_sources_give_the_same() -> None:
    asked = sorted(HEADER_PROPERTIES | STRUCTURE_PROPERTIES | BODY_DEPENDENT_PROPERTIES)
    options = BodyOptions(
        body_properties=("partId", "blobId", "size", "name", "type", "charset", "headers", "subParts"),
        fetch_all_body_values=True,
    )
    whole = email_properties(parse_message(WHOLE), asked, options, blob_id_of=blob)
    assert from_pieces(BODIES, asked, options) == whole
    assert whole["hasAttachment"] is True
    assert [part["size"] for part in whole["attachments"]] == [6]
    assert whole["preview"] == "café and more text"
    assert [child["partId"] for child in whole["bodyStructure"]["subParts"]] == [None, "2"]
    assert all(part["subParts"] is None for part in whole["textBody"])  # §4.1.4: none of these include subParts


@pytest.mark.parametrize(
    ("flag", "ids"),
    [
        ("fetch_text_body_values", {"1.1"}),
        ("fetch_html_body_values", {"1.2"}),
        ("fetch_all_body_values", {"1.1", "1.2"}),  # any text/* part in bodyStructure
    ],
)
def test_which_values_are_fetched(flag: str, ids: set[str]) -> None:  # §4.2
    options = BodyOptions(**{flag: True})  # type: ignore[arg-type] # the flag is a name of a bool field
    email = email_properties(parse_message(WHOLE), ["bodyValues"], options, blob_id_of=blob)
    assert set(email["bodyValues"]) == ids == {part.part_id for part in body_value_parts(tree(), options)}


def test_no_values_without_a_flag() -> None:
    assert email_properties(parse_message(WHOLE), ["bodyValues"], blob_id_of=blob) == {"bodyValues": {}}


def test_the_beginning_of_a_part_is_a_truncated_value() -> None:
    options = BodyOptions(fetch_text_body_values=True, max_body_value_bytes=100)
    for length, value in ((4, "caf"), (7, "caf"), (9, "café")):
        email = from_pieces({"1.1": BODIES["1.1"][:length]}, ["bodyValues"], options)
        assert email["bodyValues"]["1.1"] == {"value": value, "isEncodingProblem": False, "isTruncated": True}


def test_pieces_that_are_missing_leave_gaps_only() -> None:
    options = BodyOptions(fetch_all_body_values=True)
    email = from_pieces({}, ["bodyValues", "preview", "textBody", "subject"], options)
    assert (email["bodyValues"], email["preview"], email["subject"]) == ({}, "", "two")
    assert email["textBody"][0]["size"] > 0


def test_limits_and_encoding_problems_of_values() -> None:
    data = b"Content-Type: text/html; charset=x-no\r\nContent-Transfer-Encoding: x-no\r\n\r\n<p>caf\xe9 <a href=''>"
    options = BodyOptions(fetch_html_body_values=True, max_body_value_bytes=15)
    email = email_properties(parse_message(data), ["bodyValues"], options, blob_id_of=blob)
    # §4.1.4: unknown charset, unknown transfer encoding; §4.2: not inside of a tag
    assert email["bodyValues"]["1"] == {"value": "<p>café ", "isEncodingProblem": True, "isTruncated": True}


def test_header_properties_keep_the_case_of_the_request() -> None:  # §4.2, with the field of §4.2.1
    asked = ["header:list-post:asURLs", "header:List-POST:asURLs:all", "headers"]
    email = email_properties(parse_message(WHOLE), asked, blob_id_of=blob)
    assert list(email) == asked
    assert email["header:list-post:asURLs"] == ["mailto:l@x"]
    assert email["headers"][0] == {"name": "Subject", "value": " two"}


def test_a_list_row_needs_header_fields_only() -> None:
    row = header_properties(header_fields(DRAFT), ["from", "subject", "preview", "header:user-agent", "headers"])
    assert list(row) == ["from", "subject", "header:user-agent", "headers"]
    assert row["subject"] == "World domination"


def test_which_header_fields_are_needed() -> None:
    assert header_fields_needed(["subject", "replyTo", "header:X-Y:asText:all", "preview"]) == {
        "subject",
        "reply-to",
        "x-y",
    }
    assert header_fields_needed(["subject", "headers"]) is None
    assert header_fields_needed(["id"]) == set()


def test_the_preview_prefers_plain_text() -> None:
    assert [part.part_id for part in preview_parts(tree())] == [
        "1.1",
        "1.2",
    ]  # the first is so short that it may be blank
    assert preview_parts(part_from_bodystructure([b"image", b"png", None, None, None, b"base64", b"4"])) == []


@pytest.mark.parametrize(
    ("kind", "parts", "line"),
    [
        ("alternative", ["", "<p>of HTML"], "of HTML"),
        ("alternative", [" \r\n\r\n", "<p>of HTML"], "of HTML"),
        ("alternative", ["of text", "<p>of HTML"], "of text"),
        ("alternative", ["long " * 20, "<p>of HTML"], ("long " * 20).strip()),
        ("alternative", ["\r\n" * 40, "<p>of HTML"], ""),  # so much is fetched only if it is the text
        ("mixed", ["\r\n", "below a picture"], "below a picture"),
        ("mixed", ["", "\r\n", " ", "the fourth"], "the fourth"),
        ("mixed", [" ", "\r\n", " ", "the fourth"], ""),
    ],
)
def test_the_preview_passes_over_parts_without_text(kind: str, parts: list[str], line: str) -> None:
    """Newsletters and phones send them; nobody wants an empty line in a list."""
    types = ["html" if text.startswith("<") else "plain" for text in parts]
    bodies = [f"--b\r\nContent-Type: text/{kind}\r\n\r\n{text}\r\n" for kind, text in zip(types, parts, strict=True)]
    octets = f"Content-Type: multipart/{kind}; boundary=b\r\n\r\n{''.join(bodies)}--b--\r\n".encode()
    assert email_properties(parse_message(octets), ["preview"], blob_id_of=blob) == {"preview": line}


def test_an_attached_message_can_be_parsed_by_itself() -> None:  # §4.9, with a header per RFC 6532
    data = "Content-Type: message/rfc822\r\n\r\nSubject: Grüße\r\nFrom: ü@ä.example\r\n\r\nx".encode()
    (part,) = walk(parse_message(data).root)
    inner = parse_message(data[part.start : part.end])
    email = email_properties(inner, ["subject", "from"], blob_id_of=blob)
    assert email == {"subject": "Grüße", "from": [{"name": None, "email": "ü@ä.example"}]}


@pytest.mark.parametrize(
    ("subject", "base"),
    [
        ("Hello", "Hello"),
        ("Re: hello", "hello"),
        ("RE : Fwd: [list] re[2]: Hello (fwd) (FWD) ", "Hello"),
        ("Fw: a\r\n\tb   c", "a b c"),
        ("[fwd: Re: hello]", "hello"),
        ("[Fwd: [fwd: x] (fwd)]", "x"),
        ("[list]", "[list]"),  # step 4: a blob stays if nothing else is left
        ("[a] [b]", "[b]"),
        ("[a] Re: [b] c", "c"),
        ("Re:", ""),
        ("report: x", "report: x"),
        ("Re Re: x", "Re Re: x"),
        ("", ""),
    ],
)
def test_base_subject(subject: str, base: str) -> None:
    assert base_subject(subject) == base


def test_message_ids() -> None:
    assert message_ids(b" <a@b> <c@d>") == ["a@b", "c@d"]
    assert message_ids(b" none") == []
