"""What servers would lose, dressed."""

import pytest

from adapters.carddav.dialect import dressed
from adapters.dav.quirks import OTHER, SERVERS
from tests.adapters.carddav.conftest import card

RADICALE = next(row for row in SERVERS if row.server == "radicale")
CYRUS = next(row for row in SERVERS if row.server == "cyrus")


def lines(data: bytes) -> list[bytes]:
    return data.replace(b"\r\n ", b"").split(b"\r\n")


@pytest.mark.parametrize(
    ("line", "there"),
    [
        ("PHOTO:data:image/png;base64,AAAA", r"PHOTO:data:image/png;base64\,AAAA"),
        (r"item1.URL:http://example.org/a,b\,c", r"item1.URL:http://example.org/a\,b\,c"),
        (r"NOTE:one\, two\\,three", r"NOTE:one\, two\\\,three"),
        ("ADR;TYPE=home:;;a,b;c;;;", "ADR;TYPE=home:;;a,b;c;;;"),
        ("CATEGORIES:a,b", "CATEGORIES:a,b"),
        ("GEO:geo:48.1,11.5", "GEO:geo:48.1,11.5"),
        ("PHOTO;ENCODING=b;TYPE=PNG:AAAA", "PHOTO;ENCODING=b;TYPE=PNG:AAAA"),
    ],
)
def test_a_bare_comma_is_escaped_where_it_would_end_the_value(line: str, there: str) -> None:
    assert there.encode() in lines(dressed(card("a", line, "X-ANY:1,2"), RADICALE))


@pytest.mark.parametrize("data", [card("a", r"NOTE:a\, b", "ADR:;;a,b;;;;"), b"rubbish, a\\,b", b"END:VCARD,\\,", b""])
def test_what_needs_no_dress_stays_as_it_is(data: bytes) -> None:
    assert dressed(data, RADICALE) == data


@pytest.mark.parametrize("line", ["PHOTO:data:image/png;base64,AAAA", "KEY:data:application/pgp-keys;base64,AAAA"])
def test_octets_are_written_as_version_3_where_4_would_be_cut(line: str) -> None:
    there = dressed(card("a", line, "X-ANY:1"), CYRUS)
    assert b"VERSION:3.0" in lines(there)
    assert any(b"ENCODING=b" in one and one.endswith(b":AAAA") for one in lines(there))
    assert any(one.startswith(b"X-ANY") for one in lines(there))
    twice = card("a", "N;ALTID=1;PHONETIC=ipa:x;;;;").replace(b"\r\nN:", b"\r\nN;ALTID=1:")
    assert sum(one.startswith(b"N") and b":" in one for one in lines(dressed(twice, CYRUS))) == 1
    plain = card("a", "NOTE:no data")
    assert dressed(plain, CYRUS) == plain


def test_other_servers_get_what_was_written() -> None:
    data = card("a", "NOTE:one,two")
    assert dressed(data, OTHER) == data != dressed(data, RADICALE)
