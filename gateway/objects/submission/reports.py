"""Finds DSNs and MDNs among new Emails and enters what they tell (RFC 8621 §7).

Only while something was sent that may still be answered; only Emails that came since the last look; and of these the
Content-Type, then the beginning of those that are reports.
"""

import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Final

from adapters.errors import Conflict, NotFound
from adapters.formats import dsn, mdn
from adapters.formats.dsn import Dsn
from adapters.formats.header_forms import as_text, header_fields, values_by_name
from adapters.formats.report import DELIVERY, DISPOSITION, report_type
from adapters.ports.mail import FetchPlan, MessageData, Section
from gateway.objects.mail.blob_ids import of_email
from gateway.objects.submission.answers import Mdn, after_dsn, after_mdn
from gateway.sync.account import MailAccount
from gateway.sync.journal import CannotCalculateChanges
from gateway.sync.ledger import Edit, Record
from gateway.sync.outbox import INTENT, REPORTS, SUBMISSION, Outbox
from gateway.sync.snapshot import Snapshot

ANSWERED_SECONDS: Final = 30 * 86_400.0
"""How long after it was sent a message may be answered by reports."""

MOST_LOOKED_AT: Final = 500
"""Emails of one look, the newest: who was away for so long that more came is not worth a search."""

MOST_OCTETS: Final = 1 << 18
"""Of one report. What was sent may be large; it stands last."""

_SKEW: Final = 3600.0
_FIELDS: Final = frozenset({"content-type", "return-path"})
_NOT_DELIVERED: Final = frozenset({"drafts", "sent", "junk"})
"""Roles of Mailboxes where no report is looked for: what the user made himself, and what the server distrusts."""

_BEGINNING: Final = Section(None, "body", limit=MOST_OCTETS)

Place = tuple[str, int]
"""A folder by path and UIDVALIDITY."""

Report = Dsn | Mdn


async def may_be_answered(box: Outbox) -> bool:
    """Whether there is anything that a report could be about. Raises Unavailable."""
    return bool(_open(await box.ledger.read(SUBMISSION)))


async def look(box: Outbox, mail: MailAccount) -> None:
    """Enter what the reports tell that came since the last look. `mail` is fresh. Raises adapters.errors."""
    async with box.reading.alone:
        snapshot = mail.snapshot
        state = snapshot.journal.state("Email")
        if snapshot.partial is not None or box.reading.state == state:
            return
        submissions = _open(await box.ledger.read(SUBMISSION))
        if submissions:
            if any(one["submission"] for one in (await box.ledger.read(INTENT)).values()):
                return  # what is on its way has no record yet that its bounce could be matched with
            oldest = min(map(_sent_at, submissions)) - _SKEW
            found, whole = await _reports(mail, snapshot, await _new_rows(box, snapshot, oldest))
            if not whole:
                return  # something moved meanwhile: the next pass tells where to
            await box.ledger.commit(partial(_entered, found, state), [SUBMISSION] if found else [])
        box.reading.state = state


def _open(submissions: Mapping[str, Record]) -> list[Record]:
    """Those that may still be answered."""
    since = time.time() - ANSWERED_SECONDS
    return [one for one in submissions.values() if one["undoStatus"] == "final" and _sent_at(one) > since]


def _sent_at(submission: Record) -> float:
    return datetime.fromisoformat(submission["sendAt"]).timestamp()


def _entered(found: Sequence[tuple[str, Report]], state: str, before: Mapping[str, Mapping[str, Record]]) -> Edit:
    """What the reports change, by blob id and in order of receipt, and that they were read."""
    made = Edit()
    submissions = dict(before.get(SUBMISSION, {}))
    for blob_id, report in found:
        known = submissions.values()
        after = after_dsn(known, report, blob_id) if isinstance(report, Dsn) else after_mdn(known, report, blob_id)
        if after is not None:
            submissions[after["id"]] = after
            made.write(SUBMISSION, after)
    made.write(REPORTS, {"id": REPORTS, "state": state})
    return made


async def _new_rows(box: Outbox, snapshot: Snapshot, oldest: float) -> list[int]:
    """The Emails that came since the last look, oldest first; where that is not known, since the oldest submission."""
    emails = snapshot.emails
    last = (await box.ledger.read(REPORTS)).get(REPORTS, {"state": ""})
    try:
        created = snapshot.journal.changes("Email", last["state"], None).created
        rows = [row for email_id in created if (row := emails.row(email_id)) is not None]
        rows = list(emails.sorted(row for row in rows if emails.received_at[row] >= oldest))
    except CannotCalculateChanges:
        everything = emails.all_rows()
        rows = list(everything[bisect_left(everything, oldest, key=emails.received_at.__getitem__) :])
    own = {box.id for box in snapshot.mailboxes.values() if box.role in _NOT_DELIVERED}
    return [row for row in rows[-MOST_LOOKED_AT:] if not own.intersection(emails.mailbox_ids(row))]


async def _reports(mail: MailAccount, snapshot: Snapshot, rows: Sequence[int]) -> tuple[list[tuple[str, Report]], bool]:
    """The reports among Emails, by blob id and in their order, and whether all Emails were still where they were."""
    emails = snapshot.emails
    places: dict[Place, dict[int, int]] = defaultdict(dict)
    for row in rows:
        copy = emails.best_copy(row)
        places[copy.path, copy.uid_validity][copy.uid] = row
    found: dict[int, Report] = {}
    whole = True
    for place, row_of in places.items():
        try:
            read, all_there = await _in_folder(mail, place, list(row_of))
        except (Conflict, NotFound):
            read, all_there = {}, False
        found |= {row_of[uid]: report for uid, report in read.items()}
        whole &= all_there
    return [(of_email(emails.id(row)), found[row]) for row in rows if row in found], whole


async def _in_folder(mail: MailAccount, place: Place, uids: Sequence[int]) -> tuple[dict[int, Report], bool]:
    path, validity = place
    heads = await mail.port.fetch(path, validity, uids, FetchPlan(header_fields=_FIELDS))
    kinds = {uid: kind for uid, head in heads.items() if (kind := _kind(head)) is not None}
    bodies = await mail.port.sections(path, validity, {uid: [_BEGINNING] for uid in kinds}) if kinds else {}
    found: dict[int, Report] = {}
    for uid, pieces in bodies.items():
        octets = pieces.get(_BEGINNING, b"")
        report: Report | None = dsn.read(octets) if kinds[uid] == DELIVERY else mdn.read(octets)
        if report is not None:
            found[uid] = report
    return found, heads.keys() >= set(uids) and bodies.keys() >= kinds.keys()


def _kind(head: MessageData) -> str | None:
    """The report-type of a message that may be a report."""
    fields = values_by_name(header_fields(head.header or b""))
    # RFC 3464 §2, RFC 8098 §2.1: it comes from the null sender; where the server keeps no trace of that, it may be
    paths = [as_text(value).strip() for value in fields.get("return-path", ())]
    if paths and paths[0] != "<>":
        return None
    kind = report_type(fields.get("content-type", [b""])[-1])
    return kind if kind in {DELIVERY, DISPOSITION} else None
