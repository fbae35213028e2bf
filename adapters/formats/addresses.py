"""Address lists (RFC 5322 §3.4, obsolete syntax too) in linear time and best effort (RFC 8621 §4.1.2.3)."""

import re
from collections.abc import Iterator
from typing import TypedDict

from adapters.formats.cfws import comment_end, unfold
from adapters.formats.charsets import header_text
from adapters.formats.encoded_words import decode_words, normalize

__all__ = ["MAX_ADDRESSES", "EmailAddress", "EmailAddressGroup", "parse_address_groups"]

MAX_ADDRESSES = 20_000  # of one header field; the rest of a longer one is not looked at
_LONGEST = 1 << 19  # octets of it that are looked at


class EmailAddress(TypedDict):
    """RFC 8621 §4.1.2.3."""

    name: str | None
    email: str


class EmailAddressGroup(TypedDict):
    """RFC 8621 §4.1.2.4; the name is None for mailboxes outside of groups."""

    name: str | None
    addresses: list[EmailAddress]


_WORD = r"=\?[!->@-~]+\?[bBqQ]\?[!->@-~]*\?="
# What nearly all fields look like: no comment, group, escape, route, literal or misplaced encoded word.
_PLAIN = re.compile(
    r'[ \t]*+(?:(?:"([^"\\]*+)"[ \t]*+'
    rf"|((?:{_WORD}[ \t]*+)++)"
    r'|((?:(?!=\?)[^"<>,:;()\\\[\]])*+))<([^\s<>",:;()\\\[\]]++)>'
    r'|((?:(?!=\?)[^\s<>",:;()\\\[\]])++))[ \t]*+(?:,|$)'
)
_TOKEN = re.compile(
    r"(?P<space>[ \t\r\n]+)"
    rf"|(?P<word>{_WORD})"
    r'|(?P<quoted>"[^"\\]*(?:\\.[^"\\]*)*")'
    r"|(?P<literal>\[[^\[\]]*\])"
    r'|(?P<atom>[^\s"(),:;<>@\[\]\\]+|\\.)'
    r"|(?P<special>.)",
    re.DOTALL,
)
_SPACED_DOT = re.compile(r" \. ?")  # RFC 5322 §4.4: obsolete domains
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)

_Token = tuple[str, str]  # kind (a group of _TOKEN, or "comment") and text


def parse_address_groups(value: bytes) -> list[EmailAddressGroup]:
    """Parse a field value; mailboxes outside of groups are collected under groups without a name."""
    text = unfold(header_text(value[:_LONGEST]))
    plain = _plain(text)
    if plain is not None:
        return [{"name": None, "addresses": plain}] if plain else []
    return _Parser(text).groups


def _plain(text: str) -> list[EmailAddress] | None:
    """The fast path; None when the text has anything unusual in it."""
    found: list[EmailAddress] = []
    position, end = 0, len(text)
    while position < end:
        match = _PLAIN.match(text, position)
        if match is None or len(found) >= MAX_ADDRESSES:
            return None
        quoted, words, phrase, email, bare = match.groups()
        if quoted is not None:
            name = quoted.strip()
        elif words:
            name = decode_words(words).strip()
        else:
            name = " ".join(phrase.split()) if phrase else ""
        found.append({"name": normalize(name) or None, "email": email or bare})
        position = match.end()
    return found


class _Parser:
    """Collects tokens up to a separator and reads them as one mailbox; keeps track of the open group."""

    def __init__(self, text: str) -> None:
        self.groups: list[EmailAddressGroup] = []
        self.in_group = False
        self.count = 0
        self.tokens: list[_Token] = []
        self.angle = False  # between "<" and ">"
        self.opened = 0  # index of the last "<" in `tokens`
        for kind, token in _tokens(text):
            if kind != "special" or not self._special(token):
                self.tokens.append((kind, token))
            elif self.count >= MAX_ADDRESSES:
                return
        self._mailbox()

    def _special(self, mark: str) -> bool:
        """Act on a structural character; False when it is ordinary text here."""
        if mark in "<>":
            self.angle = mark == "<"
            self.opened = len(self.tokens)
            return False
        if mark == "," and not (self.angle and self._in_route()):
            self._mailbox()
        elif mark == ":" and not self.angle:
            self._open_group()
        elif mark == ";":
            self._mailbox()
            self.in_group = False
        else:
            return False
        return True

    def _in_route(self) -> bool:
        """Whether the angle address begins with "@", a source route, which may contain commas (RFC 5322 §4.4)."""
        return self.tokens[self.opened + 1 : self.opened + 2] == [("special", "@")]

    def _open_group(self) -> None:
        name = _phrase(self.tokens)
        self.tokens = []
        self.groups.append({"name": name or None, "addresses": []})
        self.in_group = True
        self.count += 1

    def _mailbox(self) -> None:
        self.count += 1  # empty ones, too: they cost time
        self.angle = False
        if not self.tokens:
            return
        address = _read_mailbox(self.tokens)
        self.tokens = []
        if address is None:
            return
        if not self.in_group and (not self.groups or self.groups[-1]["name"] is not None):
            self.groups.append({"name": None, "addresses": []})
        self.groups[-1]["addresses"].append(address)


def _tokens(text: str) -> Iterator[_Token]:
    position = 0
    comments = True  # until one is found that never ends
    while found := _TOKEN.match(text, position):
        start, position = found.span()
        if comments and text[start] == "(":
            end = comment_end(text, start)
            comments = end >= 0
            if comments:
                position = end
                yield "comment", text[start + 1 : end - 1]
                continue
        yield found.lastgroup or "special", found.group()


def _read_mailbox(tokens: list[_Token]) -> EmailAddress | None:
    """One mailbox from its tokens; None when there is nothing in them."""
    opening = next((i for i, token in enumerate(tokens) if token == ("special", "<")), -1)
    if opening >= 0:
        name, email = _phrase(tokens[:opening]), _angle_address(tokens[opening + 1 :])
    else:
        name, email = _bare_address(tokens)
    if not name:  # RFC 8621 §4.1.2.3: a comment serves as the name where there is no display-name
        comments = [text for kind, text in tokens if kind == "comment"]
        name = _clean(decode_words(_unescape(comments[-1]))) if comments else ""
    return {"name": name or None, "email": email} if name or email else None


def _angle_address(tokens: list[_Token]) -> str:
    kept: list[str] = []
    for kind, token in tokens:
        if (kind, token) == ("special", ">"):
            break
        if kind not in ("space", "comment"):
            kept.append(token)
    address = "".join(kept)
    return address.partition(":")[2] if address.startswith("@") and ":" in address else address


def _bare_address(tokens: list[_Token]) -> tuple[str, str]:
    """(name, email) of a mailbox without angle brackets; text beside the address is taken for a name."""
    text = "".join(token if kind != "space" else " " for kind, token in tokens if kind != "comment").strip()
    at = text.rfind("@")
    if at < 0:
        return "", _phrase(tokens)
    left, right = text[:at].rstrip(), text[at + 1 :].lstrip()
    start = left.rfind('"', 0, -1) if left.endswith('"') else left.rfind(" ") + 1
    domain, _, rest = _SPACED_DOT.sub(".", right).partition(" ")
    name = _clean(decode_words(f"{left[: max(start, 0)]} {rest}"))
    return name.strip('"'), f"{left[max(start, 0) :]}@{domain}"


def _phrase(tokens: list[_Token]) -> str:
    """A display-name: quoted strings unquoted, encoded words decoded outside of them (RFC 2047 §5, rule 3)."""
    pieces: list[str] = []
    run: list[str] = []
    for kind, token in tokens:
        if kind == "quoted":
            pieces += decode_words("".join(run)), _unescape(token[1:-1])
            run = []
        elif kind != "comment":
            run.append(token if kind != "space" else " ")
    return _clean("".join([*pieces, decode_words("".join(run))]))


def _unescape(text: str) -> str:
    return _QUOTED_PAIR.sub(r"\1", text) if "\\" in text else text


def _clean(text: str) -> str:
    return normalize(text.strip())
