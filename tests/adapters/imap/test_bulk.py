"""The bulk reader against the tokenizer, on streams a server may send."""

import calendar
import re
from array import array
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.formats.header_fields import header_fields
from adapters.imap.bulk import Dates, FactsReader, FlagsReader, ThreadReader, fingerprint
from adapters.imap.framer import split_responses
from adapters.imap.keywords import FlagSets, keywords_of
from adapters.imap.responses import Untagged, fetch_items, parse_response
from adapters.imap.rows import FLAGS, HEADER, UID, RowReader, field_values, trimmed
from adapters.ports.mail import IdSource, ThreadHeaders

GUID = b'"1795376081.M876895P12486.vm,S=195,W=204"'


def line(uid: int, flags: bytes = b"\\Seen", guid: bytes = GUID, date: bytes = b"17-Jul-2026 02:44:25 +0000") -> bytes:
    return b'* %d FETCH (UID %d FLAGS (%b) X-GUID %b INTERNALDATE "%b" RFC822.SIZE 195 MODSEQ (7))\r\n' % (
        uid,
        uid,
        flags,
        guid,
        date,
    )


def reader(source: IdSource = "x-guid", thread_ids: bool = False) -> FactsReader:
    return FactsReader(source, thread_ids, FlagSets(), b"7/INBOX")


def test_columns() -> None:
    facts = reader()
    facts.feed(line(5) + line(6, b"\\Flagged $Forwarded", b"abc") + line(9, b"", b'"d"'))
    taken = facts.take()
    assert list(taken.uids) == [5, 6, 9]
    assert taken.native_ids == [GUID.strip(b'"'), b"abc", b"d"]
    assert taken.keywords == [{"$seen"}, {"$flagged", "$forwarded"}, frozenset()]
    assert list(taken.sizes) == [195] * 3
    assert list(taken.received) == [calendar.timegm((2026, 7, 17, 2, 44, 25))] * 3
    assert taken.thread_ids is None
    assert not facts.take().uids


def test_a_deleted_message_is_not_shown() -> None:
    facts = reader()
    facts.feed(line(5) + line(6, b"\\Seen \\DELETED", b"abc") + line(9, b"", b'"d"'))
    taken = facts.take()
    assert list(taken.uids) == [5, 9]
    assert taken.keywords == [{"$seen"}, frozenset()]
    assert taken.native_ids[1] == b"d"


def test_an_unusable_native_id_costs_only_its_message() -> None:
    facts = reader()
    facts.feed(line(5) + line(6, guid=b'"a b"') + line(7, guid=b'""') + line(8, guid=b"NIL") + line(9))
    taken = facts.take()
    assert list(taken.uids) == [5, 6, 7, 8, 9]
    assert taken.native_ids[1:4] == [b"7/INBOX/6", b"7/INBOX/7", b"7/INBOX/8"]


def test_other_responses_in_between() -> None:
    facts = reader()
    noise = b"* 7 EXISTS\r\n* OK [HIGHESTMODSEQ 8] {3}\r\n* 5 FETCH (FLAGS (\\Seen))\r\n* VANISHED 4\r\n* 3 EXPUNGE\r\n"
    facts.feed(line(5) + noise + line(6) + b"* 7 FETCH (UID 7 FLAGS (\\Draft))\r\n" + line(8))
    assert list(facts.take().uids) == [5, 6, 8]


def test_a_message_in_two_responses() -> None:
    facts = reader()
    facts.feed(line(5) + b"* 6 FETCH (UID 6 FLAGS ())\r\n")
    facts.feed(
        b'* 6 FETCH (UID 6 X-GUID {3}\r\nabc INTERNALDATE " 7-Jul-2026 02:44:25 +0200" RFC822.SIZE 5000000000)\r\n'
    )
    taken = facts.take()
    assert list(taken.uids) == [5, 6]
    assert taken.native_ids[1] == b"abc"
    assert taken.sizes[1] == 0xFFFFFFFF
    assert taken.received[1] == calendar.timegm((2026, 7, 7, 0, 44, 25))


def test_object_ids_and_threads() -> None:
    facts = reader("emailid", thread_ids=True)
    date = b'INTERNALDATE " 1-Jan-1970 00:00:09 -0001"'
    row = b"* 1 FETCH (THREADID (T1) EMAILID (M%d) FLAGS () UID %d " + date + b" RFC822.SIZE 1)\r\n"
    facts.feed(row % (1, 1) + row % (2, 2) + row.replace(b"(T1)", b"NIL") % (3, 3))
    taken = facts.take()
    assert taken.native_ids == [b"M1", b"M2", b"M3"]
    assert taken.thread_ids == [b"T1", b"T1", b"7/INBOX/3"]
    assert list(taken.received) == [69, 69, 69]


HEADER_BLOCK = b"Message-ID: <1@x>\r\nSubject: a\r\n )\r\n* 9 FETCH (UID 9)\r\nFrom: b\r\n\r\n"


def test_header_literals_are_measured() -> None:
    row = b"* 4 FETCH (UID 4 BODY[HEADER.FIELDS (FROM MESSAGE-ID)] {%d}\r\n%b FLAGS ())\r\n" % (
        len(HEADER_BLOCK),
        HEADER_BLOCK,
    )
    reader = RowReader((UID, HEADER), (b"from", b"message-id"))
    assert reader.rows(row * 3) == [(b"4", b"b", b"<1@x>")] * 3
    assert reader.rows(row) == [(b"4", b"b", b"<1@x>")]


def test_a_header_that_looks_like_the_next_response() -> None:
    def row(uid: int, block: bytes) -> bytes:
        return b"* %d FETCH (UID %d BODY[HEADER.FIELDS (FROM)] {%d}\r\n%b)\r\n" % (uid, uid, len(block), block)

    inner = b"From: a\r\n"
    false = inner + b"\r\n)\r\n* 9 FETCH (UID 9 BODY[HEADER.FIELDS (FROM)] {%d}\r\n%b" % (len(inner), inner)
    reader = RowReader((UID, HEADER), (b"from",))
    stream = row(1, inner) + row(2, inner) + row(3, false) + row(4, inner)
    assert [uid for uid, _ in reader.rows(stream)] == [b"1", b"2", b"3", b"4"]
    rows, position = reader.regular(stream, 0)
    assert (len(rows), position) == (2, len(row(1, inner) + row(2, inner)))


def fingerprint_of(block: bytes, date: bytes = b"17-Jul-2026 02:44:25 +0000", size: int = 10) -> bytes:
    facts = reader("fingerprint")
    item = b"BODY[HEADER.FIELDS (FROM)] {%d}\r\n%b" % (len(block), block)
    facts.feed(b'* 1 FETCH (UID 1 FLAGS () INTERNALDATE "%b" RFC822.SIZE %d %b)\r\n' % (date, size, item))
    return facts.take().native_ids[0]


def test_fingerprints_do_not_depend_on_folding_order_or_zone() -> None:
    one = b"From: a@x\r\nSubject: b\r\n c\r\nMessage-ID: <1>\r\n\r\n"
    two = b"message-id:<1>\r\nsubject:  b c\r\nfrom: a@x\r\n"
    found = fingerprint_of(one)
    assert found == fingerprint_of(two, b"17-Jul-2026 04:44:25 +0200")
    assert found == fingerprint(calendar.timegm((2026, 7, 17, 2, 44, 25)), b"10", b"", b"a@x", b"<1>", b"", b"b c")
    assert found != fingerprint_of(one, b"17-Jul-2026 02:44:26 +0000")
    assert found != fingerprint_of(one, size=11)
    assert found != fingerprint_of(one.replace(b"<1>", b"<2>"))


def test_thread_headers() -> None:
    block = b"References: <a>\r\n <b>\r\nSubject: caf\xe9\r\nIn-Reply-To: <b>\r\n\r\n"
    headers = ThreadReader()
    headers.feed(b"* 1 FETCH (UID 3 BODY[HEADER.FIELDS (SUBJECT)] {%d}\r\n%b)\r\n" % (len(block), block))
    assert headers.take() == ThreadHeaders(array("I", [3]), [b""], [b"<b>"], [b"<a> <b>"], [b"caf\xe9"])
    assert len(headers.take()) == 0


LINES = st.lists(
    st.sampled_from(
        [b"Message-ID: <a@x>\r\n", b"message-id :<b@x>\r\n", b"REFERENCES:<c>\r\n", b" <d>\r\n", b"\t<e> : f\r\n",
         b"Subject: caf\xe9\r\n", b"Subject:  Re: \xc3\xa4 \x0b\r\n", b"Subject: a\rb\x00\xc2\xa0\r\n",
         b"In-Reply-To:\r\n", b"In-Reply-To: <g>\n", b"junk\r\n", b"Su bject: x\r\n", b"\r\n", b":\r\n",
         b"X-Other: y\r\n"]
    ),
    max_size=8,
).map(b"".join)  # fmt: skip


@settings(max_examples=300)
@given(LINES)
def test_thread_headers_like_all_header_fields(block: bytes) -> None:
    row = b"* 1 FETCH (UID 3 BODY[HEADER.FIELDS (SUBJECT)] {%d}\r\n%b)\r\n" % (len(block), block)
    headers = ThreadReader()
    headers.feed(row * 2)  # by the tokenizer; by the shape, if it fits
    fields = {name.lower(): re.sub(rb"\r?\n(?=[ \t])", b"", value).strip() for name, value in header_fields(block)}
    names = ("message-id", "in-reply-to", "references", "subject")
    assert headers.take() == ThreadHeaders(array("I", [3, 3]), *([fields.get(name, b"")] * 2 for name in names))


@given(
    st.datetimes(datetime(1970, 1, 3), datetime(2100, 1, 1)),  # noqa: DTZ001 - the zone comes later
    st.integers(-12 * 60, 14 * 60),
)
def test_dates(moment: datetime, offset: int) -> None:
    aware = moment.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=offset)))
    text = f"{aware.day:2}{aware:-%b-%Y %H:%M:%S %z}".encode()
    assert Dates().seconds([text, b""]) == [int(aware.astimezone(UTC).timestamp()), 0]


FLAG_LISTS = st.lists(
    st.sampled_from([b"\\Seen", b"\\Flagged", b"$Forwarded", b"NonJunk", b"\\Deleted", b"\\Recent"]), max_size=3
)
VALUES = {
    b"UID": st.integers(1, 0xFFFFFFFF).map(b"%d".__mod__),
    b"FLAGS": FLAG_LISTS.map(lambda flags: b"(" + b" ".join(flags) + b")"),
    b"MODSEQ": st.integers(1, 1 << 62).map(b"(%d)".__mod__),
    b"X-ODD": st.sampled_from([b"NIL", b'"a) (\\"b"', b"{9}\r\n)\r\n* 1 FE", b"(1 (2 NIL))"]),
    b"BODY[HEADER.FIELDS (SUBJECT)]": (
        (LINES | st.binary(max_size=30)).map(lambda text: b"{%d}\r\n%b" % (len(text), text))
    ),
}


@st.composite
def responses(draw: st.DrawFn) -> bytes:
    """FETCH responses of mostly one shape, with others and foreign ones between."""
    usual = draw(st.permutations([b"UID", b"FLAGS", b"MODSEQ", b"BODY[HEADER.FIELDS (SUBJECT)]"]))
    out = b""
    for _ in range(draw(st.integers(0, 12))):
        kind = draw(st.integers(0, 9))
        names = usual if kind < 7 else draw(st.permutations(list(VALUES)))[: draw(st.integers(1, 5))]
        pairs = b" ".join(name + b" " + draw(VALUES[name]) for name in names)
        out += b"* 3 EXISTS\r\n" if kind == 9 else b"* 12 FETCH (%b)\r\n" % pairs
    return out


def by_tokenizer(stream: bytes, wanted: bytes) -> list[tuple[int, object]]:
    """UID and one value of each response that has both."""
    found: list[tuple[int, object]] = []
    for _, pieces in split_responses(stream):
        response = parse_response(pieces)
        assert isinstance(response, Untagged)
        items = fetch_items(response) if response.name == b"FETCH" else {}
        if b"UID" in items and wanted in items:
            found.append((int(bytes(items[b"UID"])), items[wanted]))  # type: ignore[arg-type]
    return found


@settings(max_examples=150)
@given(st.lists(st.tuples(responses(), st.floats(0, 1)), min_size=1, max_size=4))
def test_flags_like_the_tokenizer(arriving: list[tuple[bytes, float]]) -> None:
    flags = FlagsReader(FlagSets())
    chunks = [chunk for chunk, _ in arriving]
    for chunk, share in arriving:  # of which some has come when it is looked at for the first time
        taken = flags.skim(chunk[: int(share * len(chunk))], 0)
        flags.feed(chunk[taken:])
    expected = {uid: keywords_of(value) for uid, value in by_tokenizer(b"".join(chunks), FLAGS)}  # type: ignore[arg-type]
    assert flags.seen == expected


@settings(max_examples=150)
@given(st.lists(st.tuples(responses(), st.floats(0, 1)), min_size=1, max_size=4))
def test_headers_like_the_tokenizer(arriving: list[tuple[bytes, float]]) -> None:
    names = (b"subject", b"references")
    reader, rows = RowReader((UID, HEADER), names), []
    chunks = [chunk for chunk, _ in arriving]
    for chunk, share in arriving:
        taken, end = reader.regular(chunk[: int(share * len(chunk))], 0)
        rows += taken + reader.rows(chunk[end:])
    expected = [
        (b"%d" % uid, *field_values(bytes(block), names))  # type: ignore[call-overload]
        for uid, block in by_tokenizer(b"".join(chunks), b"BODY[HEADER.FIELDS (SUBJECT)]")
    ]
    found = [(uid, *trimmed(values)) for uid, *values in rows]
    assert found == expected


@pytest.mark.parametrize("flags", [b"\\Seen \\Answered", b"\\answered \\SEEN"])
def test_equal_flag_sets_are_one_object(flags: bytes) -> None:
    sets = FlagSets()
    assert sets[flags] is sets[b"\\SEEN \\ANSWERED"]


def test_flag_sets_stay_bounded() -> None:
    sets = FlagSets()
    for number in range(10_000):
        assert sets[b"$k%d" % number] == frozenset({f"$k{number}"})
    assert len(sets) <= 4096
