"""What of the alerts by mail is due, and for whom: the rules of decision 13, without servers."""

import asyncio
import math
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapters.errors import Unavailable
from adapters.ports.mail_write import Octets
from adapters.ports.submission import BeforeData, Outcome, SmtpEnvelope, SubmissionFacts
from gateway.context import Account, Login
from gateway.objects.calendars.alert_mail import send_due
from gateway.store.sqlite import SqliteStore
from gateway.sync.calendars.account import CalendarAccount
from gateway.sync.calendars.mail_alerts import MAIL_ALERTS, MOST_IN_HOUR, MailAlerts
from gateway.sync.held import Entry, HeldMessages, Hold
from gateway.sync.ledger import Edit, Record
from gateway.sync.outbox import Outbox, Senders, outbox
from tests.objects.submission.test_faults import Port
from tests.sync.calendars.model import Home, ModelPort, event
from tests.waiting import until

MINUTE, HOUR = 60.0, 3600.0
ALARM = "BEGIN:VALARM\r\nACTION:EMAIL\r\nUID:v\r\nTRIGGER:PT0S\r\nDESCRIPTION:x\r\nEND:VALARM\r\n"


class Sending(Port):
    """Takes everything. letters: what it took, and to whom."""

    def __init__(self) -> None:
        super().__init__()
        self.go.set()
        self.letters: list[tuple[str, str]] = []

    async def submit(self, envelope: SmtpEnvelope, message: Octets, before_data: BeforeData | None = None) -> Outcome:
        outcome = await super().submit(envelope, message, before_data)
        text = b"".join([piece async for piece in message.read()]).decode()
        subject = next(line for line in text.split("\r\n") if line.startswith("Subject: "))
        self.letters.append((envelope.rcpt_to[0].email, subject.removeprefix("Subject: Reminder: ")))
        return outcome


class Gateway:
    """One gateway on a store, with the login of a user whose addresses are these."""

    def __init__(self, home: Home, path: Path, own: str | None = "a@example.org") -> None:
        self.port = Sending()
        store = SqliteStore(path)
        senders = Senders(own, ["*@example.net"])
        self.hold = Hold(0, HeldMessages(store), lambda: {"username": "a", "login": "a"}, is_own=True)
        self.box: Outbox = replace(outbox(self.port, senders, SubmissionFacts({}), store, "acal"), hold=self.hold)
        self.calendars = CalendarAccount("acal", "ns", ModelPort(home), store, store_retry_seconds=0.0)
        self.schedule = self.calendars.mail_alerts = MailAlerts("acal", self.box.ledger, self.hold)
        capable: dict[str, dict[str, Any]] = {}
        self.account = Account("acal", "a", True, False, capable, mail=None, outbox=self.box, calendars=self.calendars)
        self.login = Login("a", {"acal": self.account}, {})

    async def look(self) -> Entry | None:
        return await send_due(self.login, self.account, Entry("acal", "alerts-acal", 0.0, {}, alerts=0.0))

    @property
    def sent(self) -> list[str]:
        return sorted(title for _, title in self.port.letters)

    async def record(self) -> Record | None:
        return (await self.box.ledger.read(MAIL_ALERTS)).get(MAIL_ALERTS)

    async def expecting(self, since: float, **more: Any) -> None:
        """The account was last looked through so many seconds ago, and it is time to do it again."""
        now = time.time()
        record = {"id": MAIL_ALERTS, "upto": now - since, "due": now - 1, "told": [], "ticket": {}, **more}
        await self.box.ledger.commit(lambda _: Edit(put={MAIL_ALERTS: {MAIL_ALERTS: record}}), [])


@pytest.fixture
def home() -> Home:
    home = Home()
    home.add_calendar("work/", "Work")
    return home


def write(home: Home, title: str, seconds: float, more: str = "", path: str = "work/") -> None:
    """An event that starts so many seconds from now, with an alert then."""
    start = f"{datetime.fromtimestamp(time.time() + seconds, UTC):%Y%m%dT%H%M%SZ}"
    home.write(path, f"{title}.ics", event(title, title, start=start, more=more + ALARM))


async def test_what_is_too_late_is_not_sent(home: Home, tmp_path: Path) -> None:
    write(home, "too late", -2 * HOUR)
    write(home, "late", -HOUR / 2)
    write(home, "early", 5 * MINUTE)
    gateway = Gateway(home, tmp_path / "store")
    await gateway.expecting(3 * HOUR)
    again = await gateway.look()
    assert gateway.sent == ["late"]
    assert again is not None
    assert 4 * MINUTE < again.due - time.time() <= 5 * MINUTE


async def test_what_was_looked_through_is_so_once(home: Home, tmp_path: Path) -> None:
    """Also by several gateways at once; and all know when to look again."""
    for number in range(5):
        write(home, f"t{number}", -MINUTE * (number + 1))
    write(home, "far", 400 * 24 * HOUR)
    one, other = Gateway(home, tmp_path / "store"), Gateway(home, tmp_path / "store")
    await one.expecting(HOUR)
    found = await asyncio.gather(one.look(), other.look(), one.look())
    assert sorted(one.sent + other.sent) == [f"t{number}" for number in range(5)]
    assert len({entry.due for entry in found if entry is not None}) == 1
    assert await one.look() == await other.look() == found[0]
    assert len(one.sent + other.sent) == 5


async def test_what_was_sent_stays_so_after_a_rest(home: Home, tmp_path: Path) -> None:
    """An account without such alerts is looked at no more; when it has some again, nothing of before is sent."""
    at = f"{datetime.fromtimestamp(time.time() - 10, UTC):%Y%m%dT%H%M%SZ}"
    home.write("work/", "sent.ics", event("sent", "sent", more=ALARM.replace(":PT0S", f";VALUE=DATE-TIME:{at}")))
    gateway = Gateway(home, tmp_path / "store")
    await gateway.expecting(HOUR)
    await gateway.look()
    record = await gateway.record()
    assert record is not None
    await gateway.expecting(0, upto=record["upto"])
    assert await gateway.look() is None
    write(home, "new", 2)
    await gateway.calendars.refresh()
    planned = await gateway.record()
    assert planned is not None
    await until(lambda: time.time() >= planned["due"])
    await gateway.look()
    assert gateway.sent == ["new", "sent"]


async def test_a_user_is_not_sent_too_many(home: Home, tmp_path: Path) -> None:
    """-29 §9.3.2: MUST rate limit."""
    for name in ("a", "b"):
        write(home, name, -90, "RRULE:FREQ=SECONDLY\r\n")
    gateway = Gateway(home, tmp_path / "store")
    await gateway.expecting(HOUR)
    await gateway.look()
    assert len(gateway.sent) == MOST_IN_HOUR
    record = await gateway.record()
    assert record is not None
    await gateway.expecting(HOUR, told=record["told"])
    await gateway.look()
    assert len(gateway.sent) == MOST_IN_HOUR


@pytest.mark.parametrize(
    ("own", "told", "expected"),
    [
        ("a@example.org", "mailto:alice@example.net", "alice@example.net"),
        ("a@example.org", "mailto:somebody@else.example", "a@example.org"),
        ("a@example.org", "urn:uuid:0", "a@example.org"),
        (None, "mailto:somebody@else.example", None),
    ],
)
async def test_only_proven_addresses_get_mail(
    home: Home, tmp_path: Path, own: str | None, told: str, expected: str | None
) -> None:
    """-29 §9.3.2: the calendar server's word alone is not enough."""
    home.facts = replace(home.facts, addresses=(told,))
    write(home, "t", -MINUTE)
    gateway = Gateway(home, tmp_path / "store", own)
    await gateway.expecting(HOUR)
    if expected is None:
        with pytest.raises(Unavailable):
            await gateway.look()
    else:
        await gateway.look()
    assert [address for address, _ in gateway.port.letters] == ([] if expected is None else [expected])


async def test_alerts_on_calendars_of_others_are_sent_too(home: Home, tmp_path: Path) -> None:
    """They are each user's own (-29 §5.4); those of somebody whose calendars fail cost the user none of his own."""
    shared = Home()
    shared.add_calendar("theirs/", "Theirs")
    write(home, "own", -MINUTE)
    write(shared, "theirs", -MINUTE, path="theirs/")
    gateway = Gateway(home, tmp_path / "store")
    theirs = CalendarAccount("view", "other", ModelPort(shared), SqliteStore(tmp_path / "store"))
    theirs.mail_alerts = gateway.schedule
    other = replace(gateway.account, id="other", is_personal=False, outbox=None, calendars=theirs)
    gateway.login = replace(gateway.login, accounts={"acal": gateway.account, "other": other})
    await gateway.expecting(HOUR)
    await gateway.look()
    assert gateway.sent == ["own", "theirs"]
    shared.failing["cursors"] = Unavailable("away")
    await gateway.expecting(HOUR)
    assert await gateway.look() is not None
    assert gateway.sent == ["own", "own", "theirs"]


async def test_who_finds_an_entry_too_early_takes_none_away(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is entered before the record says so; whoever looks then strikes it, and may be slow to do so."""
    gateway = Gateway(home, tmp_path / "store")
    await gateway.calendars.refresh()
    await gateway.expecting(HOUR, due=time.time() + HOUR)
    found: list[Entry] = []
    whole = gateway.hold.messages.enter

    async def enter(entry: Entry) -> None:
        await whole(entry)
        found.append(entry)

    monkeypatch.setattr(gateway.hold.messages, "enter", enter)
    write(home, "t", -1)
    await gateway.calendars.refresh()
    await gateway.hold.messages.strike(found[0])
    assert [entry.due <= time.time() for entry in await entries(gateway)] == [True]
    await gateway.look()
    assert gateway.sent == ["t"]


async def test_what_is_found_during_a_look_is_not_forgotten(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By another gateway: the look began without it, and ends with a time of its own."""
    gateway, other = Gateway(home, tmp_path / "store"), Gateway(home, tmp_path / "store")
    write(home, "far", 400 * 24 * HOUR)
    await other.calendars.refresh()
    await gateway.expecting(HOUR)
    whole = gateway.calendars.refresh

    async def refresh(*, whole_too: bool = False, **_: Any) -> None:
        await whole(whole=whole_too)
        write(home, "t", 5)
        await other.calendars.refresh()

    monkeypatch.setattr(gateway.calendars, "refresh", refresh)
    again = await gateway.look()
    assert again is not None
    assert again.due - time.time() < MINUTE


async def test_a_new_login_takes_over_what_is_overdue(home: Home, tmp_path: Path) -> None:
    gateway = Gateway(home, tmp_path / "store")
    write(home, "t", 2 * HOUR)
    await gateway.calendars.refresh()
    planned = await entries(gateway)
    later = replace(gateway.schedule, hold=replace(gateway.hold, ticket=lambda: {"username": "new"}))
    await later.renew()
    assert await entries(gateway) == planned  # it is looked for in time
    await gateway.expecting(HOUR, due=time.time() - HOUR)
    await later.renew()
    assert (await entries(gateway))[0].due <= time.time()
    record = await gateway.record()
    assert record is not None
    assert record["ticket"] == {"username": "new"}
    again = await gateway.look()
    assert again is not None
    assert again.ticket == {"username": "new"}


async def entries(gateway: Gateway) -> list[Entry]:
    return await gateway.hold.messages.entries(math.inf, 100)
