"""RFC 2397."""

import pytest

from adapters.formats.data_uris import read_data_uri


@pytest.mark.parametrize(
    ("uri", "found"),
    [
        ("data:,A%20brief%20note", ("text/plain", b"A brief note")),
        ("data:image/GIF;base64,R0lG", ("image/gif", b"GIF")),
        ("DATA:text/plain;charset=utf-8;base64,QQ", ("text/plain", b"A")),
        ("data:image/png;base64,", ("image/png", b"")),
    ],
)
def test_what_is_in_it(uri: str, found: tuple[str, bytes]) -> None:
    assert read_data_uri(uri) == found


@pytest.mark.parametrize("uri", ["", "https://example.org/a,b", "data:image/png;base64", "data:;base64,A"])
def test_what_is_none(uri: str) -> None:
    with pytest.raises(ValueError, match="data: URI"):
        read_data_uri(uri)
