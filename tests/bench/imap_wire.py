"""What framing and tokenizing a FETCH stream costs: `python -m tests.bench.imap_wire`. Prints, asserts no time."""

import statistics
import time
from collections.abc import Callable

from adapters.imap.framer import Caps, Framer, split_responses
from adapters.imap.responses import Untagged, fetch_items, parse_response

MESSAGES = 10_000
READ = 64 * 1024


def facts(uid: int) -> bytes:
    """A row of the index pass."""
    return (
        b"* %d FETCH (UID %d FLAGS (\\Seen $kw) X-GUID %032x "
        b'INTERNALDATE "17-Jul-2026 02:44:25 +0200" RFC822.SIZE %d MODSEQ (%d))\r\n'
    ) % (uid, uid, uid, 1000 + uid, uid)


def listing(uid: int) -> bytes:
    """A row of a message list."""
    subject = b"Subject {%d} (with a smiley" % uid
    who = b'(("Some One" NIL "someone" "example.org"))'
    return (
        b'* %d FETCH (UID %d FLAGS (\\Seen) INTERNALDATE "17-Jul-2026 02:44:25 +0200" RFC822.SIZE 4711 '
        b'ENVELOPE ("Fri, 17 Jul 2026 02:44:25 +0200" {%d}\r\n%b %b %b %b %b NIL NIL "<parent@example.org>" '
        b'"<%d@example.org>") BODYSTRUCTURE (("text" "plain" ("charset" "utf-8") NIL NIL "quoted-printable" 812 21 '
        b'NIL NIL NIL NIL)("text" "html" ("charset" "utf-8") NIL NIL "quoted-printable" 3012 61 NIL NIL NIL NIL) '
        b'"alternative" ("boundary" "b1") NIL NIL NIL))\r\n'
    ) % (uid, uid, len(subject), subject, who, who, who, who, uid)


class Counter:
    """A receiver that counts; parses where told to."""

    def __init__(self, parse: bool) -> None:
        self.parse = parse
        self.count = 0

    def frame(self, pieces: list[bytes]) -> None:
        """One response."""
        self.count += 1
        if self.parse:
            response = parse_response(pieces)
            if isinstance(response, Untagged) and response.name == b"FETCH":
                fetch_items(response)

    def expected(self) -> None:
        """Nothing is."""

    def skim(self, data: bytes, position: int) -> int:
        """Nothing is taken unseen."""
        return position

    def chunk(self, raw: bytes) -> None:
        """Whole responses."""
        if self.parse:
            for _, pieces in split_responses(raw):
                self.frame(pieces)

    def wants_literal(self, pieces: list[bytes], size: int) -> bool:
        """Literals stay in their frames."""
        return False

    def literal_data(self, raw: bytes) -> None:
        """Never called."""


def run(stream: bytes, bulk: bool, parse: bool) -> None:
    """Feed a stream in reads of 64 KiB."""
    framer = Framer(Counter(parse), Caps())
    if bulk:
        framer.bulk(b"A1")
    view = memoryview(stream)
    for start in range(0, len(stream), READ):
        framer.feed(view[start : start + READ])


def main() -> None:
    """Measure each way with each kind of row, seven times."""
    rows: tuple[tuple[str, Callable[[int], bytes]], ...] = (("facts", facts), ("list rows", listing))
    for name, row in rows:
        stream = b"".join(map(row, range(1, MESSAGES + 1))) + b"A1 OK done\r\n"
        for way, bulk, parse in (("chunks", True, False), ("frames", False, False), ("frames parsed", False, True)):
            times = []
            for _ in range(7):
                begun = time.process_time()
                run(stream, bulk, parse)
                times.append(time.process_time() - begun)
            median = statistics.median(times)
            spread = f"{min(times) * 1000:.1f}-{max(times) * 1000:.1f}"
            each = f"{median / MESSAGES * 1e6:6.2f} us/message"
            print(f"{name:10} {len(stream) / 1e6:4.1f} MB {way:14} {median * 1000:7.1f} ms ({spread}) {each}")


if __name__ == "__main__":
    main()
