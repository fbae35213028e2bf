"""Text conditions (RFC 9610 §3.3.1, draft-ietf-jmap-calendars-29 §5.11.1): words and phrases, without case."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

MAX_TEXT: Final = 1_000
"""Characters of a condition: its words are remembered, and looked for in every text."""
_TOKEN: Final = re.compile(r'"((?:[^"\\]|\\.)*)"|\'((?:[^\'\\]|\\.)*)\'|(\S+)')
_ESCAPE: Final = re.compile(r"\\([\"'\\])")


def condition(value: Any) -> str | None:
    """The text of a condition."""
    fits = isinstance(value, str) and len(value) <= MAX_TEXT
    return None if fits else f"must be a String of at most {MAX_TEXT} characters"


@lru_cache(maxsize=256)
def terms(text: str) -> tuple[str, ...]:
    """The words and phrases of a condition, in the form that `folded` texts have."""
    found = []
    for match in _TOKEN.finditer(text):
        phrase = match[1] if match[1] is not None else match[2]
        found.append(folded(match[3] if phrase is None else _ESCAPE.sub(r"\1", phrase)))
    return tuple(term for term in found if term)


def folded(text: str) -> str:
    """A text for comparison: without case, white space made one blank."""
    return " ".join(text.casefold().split())


def has_all(texts: Iterable[str], wanted: str) -> bool:
    """Whether every word and phrase stands in one of the texts."""
    prepared = [folded(text) for text in texts]
    return all(any(term in text for text in prepared) for term in terms(wanted))
