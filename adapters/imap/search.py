"""Search criteria as SEARCH commands, and the UIDs of the answer (pure). RFC 9051 §6.4.4, RFC 4731."""

from array import array
from operator import lt
from typing import Final

from adapters.errors import InvalidData, Unsupported
from adapters.imap.encoder import Part, astring, atom, paren
from adapters.imap.responses import Completion
from adapters.imap.sequences import expand
from adapters.ports.mail_search import AllOf, AnyOf, Criterion, HeaderField, NoneOf, Text, TextField

UTF8: Final = "UTF-8"

MAX_KEYS: Final = 1000
MAX_DEPTH: Final = 30

_KEYS: Final[dict[TextField, str]] = {
    "text": "TEXT",
    "from": "FROM",
    "to": "TO",
    "cc": "CC",
    "bcc": "BCC",
    "subject": "SUBJECT",
    "body": "BODY",
}

_ADDRESSES: Final = frozenset({"from", "to", "cc", "bcc"})

_ESCAPED: Final = frozenset("'\"\\")
"""Dovecot writes an address anew before it looks into it, with these escaped in a name that has to be quoted."""


def search_parts(criterion: Criterion, *, esearch: bool, charset: str = UTF8) -> list[Part]:
    r"""Arguments of UID SEARCH. `\Deleted` messages never match: JMAP must not show them (RFC 8621 §4.1.1).

    The charset is named only where a string needs it. Raises Unsupported where the criterion has too many keys, is
    nested too deeply or has a character outside `charset`.
    """
    if _count(criterion) > MAX_KEYS:
        raise Unsupported("too many search keys")
    parts = [atom("RETURN"), paren(atom("ALL"))] if esearch else []
    if needs_charset(criterion):
        parts += [atom("CHARSET"), astring(charset)]
    return [*parts, atom("UNDELETED"), *_keys(criterion, charset, 0)]


def needs_charset(criterion: Criterion) -> bool:
    """Whether a string of the criterion is not ASCII."""
    match criterion:
        case Text(_, value) | HeaderField(_, value):
            return not value.isascii()
        case AllOf(operands) | AnyOf(operands) | NoneOf(operands):
            return any(needs_charset(operand) for operand in operands)


def found_uids(completion: Completion) -> "array[int]":
    """UIDs of the SEARCH or ESEARCH responses, ascending, each once."""
    found = array("I")
    for response in completion.of(b"SEARCH"):
        found.extend(int(value) for value in response.values if isinstance(value, bytes) and value.isdigit())
    for response in completion.of(b"ESEARCH"):
        # RFC 9051 §7.3.4: [correlator] [UID] *(name value); no ALL where nothing matched
        for name, value in zip(response.values, response.values[1:], strict=False):
            if name == b"ALL" and isinstance(value, bytes):
                found.extend(expand(value))
    if all(map(lt, found, found[1:])):  # as servers give them
        return found
    return array("I", sorted(set(found)))


def _keys(criterion: Criterion, charset: str, depth: int) -> list[Part]:
    """Search keys that all must match."""
    if depth > MAX_DEPTH:
        raise Unsupported("search nested too deeply")
    match criterion:
        case Text(field, value) if field in _ADDRESSES and _ESCAPED.intersection(value):
            return [atom("HEADER"), atom(_KEYS[field]), _string(value, charset)]
        case Text(field, value):
            return [atom(_KEYS[field]), _string(value, charset)]
        case HeaderField(name, value):
            return [atom("HEADER"), _field_name(name), _string(value, charset)]
        case AllOf(operands):
            return [part for operand in operands for part in _keys(operand, charset, depth + 1)] or [atom("ALL")]
        case NoneOf(operands):
            negated = [[atom("NOT"), _one(operand, charset, depth + 1)] for operand in operands]
            return [part for pair in negated for part in pair] or [atom("ALL")]
        case AnyOf(operands):
            return _any([_one(operand, charset, depth + 1) for operand in operands])


def _one(criterion: Criterion, charset: str, depth: int) -> Part:
    """The criterion as one search-key: a parenthesised list counts as one (RFC 9051 §9 search-key)."""
    return paren(*_keys(criterion, charset, depth))


def _any(keys: list[Part]) -> list[Part]:
    """OR takes two keys: a balanced tree, so that many operands stay flat enough for the server."""
    if not keys:
        return [atom("NOT"), atom("ALL")]
    if len(keys) == 1:
        return keys
    half = len(keys) // 2
    return [atom("OR"), _grouped(keys[:half]), _grouped(keys[half:])]


def _grouped(keys: list[Part]) -> Part:
    return keys[0] if len(keys) == 1 else paren(*_any(keys))


def _string(value: str, charset: str) -> Part:
    if value.isascii():
        return astring(value)
    try:
        return astring(value.encode(charset))
    except (LookupError, UnicodeEncodeError):
        raise Unsupported(f"the search text cannot be written in {charset}") from None


def _field_name(name: str) -> Part:
    if not name or not all("!" <= character <= "~" and character != ":" for character in name):
        raise InvalidData("not a header field name")  # RFC 5322 §3.6.8
    return astring(name)


def _count(criterion: Criterion) -> int:
    match criterion:
        case Text() | HeaderField():
            return 1
        case AllOf(operands) | AnyOf(operands) | NoneOf(operands):
            return 1 + sum(_count(operand) for operand in operands)
