r"""What the server says about its mailboxes, as folders (pure): LIST, LSUB, STATUS, MYRIGHTS, NAMESPACE.

RFC 9051 §6.3.9-6.3.11 and §7.3, RFC 5819 (LIST-STATUS), RFC 6154 (SPECIAL-USE), RFC 4314 (ACL), RFC 8474 (MAILBOXID).
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from adapters.imap import utf7
from adapters.imap.responses import Untagged
from adapters.imap.rows import OBJECT_ID
from adapters.imap.tokens import Value
from adapters.ports.mail import Folder, FolderStatus

INBOX: Final = "INBOX"

# Special-use attributes (RFC 6154 §2, RFC 8457) and the roles of RFC 8621 §2. Cyrus writes them in lower case.
ROLES: Final[dict[str, str]] = {
    "\\drafts": "drafts",
    "\\sent": "sent",
    "\\trash": "trash",
    "\\junk": "junk",
    "\\archive": "archive",
    "\\important": "important",
    "\\flagged": "flagged",
    "\\all": "all",
}
VIRTUAL_USES: Final = frozenset({"\\all", "\\flagged"})  # RFC 6154 §2: usually views of other mailboxes
CLOSED: Final = frozenset({"\\noselect", "\\nonexistent"})

STATUS_ITEMS: Final = ("MESSAGES", "UNSEEN", "UIDNEXT", "UIDVALIDITY")
MODSEQ_ITEM: Final = "HIGHESTMODSEQ"

_VALID_ID: Final = re.compile(OBJECT_ID)
_MAX_NAMES: Final = 7000  # octets of names in one command, see RFC 7162 §4


@dataclass(frozen=True, slots=True)
class Listed:
    """One LIST response: path in Unicode, attributes in lower case."""

    path: str
    delimiter: str | None
    attributes: frozenset[str]

    @property
    def selectable(self) -> bool:
        r"""Whether the server claims that it can be opened: neither \Noselect nor \NonExistent."""
        return not (self.attributes & CLOSED)

    @property
    def role(self) -> str | None:
        """The role that the server gives it; INBOX has one by its name (RFC 9051 §5.1)."""
        if self.path == INBOX:
            return "inbox"
        return next((role for use, role in ROLES.items() if use in self.attributes), None)


Prefixes = tuple[tuple[str, str | None], ...]
"""Prefixes of namespaces, each with its hierarchy delimiter."""


class Place(NamedTuple):
    """Where mailboxes lie that are not the login's own.

    owner: whose they are, by the name that the server gives; None in a namespace that is nobody's (RFC 2342 §5).
    prefix: what their names begin with, ending in the delimiter where there is one.
    """

    owner: str | None
    prefix: str
    delimiter: str | None

    @property
    def top(self) -> str:
        """The mailbox that the prefix names: of an owner his INBOX, on Cyrus and Dovecot."""
        return self.prefix.removesuffix(self.delimiter or "")


@dataclass(frozen=True, slots=True)
class Namespaces:
    """NAMESPACE (RFC 9051 §6.3.10): prefixes of the login's own mailboxes, of other users', and of nobody's."""

    personal: Prefixes = (("", None),)
    others: Prefixes = ()
    public: Prefixes = ()

    @property
    def prefix(self) -> str:
        """Where new personal mailboxes go."""
        return self.personal[0][0] if self.personal else ""

    @property
    def delimiter(self) -> str | None:
        """The hierarchy delimiter there."""
        return self.personal[0][1] if self.personal else None

    def is_personal(self, path: str) -> bool:
        """Whether the mailbox is the login's own: the namespace with the longest fitting prefix decides."""
        return self._foreign(path) is None

    def place(self, path: str) -> Place | None:
        """Where a mailbox belongs that is not the login's own; None for one that is, or that is only a level."""
        found = self._foreign(path)
        if found is None:
            return None
        prefix, delimiter = found
        if found not in self.others:
            return Place(None, prefix, delimiter)
        name = path.removeprefix(prefix) if path.startswith(prefix) else ""
        owner = name.split(delimiter, 1)[0] if delimiter else name
        return Place(owner, f"{prefix}{owner}{delimiter or ''}", delimiter) if owner else None

    def _foreign(self, path: str) -> tuple[str, str | None] | None:
        if path == INBOX:
            return None
        own = max((len(prefix) for prefix, _ in self.personal if path.startswith(prefix)), default=-1)
        fitting = [found for found in (*self.others, *self.public) if _within(path, *found) and len(found[0]) > own]
        return max(fitting, key=lambda found: len(found[0]), default=None)

    def views(self) -> Iterator[str]:
        """Prefixes of further personal namespaces named like Dovecot's for virtual mailboxes."""
        for prefix, delimiter in self.personal[1:]:
            if prefix.rstrip(delimiter or "/").lower() == "virtual":
                yield prefix


def parse_namespaces(response: Untagged) -> Namespaces:
    """The NAMESPACE response: personal, other users', shared; each NIL or a list of (prefix delimiter …)."""
    personal, others, public = [*map(_prefixes, response.values[:3]), (), (), ()][:3]
    return Namespaces(personal or (("", None),), others, public)


def parse_list(response: Untagged) -> Listed | None:
    """A LIST or LSUB response; None for one that has not the form."""
    if len(response.values) < 3:
        return None
    attributes, delimiter, name = response.values[:3]
    if not isinstance(attributes, list) or isinstance(delimiter, list) or isinstance(name, list):
        return None
    return Listed(
        decode_path(name),
        delimiter.decode("latin-1") if delimiter else None,
        frozenset(value.decode("latin-1").lower() for value in attributes if isinstance(value, bytes)),
    )


def parse_status(response: Untagged) -> tuple[str, dict[bytes, Value]] | None:
    """A STATUS response: path, and values by upper-case item name; None for one that has not the form."""
    if len(response.values) < 2:
        return None
    name, pairs = response.values[:2]
    if isinstance(name, list) or not isinstance(pairs, list):
        return None
    items = {key.upper(): value for key, value in zip(pairs[::2], pairs[1::2], strict=False) if isinstance(key, bytes)}
    return decode_path(name), items


def parse_rights(response: Untagged) -> tuple[str, frozenset[str]] | None:
    """A MYRIGHTS response (RFC 4314 §3.8): path and one-letter rights."""
    if len(response.values) < 2:
        return None
    name, rights = response.values[:2]
    if isinstance(name, list) or isinstance(rights, list):
        return None
    return decode_path(name), frozenset((rights or b"").decode("latin-1"))


def folder_status(items: dict[bytes, Value]) -> FolderStatus | None:
    """The numbers of a STATUS response; None where one is missing that nothing can replace."""
    numbers = {name: int(value) for name, value in items.items() if isinstance(value, bytes) and value.isdigit()}
    if not {b"MESSAGES", b"UIDNEXT", b"UIDVALIDITY"} <= numbers.keys():
        return None
    return FolderStatus(
        uid_validity=numbers[b"UIDVALIDITY"],
        uid_next=numbers[b"UIDNEXT"],
        messages=numbers[b"MESSAGES"],
        unseen=numbers.get(b"UNSEEN", 0),
        highest_modseq=numbers.get(b"HIGHESTMODSEQ", 0),
    )


def native_id(value: Value) -> str | None:
    """A MAILBOXID (in a list) or X-GUID as text; None for one that is no object id (RFC 8474 §7)."""
    if isinstance(value, list):
        value = value[0] if len(value) == 1 else None
    return value.decode("ascii") if isinstance(value, bytes) and _VALID_ID.fullmatch(value) else None


def is_virtual(listed: Listed, prefixes: Iterable[str], *, views_by_use: bool) -> bool:
    r"""Whether the mailbox shows messages that live elsewhere: by prefix, or by \All and \Flagged where those are
    views (everywhere but on Gmail, whose All Mail is where the messages are).
    """
    if views_by_use and listed.attributes & VIRTUAL_USES:
        return True
    return any(_within(listed.path, prefix, listed.delimiter) for prefix in prefixes)


def build(
    listed: Listed, status: FolderStatus | None, native: str | None, rights: frozenset[str] | None, *, virtual: bool
) -> Folder:
    """The folder of a listing and what else is known of it."""
    return Folder(
        path=listed.path,
        delimiter=listed.delimiter,
        native_id=native,
        role=listed.role,
        subscribed="\\subscribed" in listed.attributes,
        selectable=listed.selectable,
        virtual=virtual,
        rights=rights,
        status=status,
    )


def largest(statuses: Iterable[tuple[str, FolderStatus]], current: str | None) -> str | None:
    """The mailbox to hold open: the one with most messages, but the current one until another has twice as many."""
    counts = {path: status.messages for path, status in statuses}
    if not counts:
        return None
    best = max(counts, key=lambda path: (counts[path], path == INBOX))
    return current if current in counts and counts[best] <= 2 * counts[current] else best


def chunk_names(paths: Sequence[str]) -> Iterator[list[str]]:
    """Split names so that each group fits into one command line (RFC 7162 §4)."""
    group: list[str] = []
    used = 0
    for path in paths:
        width = (2 if path.isascii() else 6) * len(path) + 3  # at most, in modified UTF-7
        if group and used + width > _MAX_NAMES:
            yield group
            group, used = [], 0
        group.append(path)
        used += width
    if group:
        yield group


def decode_path(name: bytes | None) -> str:
    """A mailbox name from the wire. INBOX has one spelling here (RFC 9051 §5.1); an unquoted NIL is a name."""
    path = utf7.decode(b"NIL" if name is None else name)
    return INBOX if path.upper() == INBOX else path


def _prefixes(value: Value) -> Prefixes:
    found: list[tuple[str, str | None]] = []
    for entry in value if isinstance(value, list) else ():
        if isinstance(entry, list) and len(entry) >= 2:
            prefix, delimiter = entry[:2]
            if isinstance(prefix, bytes) and not isinstance(delimiter, list):
                found.append((utf7.decode(prefix), delimiter.decode("latin-1") if delimiter else None))
    return tuple(found)


def _within(path: str, prefix: str, delimiter: str | None) -> bool:
    """Below the prefix, or the mailbox that the prefix names without its delimiter."""
    return path.startswith(prefix) or path == prefix.rstrip(delimiter or "/")
