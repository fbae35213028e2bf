"""New messages into the mail store: checked, appended, copied to further Mailboxes, found again (RFC 8621 §4.6, §4.8).

Each message is appended once and on its own, so one that is refused costs only itself; afterwards the account is
looked at once. A server that doesn't say where a message went (no UIDPLUS) is asked which new message it is.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from adapters.errors import AdapterError, Broken, InvalidData, Unavailable
from adapters.formats.header_forms import header_fields, values_by_name
from adapters.ports.mail import FetchPlan, Keywords
from adapters.ports.mail_write import Appended, MailWritePort, Octets
from gateway.jmap.errors import SetError
from gateway.jmap.standard.common import after_writing, refusals
from gateway.objects.mail import blob_ids
from gateway.objects.mail.capability import MAX_MAILBOXES_PER_EMAIL
from gateway.objects.mail.dates import instant
from gateway.objects.mail.email_goals import MAX_KEYWORDS
from gateway.sync.account import MailAccount
from gateway.sync.emails import Emails

_log = logging.getLogger(__name__)

SYSTEM_KEYWORDS: Final = frozenset(["$seen", "$answered", "$flagged", "$draft"])
"""Every server stores these (RFC 9051 §2.3.2)."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a new Email goes and what it is marked with. received_at: seconds since 1970."""

    mailbox_ids: tuple[str, ...]
    keywords: Keywords
    received_at: int


@dataclass(frozen=True, slots=True)
class Letter:
    """A message ready to be stored. message_id: see `message_id_of`."""

    message: Octets
    message_id: bytes
    placement: Placement


Answers = dict[str, Mapping[str, Any] | SetError]

_LAST_SECOND: Final = 0xFFFFFFFF

Write = Callable[[], Awaitable[Letter]]
"""Makes a letter when its turn has come, so that one at a time is held in memory. Raises SetError, adapters.errors."""


def seconds(utc_date: str) -> int:
    """A receivedAt as whole seconds since 1970. Raises SetError for one that no mail server keeps."""
    found = int(instant(utc_date))
    if not is_kept(found):  # Dovecot would make another time of it
        raise SetError("invalidProperties", "the mail server keeps times from 1970 to 2106", ["receivedAt"])
    return found


def is_kept(received_at: int) -> bool:
    """Whether an IMAP server can be expected to keep this as the INTERNALDATE."""
    return 0 <= received_at <= _LAST_SECOND


async def store(mail: MailAccount, port: MailWritePort, letters: Mapping[str, Write]) -> Answers:
    """By creation id: id, blobId, threadId and size of the new Email, or why there is none.

    Raises MethodError("serverPartialFail") when messages were stored and then the server could not be asked.
    """
    run = _Run(mail, port, mail.emails)
    await run.append_all(letters)
    with after_writing(bool(run.places)):
        await run.locate()
        await run.copy_all()
        await run.refuse_duplicates()
        await run.describe()
    return run.answers


class Placer:
    """Checks where new Emails of one call may go."""

    def __init__(self, mail: MailAccount, port: MailWritePort) -> None:
        self._mail = mail
        self._port = port
        self._storable: dict[str, Keywords | None] = {}

    async def place(self, mailbox_ids: Sequence[str], keywords: Keywords, received_at: int | None) -> Placement:
        """Raises SetError, adapters.errors. `received_at` None: now."""
        if not mailbox_ids:  # RFC 8621 §4.1.1
            raise SetError("invalidProperties", "an Email must belong to at least one Mailbox", ["mailboxIds"])
        unknown = [mailbox_id for mailbox_id in mailbox_ids if mailbox_id not in self._mail.mailboxes]
        if unknown:
            raise SetError("invalidProperties", f"there is no Mailbox {unknown[0][:100]}", ["mailboxIds"])
        if len(mailbox_ids) > MAX_MAILBOXES_PER_EMAIL:
            raise SetError("tooManyMailboxes", f"at most {MAX_MAILBOXES_PER_EMAIL}")
        if len(keywords) > MAX_KEYWORDS:
            raise SetError("tooManyKeywords", f"at most {MAX_KEYWORDS}")
        for mailbox_id in mailbox_ids:
            self._check_rights(mailbox_id, keywords)
            await self._check_storable(mailbox_id, keywords - SYSTEM_KEYWORDS)
        return Placement(tuple(mailbox_ids), keywords, int(time.time()) if received_at is None else received_at)

    def _check_rights(self, mailbox_id: str, keywords: Keywords) -> None:
        """RFC 8621 §2. Without them a server would drop the flags in silence (RFC 4314 §4)."""
        # §2, mayReadItems: without it the Mailbox may not be in the mailboxIds of an Email
        needed = [
            ("mayReadItems", True),
            ("mayAddItems", True),
            ("maySetSeen", "$seen" in keywords),
            ("maySetKeywords", keywords - {"$seen"}),
        ]
        for right, is_needed in needed:
            if is_needed and not self._mail.mailboxes[mailbox_id].rights[right]:
                raise SetError("forbidden", f"{right} is false for the Mailbox {mailbox_id}")

    async def _check_storable(self, mailbox_id: str, keywords: Keywords) -> None:
        if not keywords:
            return
        if mailbox_id not in self._storable:
            path = self._mail.mailboxes[mailbox_id].path
            self._storable[mailbox_id] = await self._port.permanent_keywords(path)
        allowed = self._storable[mailbox_id]
        refused = sorted(keywords - allowed) if allowed is not None else []
        if refused:
            description = f"the server cannot store {', '.join(refused)} in the Mailbox {mailbox_id}"
            raise SetError("invalidProperties", description, ["keywords"])


@dataclass(frozen=True, slots=True)
class _Sent:
    """What is remembered of a letter that was stored."""

    size: int
    message_id: bytes
    mailbox_ids: tuple[str, ...]


@dataclass(slots=True)
class _Run:
    """One call under way. before: the Emails before anything was stored. places: where each message lies."""

    mail: MailAccount
    port: MailWritePort
    before: Emails
    sent: dict[str, _Sent] = field(default_factory=dict)
    places: dict[str, Appended] = field(default_factory=dict)
    answers: Answers = field(default_factory=dict)

    async def append_all(self, letters: Mapping[str, Write]) -> None:
        """One APPEND for each, into the first of its Mailboxes."""
        for key, write in letters.items():
            try:
                await self._append(key, await write())
            except SetError as error:
                self.answers[key] = error
            except InvalidData as error:
                _log.info("a message was refused: %s", error)
                self.answers[key] = SetError("invalidEmail", "The server behind this gateway refuses this message.")
            except AdapterError as error:
                self.answers |= refusals(error, [key])
                # asking a hundred times more makes nobody happy, unless it is about one mailbox
                if isinstance(error, Unavailable) and not isinstance(error, Broken):
                    self.answers |= refusals(error, letters.keys() - self.places.keys() - self.answers.keys())
                    return

    async def _append(self, key: str, letter: Letter) -> None:
        placement, message = letter.placement, letter.message
        path = self.mail.mailboxes[placement.mailbox_ids[0]].path
        place = await self.port.append(path, message, placement.keywords, placement.received_at)
        self.places[key] = place
        self.sent[key] = _Sent(message.size, letter.message_id, placement.mailbox_ids)

    async def locate(self) -> None:
        """Look at the account, and find out the UIDs that the server has not told."""
        if not self.places:
            return
        await self.mail.refresh()
        unknown: dict[str, list[str]] = defaultdict(list)
        for key, place in self.places.items():
            if not place.uid:
                unknown[self.sent[key].mailbox_ids[0]].append(key)
        for mailbox_id, keys in unknown.items():
            await self._find(mailbox_id, keys)

    async def _find(self, mailbox_id: str, keys: list[str]) -> None:
        """The new messages of a folder, told apart by size and Message-ID, in the order in which they were stored."""
        sizes = {self.sent[key].size for key in keys}
        uids = [uid for uid, row in self._new(mailbox_id) if self.mail.emails.size[row] in sizes]
        box = self.mail.mailboxes.get(mailbox_id)
        if box is None:
            return
        plan = FetchPlan(header_fields=frozenset(["message-id"]))
        fetched = await self.mail.port.fetch(box.path, box.uid_validity, uids, plan) if uids else {}
        free: dict[tuple[int, bytes], list[int]] = defaultdict(list)
        rows = dict(self._new(mailbox_id))
        for uid in sorted(fetched):
            free[self.mail.emails.size[rows[uid]], message_id_of(fetched[uid].header or b"")].append(uid)
        for key in keys:
            found = free[self.sent[key].size, self.sent[key].message_id]
            if found:
                self.places[key] = Appended(box.uid_validity, found.pop(0))

    def _new(self, mailbox_id: str) -> list[tuple[int, int]]:
        """(UID, row) of what has come into a Mailbox since `before`."""
        number = self.mail.emails.numbers.get(mailbox_id)
        if number is None:
            return []
        contents = self.mail.emails.contents[number]
        old = self.before.numbers.get(mailbox_id)
        known = self.before.contents[old].uids if old is not None else ()
        first = max(known, default=0) + 1
        return [(uid, row) for uid, row in zip(contents.uids, contents.rows, strict=True) if uid >= first]

    async def copy_all(self) -> None:
        """Into the other Mailboxes: all messages of one way together."""
        ways: dict[tuple[str, str], list[str]] = defaultdict(list)
        for key in self.places:
            source, *targets = self.sent[key].mailbox_ids
            for target in targets:
                ways[source, target].append(key)
        for (source, target), keys in ways.items():
            await self._copy(source, target, [key for key in keys if key not in self.answers])
        if ways:
            await self.mail.refresh()

    async def _copy(self, source: str, target: str, keys: list[str]) -> None:
        located = [key for key in keys if self.places[key].uid]
        if not located:
            return
        boxes, first = self.mail.mailboxes, self.places[located[0]]
        try:
            uids = [self.places[key].uid for key in located]
            await self.port.copy(boxes[source].path, first.uid_validity, uids, boxes[target].path)
        except (AdapterError, KeyError) as error:
            # An Email is created whole or not at all (RFC 8620 §5.3).
            failure = error if isinstance(error, AdapterError) else Unavailable("a folder has gone")
            self.answers |= refusals(failure, located)
            await self._take_back(located)

    async def refuse_duplicates(self) -> None:
        """A server that knows messages by their content has made another copy of an Email: that is no new Email."""
        duplicates: list[str] = []
        taken: set[str] = set()
        for key in self.places:
            row = None if key in self.answers else self._row(key)
            if row is None:
                continue
            email_id = self.mail.emails.id(row)
            if self.before.row(email_id) is not None or email_id in taken:
                self.answers[key] = SetError("alreadyExists", existingId=email_id)  # RFC 8621 §4.8
                duplicates.append(key)
            taken.add(email_id)
        if duplicates:
            await self._take_back(duplicates)
            await self.mail.refresh()

    async def _take_back(self, keys: list[str]) -> None:
        """Remove what was appended for nothing, where the server can remove single messages."""
        for key in keys:
            box = self.mail.mailboxes.get(self.sent[key].mailbox_ids[0])
            place = self.places[key]
            if box is not None and place.uid:
                with suppress(AdapterError):
                    await self.port.expunge(box.path, place.uid_validity, [place.uid])

    def _row(self, key: str) -> int | None:
        mailbox_id = self.sent[key].mailbox_ids[0]
        place, emails = self.places[key], self.mail.emails
        box = self.mail.mailboxes.get(mailbox_id)
        if box is None or box.uid_validity != place.uid_validity:
            return None
        rows = emails.uids_to_rows(mailbox_id, [place.uid])
        return rows[0] if rows and emails.is_alive(rows[0]) else None

    async def describe(self) -> None:
        """What a client is told of each new Email (RFC 8621 §4.6)."""
        emails = self.mail.emails
        rows = {key: row for key in self.places if key not in self.answers and (row := self._row(key)) is not None}
        thread_ids = await self.mail.threads.thread_ids(list(rows.values()), emails) if rows else []
        for (key, row), thread_id in zip(rows.items(), thread_ids, strict=True):
            email_id = emails.id(row)
            self.answers[key] = {
                "id": email_id,
                "blobId": blob_ids.of_email(email_id),
                "threadId": thread_id,
                "size": emails.size[row],
            }
        gone = SetError("serverFail", "The message was stored, but it is not where it was put any more.")
        for key in self.places:
            self.answers.setdefault(key, gone)


def message_id_of(head: bytes) -> bytes:
    """The Message-ID of a header block as it stands there, without white space; for `Letter`."""
    values = values_by_name(header_fields(head)).get("message-id", [b""])
    return b"".join(values[-1].split())
