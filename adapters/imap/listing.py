"""Asking for many mailboxes at once: LIST, STATUS and MYRIGHTS, in as few commands as the server can do with."""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from adapters.errors import AdapterError, Broken, Unavailable
from adapters.imap.connection import Connection
from adapters.imap.deltas import status_items
from adapters.imap.encoder import Part, atom, mailbox, paren, string
from adapters.imap.folders import Listed, chunk_names, folder_status, parse_list, parse_rights, parse_status
from adapters.imap.probe import Nature
from adapters.imap.responses import Completion, Untagged
from adapters.imap.tokens import Value
from adapters.ports.mail import FolderStatus

Status = dict[bytes, Value]
Command = tuple[str, *tuple[Part, ...]]
Answer = Completion | BaseException


@dataclass(slots=True)
class Seen:
    """What one conversation brought."""

    listed: dict[str, Listed] = field(default_factory=dict)
    subscribed: set[str] = field(default_factory=set)
    statuses: dict[str, Status] = field(default_factory=dict)
    rights: dict[str, frozenset[str]] = field(default_factory=dict)
    responses: list[Untagged] = field(default_factory=list)

    def add(self, responses: Sequence[Untagged]) -> None:
        """Take in what a command was answered with."""
        self.responses += responses
        for response in responses:
            match response.name:
                case b"LIST":
                    if (listed := parse_list(response)) is not None:
                        self.listed.setdefault(listed.path, listed)  # the first one has all attributes
                case b"LSUB":
                    if (listed := parse_list(response)) is not None:
                        self.subscribed.add(listed.path)
                case b"STATUS":
                    if (status := parse_status(response)) is not None:
                        self.statuses.setdefault(status[0], {}).update(status[1])
                case b"MYRIGHTS":
                    if (rights := parse_rights(response)) is not None:
                        self.rights[rights[0]] = rights[1]

    async def collect(self, commands: Sequence[Awaitable[Completion]], *, alone: bool = False) -> list[Answer]:
        """Run commands in one write. A refusal costs only what was asked; alone: each asks about one mailbox, so that
        also a fault costs only that.
        """
        answers = await asyncio.gather(*commands, return_exceptions=True) if commands else []
        for answer in answers:
            if isinstance(answer, Completion):
                self.add(answer.untagged)
            elif alone and isinstance(answer, Broken):
                continue
            elif not isinstance(answer, AdapterError) or isinstance(answer, Unavailable):
                raise answer
        return answers

    def entry(self, path: str) -> Listed:
        """A mailbox as listed, subscribed to also where LSUB tells."""
        listed = self.listed[path]
        if path not in self.subscribed:
            return listed
        return Listed(listed.path, listed.delimiter, listed.attributes | {"\\subscribed"})


_COUNTS: Final = frozenset({b"MESSAGES", b"UIDNEXT", b"UNSEEN", b"HIGHESTMODSEQ"})


def recounted(before: Sequence[Untagged], now: Sequence[Untagged]) -> dict[str, FolderStatus] | None:
    """By path the numbers that are others than before; None where anything else is, or may be."""
    if len(before) != len(now):
        return None
    numbers: dict[str, FolderStatus] = {}
    for old, new in zip(before, now, strict=True):
        if old is new or old == new:  # the same line mostly is the same response
            continue
        if old.name != b"STATUS" or new.name != b"STATUS":
            return None
        was, told = parse_status(old), parse_status(new)
        if was is None or told is None or was[0] != told[0] or _identity(was[1]) != _identity(told[1]):
            return None
        if (status := folder_status(told[1])) is None:
            return None
        numbers[told[0]] = status
    return numbers


def _identity(items: Status) -> Status:
    """What tells that it still is the same mailbox, and that as much is told of it: UIDVALIDITY, ids."""
    return {name: None if name in _COUNTS else value for name, value in items.items()}


def listing(connection: Connection, patterns: Sequence[str] = ("*",), items: Sequence[str] = ()) -> Command:
    """LIST of everything that LIST-EXTENDED can tell, and the STATUS of each if wanted (RFC 5258, RFC 5819)."""
    special_use = bool({b"SPECIAL-USE", b"IMAP4REV2"} & connection.capabilities)
    return _listing(special_use, tuple(patterns), tuple(items))


@lru_cache(16)
def _listing(special_use: bool, patterns: tuple[str, ...], items: tuple[str, ...]) -> Command:
    wanted = ["SUBSCRIBED", "CHILDREN", *(["SPECIAL-USE"] if special_use else [])]
    status = (atom("STATUS"), paren(*map(atom, items))) if items else ()
    names = mailbox(patterns[0]) if len(patterns) == 1 else paren(*map(mailbox, patterns))
    return "LIST", string(""), names, atom("RETURN"), paren(*map(atom, wanted), *status)


def list_all(connection: Connection, nature: Nature, patterns: Sequence[str] = ("*",)) -> list[Awaitable[Completion]]:
    """All mailboxes that fit, and which of them are subscribed to."""
    if nature.lists_status:
        return [connection.command(*listing(connection, patterns))]
    return [connection.command(name, string(""), mailbox(pattern)) for pattern in patterns for name in ("LIST", "LSUB")]


def statuses(connection: Connection, nature: Nature, paths: Sequence[str]) -> list[Awaitable[Completion]]:
    """The numbers of mailboxes."""
    items = paren(*map(atom, items_of(connection, nature)))
    if not nature.lists_status:
        return [connection.command("STATUS", mailbox(path), items) for path in paths]
    return _list_names(connection, paths, paren(atom("STATUS"), items))


def items_of(connection: Connection, nature: Nature) -> list[str]:
    """Mailbox ids with every STATUS where that is sound: Cyrus returns garbage for MAILBOXID inside a LIST."""
    items = status_items(connection)
    if nature.mailbox_id == "X-GUID" or (nature.mailbox_id and not nature.lists_status):
        items.append(nature.mailbox_id)
    return items


def my_rights(connection: Connection, paths: Sequence[str], *, by_list: bool) -> list[Awaitable[Completion]]:
    """The login's rights to mailboxes (RFC 4314 §3.5), by LIST-MYRIGHTS where that may be used."""
    if not by_list or b"LIST-MYRIGHTS" not in connection.capabilities:
        return [connection.command("MYRIGHTS", mailbox(path)) for path in paths]
    return _list_names(connection, paths, paren(atom("MYRIGHTS")))  # RFC 8440 §3


def _list_names(connection: Connection, paths: Sequence[str], returning: Part) -> list[Awaitable[Completion]]:
    """LIST of these mailboxes (RFC 5258 §3). A name that holds a wildcard also matches others, which does no harm."""
    return [
        connection.command("LIST", string(""), paren(*map(mailbox, group)), atom("RETURN"), returning)
        for group in chunk_names(paths)
    ]
