"""Flags and keywords."""

import pytest

from adapters.errors import InvalidData
from adapters.imap.keywords import flag_of, keywords_of


@pytest.mark.parametrize(
    ("flags", "keywords"),
    [
        ([], set()),
        ([b"\\Seen", b"\\ANSWERED", b"\\flagged", b"\\Draft"], {"$seen", "$answered", "$flagged", "$draft"}),
        ([b"\\Recent", b"$Forwarded", b"$MDNSent", b"NonJunk"], {"$forwarded", "$mdnsent", "nonjunk"}),
        ([b"\\XServer", b"caf\xe9", b"a]b", b"k" * 256, b"ok"], {"ok"}),
        ([b"\\Seen", b"\\Deleted"], None),  # RFC 8621 §4.1.1: MUST NOT be visible
    ],
)
def test_keywords_of(flags: list[bytes], keywords: set[str] | None) -> None:
    assert keywords_of(flags) == keywords


@pytest.mark.parametrize("keyword", ["$seen", "$answered", "$flagged", "$draft", "$forwarded", "nonjunk"])
def test_a_keyword_comes_back(keyword: str) -> None:
    assert keywords_of([flag_of(keyword)]) == frozenset({keyword})
    assert flag_of(keyword.upper()).lower() == flag_of(keyword).lower()


@pytest.mark.parametrize("keyword", ["", "a b", "a)", "\\deleted", "a\r\nb", "é", "k" * 256])
def test_no_flag_of_what_is_no_keyword(keyword: str) -> None:
    with pytest.raises(InvalidData):
        flag_of(keyword)
