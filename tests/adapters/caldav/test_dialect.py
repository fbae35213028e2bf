"""What Cyrus would drop, dressed and undressed."""

import pytest

from adapters.caldav.dialect import dressed, undressed
from adapters.dav.quirks import OTHER, SERVERS
from adapters.formats.content_lines import parse

CYRUS = next(row for row in SERVERS if row.server == "cyrus")
EVENT = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:1\r\nSUMMARY:JSPROP is dropped\r\n{}"
    "END:VEVENT\r\nEND:VCALENDAR\r\n"
)
ODD = (
    'JSPROP;JSPTR="a/b":{"c":"d\\, e"}\r\nCONCEPT:https://example.org/c\r\n'
    "BEGIN:VALARM\r\nJSID:a\r\nTRIGGER:PT0S\r\nEND:VALARM\r\n"
    "BEGIN:VLOCATION\r\nUID:l\r\nNAME:One\\, two\\; three\\nfour\r\nSTYLED-DESCRIPTION:x\r\nEND:VLOCATION\r\n"
)


def test_there_and_back() -> None:
    data = EVENT.format(ODD).encode()
    there = dressed(data, CYRUS)
    assert b"\r\nX-JSPROP;" in there
    assert b"\r\nX-JSID:" in there
    assert b"BEGIN:VLOCATION\r\n" not in there
    assert b"SUMMARY:JSPROP is dropped" in there
    (back,), (meant,) = parse(undressed(there, CYRUS)).components, parse(data).components
    assert repr(_facts(back)) == repr(_facts(meant))


def _facts(component: object) -> object:
    name, lines, children = component.name, component.properties, component.components  # type: ignore[attr-defined]
    return (
        name,
        sorted((line.name, sorted(line.parameters.items()), line.value) for line in lines),
        sorted(repr(_facts(child)) for child in children),
    )


@pytest.mark.parametrize("data", [EVENT.format("X-FOO:1\r\n").encode(), b"JSPROP nonsense", b"X-JSPROP nonsense", b""])
def test_what_needs_no_dress_stays_as_it_is(data: bytes) -> None:
    assert dressed(data, OTHER) == undressed(data, OTHER) == data
    assert undressed(data, CYRUS) == data


def test_what_cannot_be_read_is_left_to_the_server() -> None:
    assert dressed(b"JSPROP:1\r\nEND:VEVENT", CYRUS) == b"JSPROP:1\r\nEND:VEVENT"
