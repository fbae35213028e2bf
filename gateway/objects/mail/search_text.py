"""The words and phrases of a text condition (RFC 8621 §4.4.1)."""

import re

# A quoted phrase, in which a backslash escapes ' " and \, or a word up to the next white space.
_TOKEN = re.compile(r"""(["'])((?:\\.|(?!\1).)*)\1(?=\s|$)|(\S+)""", re.DOTALL)
_ESCAPED = re.compile(r"""\\(['"\\])""")


def tokens(text: str) -> list[str]:
    """What must be present for a match: each phrase without its quotes, each word. Empty for blank text."""
    found = []
    for _, phrase, word in _TOKEN.findall(text):
        token = word or _ESCAPED.sub(r"\1", phrase)
        if token:
            found.append(token)
    return found
