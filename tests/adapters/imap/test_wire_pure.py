"""Framer, tokenizer, responses, encoder, modified UTF-7: properties and oracles."""

import contextlib
import datetime as dt
import imaplib
import re
from collections.abc import Iterable

import imapclient.imap_utf7
import imapclient.response_parser
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.errors import AuthFailed, Broken, Forbidden, InvalidData, NotFound, Unavailable, Unsupported
from adapters.imap import encoder as e
from adapters.imap import utf7
from adapters.imap.encoder import Literal, Negotiated, Part, Pause
from adapters.imap.errors import ConnectionLimit, ProtocolError, SessionConfused, login_refused, refused
from adapters.imap.framer import Caps, Framer, octets_of, split_responses
from adapters.imap.responses import Code, Continuation, Tagged, Untagged, fetch_items, parse_response
from adapters.imap.tokens import Value, parse_values

STREAM = (
    b"* OK [CAPABILITY IMAP4rev1] text that ends like a literal {3}\r\n"
    b"* 1 FETCH (UID 7 BODY[HEADER.FIELDS (FROM TO)]<0> {13}\r\nA: * 2 EXISTS FLAGS (\\Seen))\r\n"
    b"* 2 FETCH (UID 8 X {0}\r\n BINARY[1] ~{6}\r\n\x00}\r\n\x01\x02 Y NIL)\r\n"
    b"+ go on {9}\r\n"
    b'* LIST (\\HasNoChildren) "/" {11}\r\nA7 OK no\r\nx\r\n'
    b"* SEARCH 1 2 3\r\n"
    b"A7 OK [COPYUID 1 2:3 4:5] done\r\n"
    b"* 9 EXISTS\r\n"
)


class Recorder:
    """What a framer cuts, in one list."""

    def __init__(self, sink: bool = False, skims: bool = False) -> None:
        self.events: list[tuple[str, object]] = []
        self.raw = b""
        self.sink = sink
        self.skims = skims

    def frame(self, pieces: list[bytes]) -> None:
        self.events.append(("frame", pieces))

    def expected(self) -> None:
        self.events.append(("expected", None))

    def skim(self, data: bytes, position: int) -> int:
        """Takes every other FETCH that is whole."""
        begun, end = data[position:], position
        if self.skims and begun.startswith(b"* 1 FETCH"):
            with contextlib.suppress(ProtocolError):
                raw, pieces = next(split_responses(begun))
                if begun.startswith(raw):
                    self.raw += raw
                    self.events.append(("response", pieces))
                    end += len(raw)
        return end

    def chunk(self, raw: bytes) -> None:
        assert raw
        self.raw += raw
        self.events += [("response", pieces) for _, pieces in split_responses(raw)]

    def wants_literal(self, pieces: list[bytes], size: int) -> bool:
        return self.sink and size > 10

    def literal_data(self, raw: bytes) -> None:
        self.raw += raw


def cut(
    stream: bytes,
    splits: Iterable[int],
    bulk: bytes | None = None,
    sink: bool = False,
    skims: bool = False,
    expected: bytes = b"",
) -> Recorder:
    recorder = Recorder(sink, skims)
    framer = Framer(recorder, Caps())
    framer.expect(expected)
    if bulk is not None:
        framer.bulk(bulk)
    last = 0
    for split in [*sorted(splits), len(stream)]:
        assert framer.feed(memoryview(stream)[last:split]) == b""
        last = split
    assert framer.between_responses
    return recorder


SPLITS = st.sets(st.integers(0, len(STREAM)), max_size=40)


@given(SPLITS)
@example(set(range(len(STREAM))))
def test_any_split_gives_the_same_frames(splits: set[int]) -> None:
    assert cut(STREAM, splits).events == cut(STREAM, ()).events


def test_the_frames_are_right() -> None:
    frames = [parse_response(pieces) for _, pieces in cut(STREAM, ()).events]  # type: ignore[arg-type]
    assert len(frames) == 8
    assert isinstance(frames[0], Untagged)
    assert frames[0].code == Code(b"CAPABILITY", [b"IMAP4rev1"])
    assert isinstance(frames[1], Untagged)
    assert fetch_items(frames[1]) == {
        b"UID": b"7",
        b"BODY[HEADER.FIELDS (FROM TO)]<0>": b"A: * 2 EXISTS",
        b"FLAGS": [b"\\Seen"],
    }
    assert isinstance(frames[2], Untagged)
    assert fetch_items(frames[2])[b"BINARY[1]"] == b"\x00}\r\n\x01\x02"
    assert frames[3] == Continuation(b"go on {9}")
    assert isinstance(frames[4], Untagged)
    assert frames[4].values == [[b"\\HasNoChildren"], b"/", b"A7 OK no\r\nx"]
    assert frames[6] == Tagged(b"A7", b"OK", Code(b"COPYUID", [b"1", b"2:3", b"4:5"]), "done")


@given(SPLITS, st.booleans())
@example(set(range(len(STREAM))), False)
@example({STREAM.index(b"* 1 FETCH")}, True)
def test_bulk_chunks_hold_whole_responses_up_to_the_completion(splits: set[int], skims: bool) -> None:
    recorder = cut(STREAM, splits, bulk=b"A7", skims=skims)
    end = STREAM.index(b"A7 OK [COPYUID")
    assert recorder.raw == STREAM[:end]
    plain = [pieces for _, pieces in cut(STREAM, ()).events]
    assert [pieces for _, pieces in recorder.events] == plain
    assert [kind for kind, _ in recorder.events] == ["response"] * 6 + ["frame"] * 2


@given(SPLITS)
def test_a_wanted_literal_goes_to_the_sink(splits: set[int]) -> None:
    recorder = cut(STREAM, splits, sink=True)
    assert recorder.raw == b"A: * 2 EXISTSA7 OK no\r\nx"
    assert recorder.events[1] == (
        "frame",
        [b"* 1 FETCH (UID 7 BODY[HEADER.FIELDS (FROM TO)]<0> ", b"", b" FLAGS (\\Seen))"],
    )


HOSTILE = st.binary(max_size=300) | st.lists(
    st.sampled_from(
        [b"* ", b"1 FETCH (", b"(", b")", b'"', b"\\", b"{3}\r\n", b"\r\n", b"~{0}\r\n", b"BODY[", b"]", b"<0>", b" ",
         b"NIL", b"* OK [", b"A1 OK", b"+", b"{99999999999999999999}\r\n", b"UID ", b"\xff", b"\x00", b"ESEARCH (TAG "]
    ),
    max_size=40,
).map(b"".join)  # fmt: skip


RESPONSES = [raw for raw, _ in split_responses(STREAM)]


@given(SPLITS, st.integers(0, len(RESPONSES) - 1), st.integers(1, len(RESPONSES)))
@example(set(range(len(STREAM))), 2, 3)
def test_what_is_expected_is_told_as_one(splits: set[int], start: int, count: int) -> None:
    plain = cut(STREAM, ()).events
    block = b"".join(RESPONSES[start : start + count])
    told = [*plain[:start], ("expected", None), *plain[start + count :]]
    assert cut(STREAM, splits, expected=block).events == told


@given(SPLITS, st.integers(0, len(STREAM) - 1), st.integers(1, len(STREAM)), HOSTILE)
@example(set(range(len(STREAM))), 0, 100, b"")
def test_what_comes_otherwise_than_expected_is_cut_as_ever(
    splits: set[int], start: int, length: int, other: bytes
) -> None:
    block = b"".join(RESPONSES)[start : start + length] + other + b"\r\nand more\r\n"
    stream = STREAM + b"A8 OK done\r\n"  # up to here the beginning of what is expected may be waited for
    assert cut(stream, splits, expected=block).events == cut(stream, ()).events


@given(st.lists(st.binary(max_size=9), max_size=3), SPLITS)
def test_pieces_come_from_their_octets(literals: list[bytes], splits: set[int]) -> None:
    pieces = [piece for literal in literals for piece in (b"* LIST () NIL ", literal)] + [b" x"]
    octets = octets_of(pieces)
    assert cut(octets, {split for split in splits if split < len(octets)}).events == [("frame", pieces)]


@settings(max_examples=300)
@given(HOSTILE, st.booleans(), st.integers(1, 50))
def test_arbitrary_octets_raise_nothing_but_protocol_error(data: bytes, bulk: bool, step: int) -> None:
    class Parsing(Recorder):
        def frame(self, pieces: list[bytes]) -> None:
            response = parse_response(pieces)
            if isinstance(response, Untagged) and response.name == b"FETCH":
                fetch_items(response)

        def chunk(self, raw: bytes) -> None:
            for _, pieces in split_responses(raw):
                self.frame(pieces)

    framer = Framer(Parsing(), Caps())
    if bulk:
        framer.bulk(b"A1")
    try:
        for start in range(0, len(data), step):
            framer.feed(data[start : start + step])
    except ProtocolError:
        pass


@pytest.mark.parametrize(
    "data",
    [
        b"* 1 FETCH (BODY[] {4294967296}\r\n",
        b"x" * 5000,
        b"* OK " + b"x" * 5000 + b"\r\n",
        b"* SEARCH " + b"1 " * 10000,
        b"* 1 FETCH (" + b"X {900}\r\n" + b"y" * 900 + b" X {900}\r\n" * 3,
        b"* X (" + b"{0}\r\n" * 100,
    ],
    ids=["4 GB", "unfinished line", "long line", "long listing", "many literals", "many empty literals"],
)
@pytest.mark.parametrize("bulk", [False, True])
@pytest.mark.parametrize("step", [7, 100000])
def test_caps_of_the_framer(data: bytes, bulk: bool, step: int) -> None:
    framer = Framer(Recorder(), Caps(line=4096, listing=8192, literal=1000, response=1500))
    if bulk:
        framer.bulk(b"A1")
        if data.endswith(b"{0}\r\n") or (data.endswith(b"x\r\n") and step > 7):
            return  # in bulk only octets count, and a line that was read at once has cost nothing
    with pytest.raises(ProtocolError):
        for start in range(0, len(data), step):
            framer.feed(data[start : start + step])


def test_a_listing_may_be_longer_than_a_line() -> None:
    recorder = Recorder()
    Framer(recorder, Caps(line=100)).feed(b"* SEARCH" + b" 1234" * 1000 + b"\r\n")
    assert len(recorder.events) == 1


def test_what_is_nested_too_deep_is_read_over() -> None:
    assert parse_values([b"(a (b (c) d) e) f"], depth=2) == [[b"a", [b"b", b"d"], b"e"], b"f"]
    assert parse_values([b"(" * 100_000 + b"x" + b")" * 100_000 + b" y"])[1:] == [b"y"]


def test_unbalanced_parentheses_and_quotes_are_refused() -> None:
    for text in (b"(" * 100_000, b"(" * 101 + b")" * 100, b"(", b")", b'"abc', b'"\\"', b'"'):
        with pytest.raises(ProtocolError):
            parse_values([text])


@pytest.mark.parametrize("unit", [b'"\\', b"BODY[", b'BODY["', b'BODY["[', b'\\"', b"(", b"{1}", b"<1>]"])
def test_no_input_makes_the_tokenizer_quadratic(unit: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        parse_values([unit * (1_000_000 // len(unit))])  # hangs for minutes if it is


VALUES: st.SearchStrategy[Value] = st.recursive(
    st.none() | st.binary(max_size=8), lambda inner: st.lists(inner, max_size=4), max_leaves=12
)


def _write(value: Value, out: list[bytes]) -> None:
    """Write a value as a server might: quoted where it can be, else a literal."""
    if value is None:
        out[-1] += b"NIL"
    elif isinstance(value, list):
        out[-1] += b"("
        for index, item in enumerate(value):
            out[-1] += b" " if index else b""
            _write(item, out)
        out[-1] += b")"
    elif re.fullmatch(rb"[ -~]*", value):
        out[-1] += b'"' + re.sub(rb'(["\\])', rb"\\\1", value) + b'"'
    else:
        out += [value, b""]


@given(VALUES)
def test_values_come_back(value: Value) -> None:
    pieces = [b""]
    _write(value, pieces)
    assert parse_values(pieces) == [value]


@pytest.mark.parametrize(
    "payload",
    [
        b'1 (UID 7 FLAGS (\\Seen "x y") INTERNALDATE "17-Jul-1996 02:44:25 -0700" RFC822.SIZE 44827)',
        (
            b'2 (UID 9 ENVELOPE ("Wed, 17 Jul 1996 02:23:25 -0700" "a \\"b\\"" (("T" NIL "g" "c.w")) '
            b'NIL NIL NIL NIL NIL NIL "<B@c>"))'
        ),
        (
            b'3 (UID 1 BODYSTRUCTURE (("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 9 1)'
            b'("TEXT" "HTML" NIL NIL NIL "7BIT" 9 1) "MIXED"))'
        ),
    ],
)
def test_the_tokenizer_agrees_with_imapclient(payload: bytes) -> None:
    theirs = list(imapclient.response_parser.parse_response([payload]))
    ours = parse_values([payload])

    def same(mine: Value, other: object) -> None:
        if isinstance(mine, list):
            assert isinstance(other, tuple)
            assert len(other) == len(mine)
            for a, b in zip(mine, other, strict=True):
                same(a, b)
        else:
            assert mine == (str(other).encode() if isinstance(other, int) else other)

    for mine, other in zip(ours, theirs, strict=True):
        same(mine, other)


def test_quoted_nil_is_not_nil() -> None:
    assert parse_values([b'NIL "NIL" nil ', b"NIL", b" BODY[1.MIME] RFC822.SIZE (a)(b)"]) == [
        None, b"NIL", None, b"NIL", b"BODY[1.MIME]", b"RFC822.SIZE", [b"a"], [b"b"]
    ]  # fmt: skip


# The encoder.

ALL = [Negotiated("", True), Negotiated("-", True), Negotiated("+", True, utf8=True)]


def octets(encoded: list[bytes | Literal | Pause]) -> tuple[bytes, list[bytes]]:
    """What is outside the literals, and the literals."""
    outside, literals = b"", []
    for segment in encoded:
        literal = segment.literal if isinstance(segment, Pause) else segment
        if isinstance(literal, bytes):
            while match := re.search(rb"~?\{(\d+)\+\}\r\n", literal):
                end = match.end() + int(match[1])
                outside += literal[: match.start()] + b"<L>"
                literals.append(literal[match.end() : end])
                literal = literal[end:]
            outside += re.sub(rb"~?\{\d+\}\r\n\Z", b"<L>", literal)
        else:
            assert isinstance(literal.content, bytes)
            assert len(literal.content) == literal.size
            literals.append(literal.content)
    return outside, literals


@pytest.mark.parametrize("negotiated", ALL)
@given(st.text() | st.text('\r\n\x00"\\{}+ A1%*()~', max_size=30))
def test_no_text_escapes_its_argument(negotiated: Negotiated, text: str) -> None:
    for make in (e.astring, e.string, e.mailbox, e.atom, e.flag, e.fetch_item, e.seqset_text):
        try:
            encoded = e.encode(b"A1", "NOOP", [make(text), e.atom("END")], negotiated)
        except (InvalidData, UnicodeEncodeError):
            continue
        outside, _ = octets(encoded)
        assert outside.startswith(b"A1 NOOP ")
        assert outside.endswith(b" END\r\n")
        assert not re.search(rb"[\r\n\x00]", outside[:-2])


@given(st.binary(max_size=50).filter(lambda b: b"\x00" not in b))
def test_strings_come_back_through_a_parser(raw: bytes) -> None:
    encoded = e.encode(b"A1", "NOOP", [e.astring(raw)], Negotiated("+"))
    outside, literals = octets(encoded)
    text = outside[len(b"A1 NOOP ") : -2]
    pieces = [b"", literals[0], b""] if literals else [text]
    assert parse_values(pieces) == [raw]
    if not literals:
        assert list(imapclient.response_parser.parse_response([text])) in ([raw], [_number(raw)])


def _number(raw: bytes) -> object:
    return int(raw) if raw.isdigit() else raw


@given(st.sets(st.integers(1, 400), min_size=1), st.integers(10, 60))
def test_sequence_sets(uids: set[int], limit: int) -> None:
    def expand(part: Part) -> set[int]:
        (text,) = part.segments
        assert isinstance(text, bytes)
        bounds = [[int(n) for n in item.split(b":")] for item in text.split(b",")]
        assert bounds == sorted(bounds)
        return {n for b in bounds for n in range(b[0], b[-1] + 1)}

    assert expand(e.seqset(uids)) == uids
    pieces = list(e.chunk_uids(uids, limit))
    assert sorted(uid for piece in pieces for uid in piece) == sorted(uids)
    assert all(len(e.seqset(piece).segments[0]) <= limit for piece in pieces)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "0", "1:", "1,,2", "1\r\nA2 LOGOUT", "1 2", "$,1", "a", "1:*\n", "٣"])
def test_bad_sequence_sets(text: str) -> None:
    with pytest.raises(InvalidData):
        e.seqset_text(text)


@pytest.mark.parametrize("numbers", [[], [0], [-1], [1 << 32]])
def test_bad_numbers(numbers: list[int]) -> None:
    with pytest.raises(InvalidData):
        e.seqset(numbers)


@pytest.mark.parametrize(
    "item",
    ["UID", "RFC822.SIZE", "BODY.PEEK[]", "BODY[1.2.MIME]<0.100>", "BODY.PEEK[HEADER.FIELDS (FROM X-A)]",
     "BINARY.SIZE[1]", "PREVIEW (LAZY)", "X-GM-MSGID", "BODY.PEEK[HEADER.FIELDS.NOT (A)]<5>"],
)  # fmt: skip
def test_fetch_items(item: str) -> None:
    assert e.fetch_item(item).segments == (item.encode(),)


@pytest.mark.parametrize(
    "item", ["", "uid x", "BODY[", "BODY[1\r\n]", "BODY[HEADER.FIELDS (A B]", "(UID)", "BODY[HEADER.FIELDS ()]"]
)
def test_bad_fetch_items(item: str) -> None:
    with pytest.raises(InvalidData):
        e.fetch_item(item)


def test_literals_wait_unless_the_server_lets_them_go() -> None:
    parts = [e.literal(b"x" * 5000)]
    assert any(isinstance(s, Pause) for s in e.encode(b"A1", "NOOP", parts, Negotiated("")))
    assert any(isinstance(s, Pause) for s in e.encode(b"A1", "NOOP", parts, Negotiated("-")))  # RFC 7888 §5
    assert e.encode(b"A1", "NOOP", parts, Negotiated("+")) == [b"A1 NOOP {5000+}\r\n" + b"x" * 5000 + b"\r\n"]
    assert e.encode(b"A1", "NOOP", [e.literal(b"\x00")], Negotiated("+", binary=True)) == [b"A1 NOOP ~{1+}\r\n\x00\r\n"]
    with pytest.raises(InvalidData):
        e.encode(b"A1", "NOOP", [e.literal(b"\x00")], Negotiated("+"))


def test_dates() -> None:
    moment = dt.datetime(2026, 2, 1, 3, 4, 5, tzinfo=dt.timezone(dt.timedelta(hours=-7)))
    assert e.date(moment.date()).segments == (b"1-Feb-2026",)
    (text,) = e.date_time(moment).segments
    assert text == b'" 1-Feb-2026 03:04:05 -0700"'
    assert imaplib.Internaldate2tuple(b"INTERNALDATE " + text) is not None
    with pytest.raises(InvalidData):
        e.date_time(dt.datetime(2026, 2, 1))  # noqa: DTZ001 - that is the test


# Mailbox names.


@given(
    st.binary(max_size=30)
    | st.lists(st.sampled_from([b"&", b"-", b"&AOk-", b"&AGE-", b"a", b",", b"\xff", b"\r"])).map(b"".join)
)
def test_every_name_of_a_server_goes_back_unchanged(raw: bytes) -> None:
    name = utf7.decode(raw)
    name.encode()  # it can be shown
    assert utf7.encode(name) == raw


@given(st.text(st.characters(codec="utf-8")).filter(lambda t: not re.search("[\uf700-\uf7ff]", t)))
def test_every_name_of_a_client_comes_back(name: str) -> None:
    wire = utf7.encode(name)
    assert re.fullmatch(rb"[ -~]*", wire)
    assert utf7.decode(wire) == name
    if name.isprintable():
        assert imapclient.imap_utf7.decode(wire) == name


# Refusals.


@pytest.mark.parametrize(
    ("status", "code", "text", "kind"),
    [
        (b"NO", b"NONEXISTENT", "x", NotFound),
        (b"NO", b"TRYCREATE", "x", NotFound),
        (b"NO", None, "Mailbox does not exist", NotFound),
        (b"NO", b"NOPERM", "x", Forbidden),
        (b"NO", None, "you may not", Forbidden),
        (b"NO", b"INUSE", "x", Broken),
        (b"NO", None, "System I/O error", Broken),
        (b"BAD", None, "what", Unsupported),
        (b"NO", b"SERVERBUG", "Internal error occurred.", SessionConfused),
        (b"NO", None, "Mailbox was deleted under us", SessionConfused),
    ],
)
def test_refusals(status: bytes, code: bytes | None, text: str, kind: type[Exception]) -> None:
    assert type(refused("X", status, code, text)) is kind


@pytest.mark.parametrize(
    ("code", "text", "kind"),
    [
        (b"AUTHENTICATIONFAILED", "Authentication failed.", AuthFailed),
        (None, "Login failed", AuthFailed),
        (b"ALERT", "Invalid credentials (Failure)", AuthFailed),
        (b"EXPIRED", "x", AuthFailed),
        (b"UNAVAILABLE", "Temporary authentication failure.", Unavailable),
        (None, "Temporary authentication failure.", Unavailable),
        (None, "Internal error occurred. Refer to server log for more information.", Unavailable),
        (b"LIMIT", "x", ConnectionLimit),
        (b"UNAVAILABLE", "Maximum number of connections from user+IP exceeded", ConnectionLimit),
        (b"ALERT", "Too many simultaneous connections. (Failure)", ConnectionLimit),
    ],
)
def test_refused_logins(code: bytes | None, text: str, kind: type[Exception]) -> None:
    assert type(login_refused("LOGIN", b"NO", code, text)) is kind
