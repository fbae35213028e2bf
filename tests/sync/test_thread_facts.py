"""RFC 8621 §3: what messages say of their Threads, column by column as one by one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.formats import thread_headers
from adapters.formats.header_fields import header_fields
from adapters.imap.rows import trimmed
from gateway.sync.thread_facts import Facts, base_subject, facts, message_ids
from tests.formats.mail.corpus import messages
from tests.sync.model import columns

Headers = tuple[bytes, bytes, bytes, bytes]
"""Message-ID, In-Reply-To, References, Subject."""

NAMES = ("message-id", "in-reply-to", "references", "subject")


def said(rows: list[Headers]) -> list[Facts]:
    return facts(columns(range(len(rows)), rows))


def text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def by_the_parser(row: Headers) -> list[bytes]:
    """The same by the parsers of header fields alone."""
    own, reply, references = (thread_headers.message_ids(text(value).encode()) for value in row[:3])
    return [f"{one}\0{base_subject(text(row[3]))}".encode() for one in [*(references or reply), *own[:1]]]


def real() -> list[Headers]:
    found = []
    for octets in messages().values():
        header = octets.replace(b"\r\n", b"\n").partition(b"\n\n")[0] + b"\n"
        fields = {name.lower(): value for name, value in header_fields(header.replace(b"\n", b"\r\n"))}
        own, reply, references, subject = trimmed([fields.get(name, b"") for name in NAMES])
        found.append((own, reply, references, subject))
    return found


def test_headers_of_the_corpus() -> None:
    rows = real()
    assert sum(map(bool, said(rows))) > len(rows) / 2
    assert said(rows) == list(map(by_the_parser, rows))
    answers = [
        (b"<answer@x>", own, b"%b %b" % (references, own), b"Re: " + subject) for own, _, references, subject in rows
    ]
    assert said(answers) == list(map(by_the_parser, answers))


IDS = st.sampled_from([b"<a@x>", b"<b@x>", b"<a b@x>", b"<>", b"c@x", b"(<d@x>)", b"<\xe9@x>", b"<e@x", b"\t", b"\x0b"])
VALUES = (
    st.lists(IDS, max_size=3).flatmap(lambda ids: st.sampled_from([b" ".join(ids), b"".join(ids)])).map(bytes.strip)
)
SUBJECTS = st.sampled_from(
    [b"", b"Plan", b"Re: Plan", b"re :FWD:  a  Plan", b"Re:", b"R e: x", b"[l] Plan", b"AW: Plan", b"a=b", b"(x)",
     b"caf\xe9", b"=?utf-8?q?Re=3A_Pl=C3=A4n?=", b"Plan\x0b", b"a\rb", b"a\x00b", b"Re: a: b", b"~ PLAN ;"]
)  # fmt: skip


@given(st.lists(st.tuples(VALUES, VALUES, VALUES, SUBJECTS), max_size=6))
def test_many_are_read_as_each_alone(rows: list[Headers]) -> None:
    assert said(rows) == [one for row in rows for one in said([row])] == list(map(by_the_parser, rows))


def test_a_value_with_a_line_break_disturbs_no_other() -> None:
    rows = [(b"<a@x>", b"", b"", b"one"), (b"<b@x>\n", b"", b"<a@x>\n<c@x>", b"o\nne"), (b"<d@x>", b"", b"", b"two")]
    assert said(rows) == [[b"a@x\0one"], [b"a@x\0one", b"c@x\0one", b"b@x\0one"], [b"d@x\0two"]]


@pytest.mark.parametrize(
    ("subject", "base"),
    [
        ("Plan", "plan"),
        ("Re: Fwd: [list] Plan (fwd)", "plan"),
        ("AW: WG: Plan", "plan"),
        ("SV: [x] RE: Plan", "plan"),
        ("=?utf-8?q?Re=3A_Pl=C3=A4n?=", "plän"),
        ("[list]", "[list]"),
        ("", ""),
        ("Re:", ""),
        ("[Fwd: Plan]", "plan"),
        ("The  p l a n", "theplan"),
        ("Re: a: b", "a:b"),
    ],
)
def test_base_subjects(subject: str, base: str) -> None:
    assert base_subject(subject) == base


@given(st.text(alphabet="Rre:[]() fwd=?uq8-AW\t\n", max_size=60))
def test_a_reply_has_the_base_subject_of_what_it_replies_to(subject: str) -> None:
    assert base_subject("Re: " + subject) == base_subject(subject)


def test_very_many_references_are_cut() -> None:
    found = message_ids(b" ".join(b"<%d@x>" % number for number in range(5000)))
    assert (len(found), found[0], found[-1]) == (128, b"0@x", b"4999@x")
