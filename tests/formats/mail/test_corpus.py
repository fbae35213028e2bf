"""Every message of the corpus: nothing raises, everything is JSON, and an independent parser finds the same."""

from typing import Any

import orjson
import pytest

from adapters.formats.body_parts import DEFAULT_BODY_PROPERTIES, body_lists
from adapters.formats.email import (
    BODY_DEPENDENT_PROPERTIES,
    HEADER_PROPERTIES,
    STRUCTURE_PROPERTIES,
    BodyOptions,
    email_properties,
    part_text,
)
from adapters.formats.header_forms import FORMS, header_fields
from adapters.formats.mime import parse_message, part_body, walk
from tests.formats.mail.corpus import expected_parses, messages

MESSAGES = messages()
EXPECTED = expected_parses()
PROPERTIES = sorted(HEADER_PROPERTIES | STRUCTURE_PROPERTIES | BODY_DEPENDENT_PROPERTIES)
OPTIONS = BodyOptions(body_properties=(*DEFAULT_BODY_PROPERTIES, "headers", "subParts"), fetch_all_body_values=True)


def test_the_corpus_is_there() -> None:
    assert len(MESSAGES) == 204
    assert len(EXPECTED) == 53


@pytest.mark.parametrize("name", MESSAGES)
def test_every_message_becomes_json(name: str) -> None:
    data = MESSAGES[name]
    message = parse_message(data)
    email = email_properties(message, PROPERTIES, OPTIONS, blob_id_of=lambda part: f"B{part.part_id}")
    assert orjson.loads(orjson.dumps(email)) == email
    assert len(email["preview"]) <= 256
    for part in walk(message.root):
        assert 0 <= part.start <= part.end <= len(data)
        if not part.is_multipart:
            assert part.size == len(part_body(message, part))


@pytest.mark.parametrize("name", MESSAGES)
def test_every_header_field_has_every_form(name: str) -> None:
    for _, value in header_fields(parse_message(MESSAGES[name]).header):
        orjson.dumps([form(value) for form in FORMS.values()])


@pytest.mark.parametrize("name", MESSAGES)
def test_line_ends_make_no_difference_to_the_structure(name: str) -> None:
    data = MESSAGES[name].replace(b"\r\n", b"\n")
    bare, crlf = parse_message(data), parse_message(data.replace(b"\n", b"\r\n"))
    assert [(p.section, p.type, p.name) for p in walk(bare.root)] == [
        (p.section, p.type, p.name) for p in walk(crlf.root)
    ]


# Where the other parser reads something else, and why ours stays as it is.
DIFFERENT_HEADERS = {
    "mail-parser/eml_legacy_017.eml": "8-bit octets that are not UTF-8 are read as windows-1252 here",
    "mail-parser/eml_legacy_022.eml": "the same",
    "mail-parser/eml_legacy_027.eml": "the same",
    "mail-parser/eml_legacy_023.eml": "8-bit octets inside of an encoded word: not syntactically correct (RFC 2047 §2)",
    "mail-parser/eml_legacy_024.eml": "the same",
    "mail-parser/eml_legacy_050.eml": "the same",
}
DIFFERENT_PARTS = {
    "mail-parser/eml_malformed_001.eml": "a boundary matches the beginning of a line (RFC 2046 §5.1.1), as in Dovecot",
    "mail-parser/eml_malformed_003.eml": "the same",
    "mail-parser/eml_malformed_004.eml": "the same",
    "mail-parser/eml_malformed_006.eml": "the same",
    "mail-parser/eml_malformed_007.eml": "the same, with a delimiter in place of a blank line",
    "mail-parser/eml_malformed_008.eml": "the same",
    "mail-parser/eml_malformed_009.eml": "the same",
    "mail-parser/eml_malformed_017.eml": "no semicolon before the boundary parameter: no multipart, as in Dovecot",
    "mail-parser/eml_malformed_020.eml": "a multipart without parts has one text part here, as in Dovecot",
    "mail-parser/eml_thirdparty_000.eml": "NUL is kept there and dropped here",
    "mail-parser/eml_thirdparty_002.eml": "malformed base64 gives text with a problem here, an attachment there",
    "mail-parser/eml_thirdparty_015.eml": "attached messages stay leaves (RFC 8621 §4.1.4)",
}
MEDIA = ("image/", "audio/", "video/")


def with_differences(differences: dict[str, str]) -> list[Any]:
    """All names; those in the list must differ (xfail is strict), so that it cannot grow stale."""
    return [
        pytest.param(name, marks=[pytest.mark.xfail(reason=differences[name])] if name in differences else [])
        for name in EXPECTED
    ]


def _addresses(value: Any) -> list[tuple[str | None, str | None]]:
    if value == "Empty":
        return []
    kind = value["Address"]
    found = kind["List"] if "List" in kind else [one for group in kind["Group"] for one in group["addresses"]]
    return [(one["name"], one["address"]) for one in found]


@pytest.mark.parametrize("name", with_differences(DIFFERENT_HEADERS))
def test_headers_are_those_that_mail_parser_finds(name: str) -> None:
    asked = ("subject", "from", "to", "cc")
    email = email_properties(parse_message(MESSAGES[name]), asked, blob_id_of=lambda _: None)
    fields = {
        one["name"]: one["value"] for one in EXPECTED[name]["parts"][0]["headers"] if isinstance(one["name"], str)
    }
    if "subject" in fields:
        assert email["subject"].strip() == ("" if fields["subject"] == "Empty" else fields["subject"]["Text"])
    for kind in asked[1:]:
        if kind in fields:
            assert [(one["name"], one["email"]) for one in email[kind]] == _addresses(fields[kind])


@pytest.mark.parametrize("name", with_differences(DIFFERENT_PARTS))
def test_parts_and_texts_are_those_that_mail_parser_finds(name: str) -> None:
    message = parse_message(MESSAGES[name])
    expected = EXPECTED[name]
    lists = body_lists(message.root)
    # Media that are shown in the body are listed as attachments, too, by the other parser.
    media = {part.section for part in lists.text if part in lists.html and part.type.startswith(MEDIA)}
    attachments = media | {part.section for part in lists.attachments}
    assert (len(lists.text), len(lists.html), len(attachments)) == (
        len(expected["text_body"]),
        len(expected["html_body"]),
        len(expected["attachments"]),
    )
    parts = list(walk(message.root))
    assert len(parts) == len(expected["parts"])
    for part, other in zip(parts, expected["parts"], strict=True):
        body = other["body"]
        text = body.get("Text", body.get("Html")) if isinstance(body, dict) else None
        if text is not None and part.type.startswith("text/"):
            ours = part_text(part, MESSAGES[name][part.start : part.end])[0]
            assert ours.replace("\r\n", "\n").strip() == text.replace("\r\n", "\n").strip()
