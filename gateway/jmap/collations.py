"""The collation algorithms that the session advertises, as sort keys (RFC 4790, RFC 5051; RFC 8620 §5.5)."""

import string
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, Final

_ASCII_UPPER: Final = str.maketrans(string.ascii_lowercase, string.ascii_uppercase)


def ascii_casemap(text: str) -> str:
    """i;ascii-casemap (RFC 4790 §9.2): ASCII letters without case, everything else by code point."""
    return text.translate(_ASCII_UPPER)


def octet(text: str) -> bytes:
    """i;octet (RFC 4790 §9.3): the octets of the UTF-8 form."""
    return text.encode()


def unicode_casemap(text: str) -> str:
    """i;unicode-casemap (RFC 5051): titlecased and decomposed; accents still distinguish."""
    return unicodedata.normalize("NFKD", text.casefold())


COLLATIONS: Final[Mapping[str, Callable[[str], Any]]] = {
    "i;ascii-casemap": ascii_casemap,
    "i;octet": octet,
    "i;unicode-casemap": unicode_casemap,
}
DEFAULT: Final = "i;unicode-casemap"


def sort_key(collation: str | None) -> Callable[[str], Any]:
    """The key function of an advertised collation; None is the server's choice."""
    return COLLATIONS[collation or DEFAULT]
