"""What threading reads from a header: the base subject and message ids (RFC 8621 §3, RFC 5256 §2.1)."""

import re

from adapters.formats.header_forms import as_message_ids

__all__ = ["base_subject", "message_ids"]

_BLOB = r"\[[^\[\]]*\] *"
# RFC 5256 §5: subj-leader with its refwd, one subj-blob, and the trailers
_LEADER = re.compile(rf"(?:{_BLOB})*(?:re|fwd?) *(?:{_BLOB})?:| ", re.IGNORECASE)
_LEADING_BLOB = re.compile(_BLOB)
_TRAILER = re.compile(r"(?:\(fwd\)| )\Z", re.IGNORECASE)
_FORWARD = "[fwd:"
_LONGEST = 4096  # characters; what a longer subject says after them decides no thread


def base_subject(subject: str) -> str:
    """The base subject of a decoded subject (RFC 5256 §2.1), case kept."""
    text = " ".join(re.split(r"[ \t\r\n]+", subject[:_LONGEST]))  # step 1
    while True:
        text = _without_trailers(text)  # step 2
        text = _without_leaders(text)  # steps 3 to 5
        if not (text[: len(_FORWARD)].lower() == _FORWARD and text.endswith("]")):
            return text
        text = text[len(_FORWARD) : -1]  # step 6


def _without_trailers(text: str) -> str:
    while found := _TRAILER.search(text, max(0, len(text) - 5)):
        text = text[: found.start()]
    return text


def _without_leaders(text: str) -> str:
    position = 0
    while True:
        if leader := _LEADER.match(text, position):
            position = leader.end()
            continue
        blob = _LEADING_BLOB.match(text, position)
        if blob is None or blob.end() == len(text):  # step 4: a blob stays if nothing else is left
            return text[position:]
        position = blob.end()


def message_ids(value: bytes) -> list[str]:
    """The ids of a Message-ID, In-Reply-To or References value, in order; empty if there are none."""
    return as_message_ids(value) or []
