"""Envelope addresses and their parameters as they stand in MAIL FROM and RCPT TO (RFC 5321 §4.1.2, RFC 3461 §4)."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Final

from adapters.errors import InvalidData

__all__ = ["is_address", "parameter", "path"]

_ATOM = r"(?:[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]|[^\x00-\x9f\s\ud800-\udfff])+"
_QUOTED = r'"(?:[\x20\x21\x23-\x3b\x3d\x3f-\x5b\x5d-\x7e]|\\[\x20-\x3b\x3d\x3f-\x7e])*"'
_DOMAIN = r"(?:[A-Za-z0-9_-]|[^\x00-\x9f\s\ud800-\udfff])+(?:\.(?:[A-Za-z0-9_-]|[^\x00-\x9f\s\ud800-\udfff])+)*"
_LITERAL = r"\[[A-Za-z0-9:.-]+\]"
_ADDRESS: Final = re.compile(rf"(?:{_ATOM}|{_QUOTED})@(?:{_DOMAIN}|{_LITERAL})")
_MOST_OCTETS: Final = 254 + 64
"""RFC 5321 §4.5.3.1.3 gives 254 for a path; internationalized addresses are measured in octets of UTF-8."""

_KEYWORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,62}")
_VALUE: Final = re.compile(r"[\x21-\x3c\x3e-\x7e]{1,1000}")  # RFC 5321 §4.1.2, esmtp-value
_XTEXT: Final = frozenset({"ENVID"})
_TYPED_XTEXT: Final = frozenset({"ORCPT"})
_NOT_IN_ADDRESSES: Final = frozenset({"Cc", "Cs", "Cn", "Zl", "Zp"})
_PRINTABLE: Final = re.compile(r"[\x20-\x7e]{1,500}")


def is_address(text: str) -> bool:
    """Whether this is a Mailbox of RFC 5321 §4.1.2 (RFC 6531 §3.3 where it is not ASCII), and no more than that."""
    return _ADDRESS.fullmatch(text) is not None and len(text.encode()) <= _MOST_OCTETS


def path(email: str, parameters: Mapping[str, str | None]) -> bytes:
    """`<email>` and the parameters after it; an empty email is the null path. Raises InvalidData."""
    if email and not is_address(email):
        raise InvalidData("an envelope address is not a mailbox")
    pieces = [f"<{email}>", *(parameter(name, value) for name, value in parameters.items())]
    return " ".join(pieces).encode()


def parameter(name: str, value: str | None) -> str:
    """One parameter with its value encoded as its extension wants it. Raises InvalidData."""
    if _KEYWORD.fullmatch(name) is None:
        raise InvalidData("an envelope parameter has no proper name")
    if value is None:
        return name.upper()
    encoded = _encoded(name.upper(), value)
    if _VALUE.fullmatch(encoded) is None:
        raise InvalidData(f"the envelope parameter {name} has no proper value")
    return f"{name.upper()}={encoded}"


def _encoded(name: str, value: str) -> str:
    """RFC 8621 §7: xtext was taken off, so it is put on again."""
    if name in _XTEXT:
        return _xtext(value)
    if name in _TYPED_XTEXT:  # RFC 3461 §4.2: "rfc822;" and the address
        kind, semicolon, address = value.partition(";")
        encode = _utf8_xtext if kind.lower() == "utf-8" else _xtext
        return f"{kind}{semicolon}{encode(address)}"
    return value


def _utf8_xtext(value: str) -> str:
    r"""RFC 6533 §3, utf-8-addr-xtext: what xtext encodes and what is not ASCII become \x{HEX}, "\" too."""
    if any(unicodedata.category(char) in _NOT_IN_ADDRESSES for char in value):
        raise InvalidData("an envelope parameter holds characters that no address has")
    return "".join(f"\\x{{{ord(char):02X}}}" if char in "+=\\ " or not char.isascii() else char for char in value)


def _xtext(value: str) -> str:
    """RFC 3461 §4: "+" and "=" and what is no printable ASCII become +HH. Raises InvalidData for other characters."""
    if _PRINTABLE.fullmatch(value) is None:
        raise InvalidData("an envelope parameter holds characters that xtext cannot carry")
    return "".join(f"+{ord(char):02X}" if char in "+= " else char for char in value)
