"""Plans and sections as FETCH items, and what the answers mean."""

import pytest

from adapters.errors import InvalidData, NotFound
from adapters.imap.encoder import Negotiated, Part, encode
from adapters.imap.fetch import (
    body_item,
    enclosing_header,
    header_of,
    messages,
    plan_items,
    section_items,
    sections,
    size_items,
    sizes,
)
from adapters.imap.responses import Completion, Untagged
from adapters.imap.tokens import Value, parse_values
from adapters.ports.mail import FetchPlan, Section


def text(part: Part) -> bytes:
    (line,) = encode(b"A", "X", [part], Negotiated())
    assert isinstance(line, bytes)
    return line.removeprefix(b"A X (").removesuffix(b")\r\n")


@pytest.mark.parametrize(
    ("plan", "items"),
    [
        (FetchPlan(), b"UID"),
        (FetchPlan(frozenset({"to", "From"})), b"UID BODY.PEEK[HEADER.FIELDS (FROM TO)]"),
        (FetchPlan(None, structure=True, preview=True), b"UID BODY.PEEK[HEADER] BODYSTRUCTURE PREVIEW"),
        (FetchPlan(None, whole=True), b"UID BODY.PEEK[]"),
        (FetchPlan(frozenset({"x[y]"})), b"UID BODY.PEEK[HEADER]"),
        (FetchPlan(frozenset({f"x-{number}" for number in range(900)})), b"UID BODY.PEEK[HEADER]"),
    ],
)
def test_plan_items(plan: FetchPlan, items: bytes) -> None:
    assert text(plan_items(plan, preview=True)) == items


def test_no_preview_without_the_extension() -> None:
    assert text(plan_items(FetchPlan(preview=True), preview=False)) == b"UID"


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\nb", "é"])
def test_odd_field_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidData):
        plan_items(FetchPlan(frozenset({name})), preview=False)


def answer(*lines: bytes) -> Completion:
    return Completion(None, "", [Untagged(b"FETCH", 1, parse_values([line])) for line in lines])


def test_messages() -> None:
    plan = FetchPlan(frozenset({"subject"}), structure=True, preview=True)
    found = messages(
        answer(
            b'(PREVIEW "caf\xc3\xa9" UID 4)',
            b'(UID 4 BODY[HEADER.FIELDS (SUBJECT)] "Subject: x"'
            b' BODYSTRUCTURE ("text" "html" ("charset" "utf-8") NIL NIL "7bit" 3 1))',
            b"(FLAGS (\\Seen))",
            b"(UID 5 PREVIEW NIL BODY[HEADER.FIELDS (SUBJECT)] NIL BODYSTRUCTURE NIL)",
            b'(UID 6 PREVIEW NIL BODY[HEADER.FIELDS (SUBJECT)] "" BODYSTRUCTURE ("text"))',
        ),
        plan,
    )
    assert list(found) == [4, 6]
    assert found[4].header == b"Subject: x"
    assert found[4].preview == "café"
    assert found[4].structure is not None
    assert found[4].structure.type == "text/html"
    assert found[4].message is None
    assert found[6].preview is None
    assert found[6].structure is None  # broken: the reader of the message has to look for itself


def test_the_header_is_cut_from_a_whole_message() -> None:
    (found,) = messages(answer(b'(UID 4 BODY[] "a: b")'), FetchPlan(None, whole=True)).values()
    assert found.message == found.header == b"a: b"
    assert header_of(b"a: b\r\n\r\nbody\r\n\r\n") == b"a: b\r\n\r\n"
    assert header_of(b"a: b\n\nbody") == b"a: b\n\n"
    assert header_of(b"\r\nbody\r\n\r\n") == b"\r\n"


def test_sections() -> None:
    wanted = [
        Section(None),
        Section(None, "mime"),
        Section("1.2", limit=10),
        Section("1.2", limit=4),
        Section("2", "mime"),
        Section("3"),
    ]
    assert text(section_items(wanted)) == (
        b"UID BODY.PEEK[] BODY.PEEK[HEADER] BODY.PEEK[1.2]<0.10> BODY.PEEK[2.MIME] BODY.PEEK[3]"
    )
    assert text(section_items([Section("1", limit=0), Section("2", limit=5), Section("2")])) == (
        b"UID BODY.PEEK[1]<0.1> BODY.PEEK[2]"
    )
    items: dict[bytes, Value] = {
        b"UID": b"1",
        b"BODY[]": b"all",
        b"BODY[HEADER]": b"head",
        b"BODY[1.2]<0>": b"0123456789",
        b"BODY[2.MIME]": b"",
        b"BODY[3]": None,
    }
    assert sections(items, wanted) == {
        wanted[0]: b"all",
        wanted[1]: b"head",
        wanted[2]: b"0123456789",
        wanted[3]: b"0123",
        wanted[4]: b"",
    }


@pytest.mark.parametrize("part_id", ["", "0", "1.", "x", "1]", "1.MIME", "1 2", "1." * 200 + "1"])
def test_no_such_part(part_id: str) -> None:
    with pytest.raises(NotFound):
        section_items([Section(part_id)])
    with pytest.raises(NotFound):
        body_item(part_id)


def test_the_header_of_a_first_part() -> None:
    assert enclosing_header(Section("1", "mime")) == "HEADER"
    assert enclosing_header(Section("2.1", "mime")) == "2.HEADER"
    assert enclosing_header(Section("2", "mime")) is None
    assert enclosing_header(Section("1")) is None
    assert enclosing_header(Section(None, "mime")) is None


def test_sizes() -> None:
    assert text(size_items(["1", "2.3"])) == b"UID BINARY.SIZE[1] BINARY.SIZE[2.3]"
    assert sizes({b"BINARY.SIZE[1]": b"5", b"BINARY.SIZE[2.3]": None}, ["1", "2.3"]) == {"1": 5}
