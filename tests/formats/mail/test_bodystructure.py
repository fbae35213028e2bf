"""IMAP BODYSTRUCTURE to a part tree: RFC 9051 §7.5.2."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.errors import InvalidData
from adapters.formats.bodystructure import Token, is_undivided, part_from_bodystructure
from adapters.formats.mime import MAX_DEPTH, MAX_PARTS, parse_message, walk

TEXT: list[Token] = [b"TEXT", b"PLAIN", [b"CHARSET", b"utf-8"], None, None, b"7BIT", b"12", b"1"]
PDF: list[Token] = [
    *(b"application", b"pdf"),
    [b"name*0*", b"utf-8''%C3%BC", b"name*1", b".pdf"],
    *(b"<id@x>", b"what", b"BASE64", b"78", None),
    [b"attachment", [b"filename", b"=?utf-8?q?=C3=A4.pdf?="]],
    [b"en", b"de"],
    b"http://a/b",
]
ENVELOPE: list[Token] = [None] * 10
MESSAGE: list[Token] = [b"message", b"rfc822", None, None, None, b"7bit", b"99", ENVELOPE, TEXT, b"5", None, b"inline"]


def test_numbers_and_properties() -> None:
    inner: list[Token] = [TEXT, PDF, b"RELATED", [b"boundary", b"x"], None, None, None]
    root = part_from_bodystructure([TEXT, inner, MESSAGE, b"MIXED"])
    assert [(part.section, part.part_id, part.type) for part in walk(root)] == [
        ("", None, "multipart/mixed"),
        ("1", "1", "text/plain"),
        ("2", None, "multipart/related"),
        ("2.1", "2.1", "text/plain"),
        ("2.2", "2.2", "application/pdf"),
        ("3", "3", "message/rfc822"),  # a leaf
    ]
    text, pdf, message = root.sub_parts[0], root.sub_parts[1].sub_parts[1], root.sub_parts[2]
    assert (text.charset, text.encoding, text.size, text.octets) == ("utf-8", "7bit", 12, 12)
    assert (pdf.name, pdf.params, pdf.cid, pdf.disposition) == ("ä.pdf", {"name": "ü.pdf"}, "id@x", "attachment")
    assert (pdf.language, pdf.location, pdf.size, pdf.octets) == (["en", "de"], "http://a/b", None, 78)
    assert (message.disposition, message.size) == ("inline", 99)  # a disposition as a plain string


def test_a_message_without_parts_is_part_1() -> None:
    root = part_from_bodystructure(TEXT)
    assert (root.part_id, root.section) == ("1", "1")


def test_a_message_in_which_the_server_found_no_part() -> None:
    empty: list[Token] = [b"text", b"plain", None, None, None, b"7bit", b"0", b"0"]
    assert is_undivided(part_from_bodystructure([empty, b"mixed"]))
    assert not is_undivided(part_from_bodystructure([TEXT, b"mixed"]))
    assert is_undivided(part_from_bodystructure(empty))


@pytest.mark.parametrize(
    "value", [None, b"x", [], [b"text", b"plain"], [*TEXT[:6], b"x"], [*TEXT[:6], b"1" * 30], [[]]]
)
def test_what_is_no_body_is_refused(value: Token) -> None:
    with pytest.raises(InvalidData):
        part_from_bodystructure(value)


def test_depth_and_parts_are_bounded() -> None:
    deep: Token = TEXT
    for _ in range(MAX_DEPTH * 2):
        deep = [deep, b"mixed"]
    parts = list(walk(part_from_bodystructure(deep)))
    assert len(parts) == MAX_DEPTH + 1
    assert parts[-1].type == "application/octet-stream"
    assert len(list(walk(part_from_bodystructure([*[TEXT] * (MAX_PARTS * 2), b"mixed"])))) == MAX_PARTS


tokens = st.recursive(st.none() | st.binary(max_size=8) | st.sampled_from([b"text", b"7", b"multipart"]), st.lists)


@given(st.lists(tokens, max_size=12))
@settings(max_examples=40, deadline=None)
def test_nothing_but_invalid_data_is_raised(value: list[Token]) -> None:
    try:
        part_from_bodystructure(value)
    except InvalidData:
        return


def test_the_tree_is_that_of_the_message() -> None:
    message = parse_message(
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
        b"Hello world!\r\n--x--\r\n"
    )
    root = part_from_bodystructure([TEXT, b"mixed", [b"boundary", b"x"]])
    for ours, theirs in zip(walk(message.root), walk(root), strict=True):
        for name in ("part_id", "section", "type", "charset", "name", "encoding", "params", "size"):
            assert getattr(ours, name) == getattr(theirs, name)
