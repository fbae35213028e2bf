"""What a message says of the Thread that it belongs to (RFC 8621 §3). Pure.

Each id in its Message-ID, In-Reply-To or References, together with its base subject, is a fact: messages that have one
in common are in one Thread. Facts are made column by column; what is not as in nearly all mail is read by itself.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import repeat

from adapters.formats import thread_headers
from adapters.formats.encoded_words import decode_words
from adapters.ports.mail import ThreadHeaders

Facts = list[bytes]
"""Of one message, those of older messages first, its own last; a fact may be there twice."""

_SIMPLE_IDS = re.compile(rb"^((?:[ \t]*+<[A-Za-z0-9!#$%&'*+/=?^_`{|}~.@:-]++>)*+)[ \t]*+$|.+", re.M)
_UNBRACKET = bytes.maketrans(b"<>", b"  ")
_PLAIN_SUBJECT = re.compile(  # ASCII without ( : = [ behind the marks
    rb"^[ \t]*+(?:(?i:re|fwd?)[ \t]*+:[ \t]*+)*+([\t -'*-9;-<>-Z\\-~]*+)$|.+", re.M
)
_LOWER = bytes(range(256)).lower()
_MARKED = re.compile(r"[:\[(\uff1a]|=\?")
_REPLIES = re.compile(r"\A\s*(?:(?:re|fwd?)\s*:\s*)*", re.IGNORECASE)
_FOREIGN_MARKS = re.compile(
    # what RFC 5256 §2.1 does not know: the reply and forward marks of other languages
    r"\s*(?:aw|wg|sv|vs|vb|antw|doorst|tr|rif|odp|pd|res|enc|ynt|ilt)\s*(?:\[\d+\]\s*)?[:\uff1a]",
    re.IGNORECASE,
)
_MAX_MARKS = 8
_MAX_REFERENCES = 128
_KEPT = 1024


def facts(headers: ThreadHeaders) -> list[Facts]:
    """What each message says; nothing where it has no id and refers to none."""
    if not len(headers):
        return []
    subjects = [b"\0" + subject for subject in _base_subjects(headers.subjects)]
    return [[one + subject for one in named] for named, subject in zip(_named(headers), subjects, strict=True)]


def base_subject(subject: str) -> str:
    """The subject without reply marks, list tags and white space, in one case (RFC 8621 §3, RFC 5256 §2.1)."""
    replies = _REPLIES.match(subject)
    plain = subject[replies.end() :] if replies else subject
    if not _MARKED.search(plain):  # the usual case
        return "".join(plain.split()).casefold()
    text = thread_headers.base_subject(decode_words(subject))
    for _ in range(_MAX_MARKS):
        mark = _FOREIGN_MARKS.match(text)
        if mark is None:
            break
        text = thread_headers.base_subject(text[mark.end() :])
    return "".join(text.split()).casefold()


def message_ids(value: bytes) -> list[bytes]:
    """The message ids of a header field; of very many only the first, which is the root, and the last."""
    simple = _SIMPLE_IDS.fullmatch(value)
    if simple and simple[1]:
        found = simple[1].translate(_UNBRACKET).split()
    else:
        found = [one.encode("utf-8", "surrogatepass") for one in thread_headers.message_ids(_text(value).encode())]
    return found if len(found) <= _MAX_REFERENCES else [found[0], *found[1 - _MAX_REFERENCES :]]


def _text(value: bytes) -> str:
    """A header field that should be UTF-8 (RFC 6532 §3)."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _base_subjects(subjects: Sequence[bytes]) -> list[bytes]:
    """`base_subject` of header fields."""
    plain = _each(_PLAIN_SUBJECT, subjects)
    folded = b"\n".join(plain).translate(_LOWER, b" \t").split(b"\n")
    return [usual or _base_subject(subject) for usual, subject in zip(folded, subjects, strict=True)]


@lru_cache(_KEPT)  # a mailing list has its mark in every subject
def _base_subject(subject: bytes) -> bytes:
    return base_subject(_text(subject)).encode("utf-8", "surrogatepass")


def _named(headers: ThreadHeaders) -> list[list[bytes]]:
    """The ids that each message refers to, the oldest first, its own last."""
    older = [references or reply for references, reply in zip(headers.references, headers.in_reply_to, strict=True)]
    simple = _each(_SIMPLE_IDS, list(map(b"%b %b".__mod__, zip(older, headers.message_ids, strict=True))))
    found = list(map(bytes.split, b"\n".join(simple).translate(_UNBRACKET).split(b"\n")))
    own = map(bytes.count, headers.message_ids, repeat(b"<"))
    for at, (names, count) in enumerate(zip(found, own, strict=True)):
        if not names or count > 1 or len(names) > _MAX_REFERENCES:
            found[at] = _named_by(headers.references[at], headers.in_reply_to[at], headers.message_ids[at])
    return found


def _named_by(references: bytes, reply: bytes, own: bytes) -> list[bytes]:
    return [*(message_ids(references) or message_ids(reply)), *message_ids(own)[:1]]


def _each(pattern: re.Pattern[bytes], values: Sequence[bytes]) -> list[bytes]:
    """For each value what the group of a pattern for lines finds; nothing where it does not match."""
    found: list[bytes] = pattern.findall(b"\n".join(values))
    return found if len(found) == len(values) else [b""] * len(values)  # a value with a line break in it
