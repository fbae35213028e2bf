"""Criteria as SEARCH commands, read back by an independent little evaluator of the wire form."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.errors import InvalidData, Unsupported
from adapters.imap.encoder import Negotiated, encode
from adapters.imap.responses import Completion, Untagged
from adapters.imap.search import found_uids, needs_charset, search_parts
from adapters.imap.tokens import Value, parse_values
from adapters.ports.mail_search import AllOf, AnyOf, Criterion, HeaderField, NoneOf, Text


def wire(criterion: Criterion, *, esearch: bool = False, charset: str = "UTF-8") -> bytes:
    parts = search_parts(criterion, esearch=esearch, charset=charset)
    segments = encode(b"A1", "UID SEARCH", parts, Negotiated("+"))
    assert all(isinstance(segment, bytes) for segment in segments)
    return b"".join(segment for segment in segments if isinstance(segment, bytes))


@pytest.mark.parametrize(
    ("criterion", "expected"),
    [
        (Text("subject", "hello"), b"SUBJECT hello"),
        (Text("text", 'a "b" \\'), b'TEXT "a \\"b\\" \\\\"'),
        (Text("body", ""), b'BODY ""'),
        (HeaderField("List-Id", ""), b'HEADER List-Id ""'),
        (AllOf((Text("from", "a"), Text("to", "b"))), b"FROM a TO b"),
        (AllOf(()), b"ALL"),
        (NoneOf(()), b"ALL"),
        (AnyOf(()), b"NOT ALL"),
        (NoneOf((Text("cc", "a"), AllOf((Text("bcc", "b"), Text("to", "c"))))), b"NOT (CC a) NOT (BCC b TO c)"),
        (AnyOf((Text("from", "a"),)), b"(FROM a)"),
        (Text("from", "O'Brien"), b'HEADER FROM "O\'Brien"'),
        (NoneOf((Text("cc", 'a"'),)), b'NOT (HEADER CC "a\\"")'),
        (Text("subject", "O'Brien"), b'SUBJECT "O\'Brien"'),
        (
            AnyOf((Text("from", "a"), Text("to", "b"), Text("cc", "c"))),
            b"OR (FROM a) (OR (TO b) (CC c))",
        ),
    ],
)
def test_keys(criterion: Criterion, expected: bytes) -> None:
    assert wire(criterion) == b"A1 UID SEARCH UNDELETED " + expected + b"\r\n"


def test_charset_only_where_needed() -> None:
    assert wire(Text("to", "é"), esearch=True) == (
        b"A1 UID SEARCH RETURN (ALL) CHARSET UTF-8 UNDELETED TO {2+}\r\n\xc3\xa9\r\n"
    )
    assert wire(Text("to", "é"), charset="ISO-8859-1").endswith(b"CHARSET ISO-8859-1 UNDELETED TO {1+}\r\n\xe9\r\n")
    assert b"CHARSET" not in wire(Text("to", "e"))


def test_what_cannot_be_asked() -> None:
    with pytest.raises(Unsupported):
        wire(Text("to", "\u20ac"), charset="ISO-8859-1")
    with pytest.raises(Unsupported):
        wire(Text("to", "\u20ac"), charset="no-such-charset")
    with pytest.raises(Unsupported):
        wire(AnyOf(tuple(Text("to", str(number)) for number in range(2000))))
    deep: Criterion = Text("to", "a")
    for _ in range(100):
        deep = NoneOf((deep,))
    with pytest.raises(Unsupported):
        wire(deep)
    with pytest.raises(InvalidData):
        wire(HeaderField("a: b", "c"))
    with pytest.raises(InvalidData):
        wire(Text("to", "a\0b"))


def test_a_line_end_in_the_value_stays_inside_a_literal() -> None:
    assert wire(Text("to", "a\r\nA2 LOGOUT")).endswith(b"TO {12+}\r\na\r\nA2 LOGOUT\r\n")


def answer(*values: list[Value], name: bytes = b"SEARCH") -> Completion:
    return Completion(None, "", [Untagged(name, None, list(found)) for found in values])


def test_found_uids() -> None:
    assert list(found_uids(answer([b"7", b"3"], [b"5"]))) == [3, 5, 7]
    assert list(found_uids(answer([]))) == []
    assert list(found_uids(answer([b"2", [b"MODSEQ", b"9"]]))) == [2]
    tag: list[Value] = [b"TAG", b"A1"]
    assert list(found_uids(answer([tag, b"UID", b"ALL", b"4,1:2"], name=b"ESEARCH"))) == [1, 2, 4]
    assert list(found_uids(answer([tag, b"UID"], name=b"ESEARCH"))) == []


LEAVES = st.one_of(
    st.builds(Text, st.sampled_from(["text", "from", "to", "cc", "bcc", "subject", "body"]), st.sampled_from("abcd")),
    st.builds(HeaderField, st.just("X"), st.sampled_from("abcdé")),
)
CRITERIA: st.SearchStrategy[Criterion] = st.recursive(
    LEAVES,
    lambda inner: st.builds(
        lambda kind, operands: kind(tuple(operands)),
        st.sampled_from([AllOf, AnyOf, NoneOf]),
        st.lists(inner, max_size=4),
    ),
    max_leaves=12,
)


def holds(criterion: Criterion, message: set[str]) -> bool:
    """A leaf matches where the message has its value."""
    match criterion:
        case Text(_, value) | HeaderField(_, value):
            return value in message
        case AllOf(operands):
            return all(holds(operand, message) for operand in operands)
        case AnyOf(operands):
            return any(holds(operand, message) for operand in operands)
        case NoneOf(operands):
            return not any(holds(operand, message) for operand in operands)


def all_keys(keys: list[Value], message: set[str]) -> bool:
    """RFC 9051 §6.4.4: keys beside each other must all match."""
    result = True
    while keys:
        result &= key(keys, message)
    return result


def key(keys: list[Value], message: set[str]) -> bool:
    first = keys.pop(0)
    if isinstance(first, list):
        return all_keys(first, message)
    match first:
        case b"ALL" | b"UNDELETED":
            return True
        case b"NOT":
            return not key(keys, message)
        case b"OR":
            left, right = key(keys, message), key(keys, message)
            return left or right
        case b"HEADER":
            keys.pop(0)
    value = keys.pop(0)
    assert isinstance(value, bytes)
    return value.decode() in message


@settings(max_examples=200)
@given(CRITERIA, st.sets(st.sampled_from("abcdé")))
def test_the_command_means_the_criterion(criterion: Criterion, message: set[str]) -> None:
    line = wire(criterion).removeprefix(b"A1 UID SEARCH ").removesuffix(b"\r\n")
    pieces = re.split(rb"\{2\+\}\r\n", line)
    parts = [pieces[0], *(part for piece in pieces[1:] for part in (piece[:2], piece[2:]))]
    keys = parse_values(parts)
    if needs_charset(criterion):
        assert keys[:2] == [b"CHARSET", b"UTF-8"]
        del keys[:2]
    assert all_keys(keys, message) is holds(criterion, message)
