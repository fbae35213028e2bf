"""Sends what waited at the gateway when its time has come; of several gateways on one store whichever is first.

Does what was to follow what was sent, too, where the gateway that sent it could not, and sends the mail of alerts.
"""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

from adapters.errors import AdapterError, AuthFailed, Unavailable
from gateway.context import Account
from gateway.objects.calendars.alert_mail import send_due
from gateway.objects.submission import errands
from gateway.objects.submission.delayed import GIVE_UP_SECONDS, give_up, release
from gateway.objects.submission.follow_up import catch_up
from gateway.objects.submission.intents import next_look, settle
from gateway.store.base import Store
from gateway.sync.calendars.mail_alerts import MAIL_ALERTS, again, id_of, is_time
from gateway.sync.held import Entry, HeldMessages, Hold
from gateway.sync.ledger import Ledger
from gateway.sync.outbox import LEDGER_TYPES
from gateway.sync.watch import ended, heed_cancellation
from gateway.unattended import Unattended
from gateway.web.credentials import Credentials
from gateway.web.logins import Logins

log = logging.getLogger(__name__)

LONGEST_HOLD: Final = 31 * 86_400
"""Seconds that a message may wait."""

LOOK_SECONDS: Final = 60.0
"""How often is looked for what other gateways have put on the list."""

AWAY_SECONDS: Final = 5.0
"""When is looked again after the store did not answer."""

PAUSE_SECONDS: Final = 300.0
"""When a message is tried again that nobody could log in for."""

REFUSED_SECONDS: Final = 6 * 3600.0
"""When one is tried again whose login is refused. After `delayed.GIVE_UP_SECONDS` it is given up, as all others."""

AT_ONCE: Final = 40
"""Accounts whose messages are sent at once."""

AT_ONCE_PER_BACKEND: Final = 8
"""Of one backend: a submission server that hangs holds up nobody else's."""

_PAGE: Final = 100
_PLACE: Final = "held"


class Postman:
    """backend_of: a user -> the name of the backend. logins: to be set before `run`."""

    logins: Logins

    def __init__(
        self, store: Store, unattended: Unattended, backend_of: Callable[[str], str | None], *, lasting: bool
    ) -> None:
        self._unattended = unattended
        self._store = store
        self._messages = HeldMessages(store)
        self._backend_of = backend_of
        self._lasting = lasting and unattended.lasts
        self._at_work: dict[str, str | None] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def is_there(self) -> bool:
        """Whether messages may wait here at all: only where they would outlive this process."""
        return self._lasting

    def hold(self, credentials: Credentials) -> Hold | None:
        """How messages of this login may wait."""
        if not self._lasting:
            return None
        is_own = self._unattended.seals and credentials.login == credentials.username
        return Hold(LONGEST_HOLD, self._messages, lambda: self._unattended.note(credentials, _PLACE), is_own)

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                self._messages.changed.clear()
                wait = LOOK_SECONDS
                try:
                    wait = await self._round()
                except AdapterError as error:
                    log.warning("what waits to be sent cannot be looked at: %s", type(error).__name__)
                    wait = AWAY_SECONDS
                except Exception:
                    log.exception("what waits to be sent was not sent")
                heed_cancellation()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await self._messages.changed.wait()
        finally:
            await ended(self._tasks)

    async def _round(self) -> float:
        """Begin what is due, as far as there is room; seconds until the next look. What ends asks for another one."""
        now, last = time.time(), None
        while len(self._at_work) < AT_ONCE:
            page = await self._messages.entries(now, _PAGE, last or 0.0)
            for entry in page:
                self._begin(entry)
            if len(page) < _PAGE:
                break
            last = page[-1]
        coming = await self._messages.entries(now + LOOK_SECONDS, 1, now)
        return min([LOOK_SECONDS, *(max(0.0, entry.due - time.time()) for entry in coming)])

    def _begin(self, entry: Entry) -> None:
        """Deliver beside everything else: of one account one after the other, and only a few of one backend at once."""
        backend = self._backend_of(entry.ticket["username"])
        busy = list(self._at_work.values()).count(backend)
        if entry.account in self._at_work or busy >= AT_ONCE_PER_BACKEND or len(self._at_work) >= AT_ONCE:
            return
        self._at_work[entry.account] = backend
        task = asyncio.create_task(self._deliver(entry))
        self._tasks.add(task)
        task.add_done_callback(partial(self._delivered, entry.account))

    def _delivered(self, account: str, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        del self._at_work[account]
        if task.cancelled():
            return
        if (error := task.exception()) is None:
            self._messages.changed.set()
        else:  # the list could not be written: it is looked at again in a while
            log.warning("what waits to be sent cannot be noted: %s", type(error).__name__)

    async def _deliver(self, entry: Entry) -> None:
        again: Entry | None
        try:
            again = await self._send(entry)
        except AuthFailed:
            # Asking again and again would look like guessing. Its owner's next login brings new credentials: `renew`.
            log.warning("a message that waits needs a new login of its owner")
            again = await self._later(entry, REFUSED_SECONDS)
        except AdapterError as error:
            log.warning("a message that waits was not sent: %s", type(error).__name__)
            again = await self._later(entry, PAUSE_SECONDS)
        except Exception:
            log.exception("a message that waits was not sent")
            again = replace(entry, due=time.time() + PAUSE_SECONDS)
        if again is not None:
            await self._messages.enter(again)
        await self._messages.strike(entry)

    async def _later(self, entry: Entry, seconds: float) -> Entry | None:
        """What nobody can log in for: again, or None where it is given up."""
        if entry.alerts is not None:
            return _later_alerts(entry, seconds)
        if entry.follows is not None:
            over = time.time() > entry.follows + GIVE_UP_SECONDS
        else:
            over = await give_up(Ledger(self._store, entry.account, LEDGER_TYPES), self._messages, entry)
        return None if over else replace(entry, due=time.time() + seconds)

    async def _send(self, entry: Entry) -> Entry | None:
        if entry.follows is not None and await next_look(Ledger(self._store, entry.account, LEDGER_TYPES)) is None:
            return None
        ticket = entry.ticket
        if entry.alerts is not None:
            stored = (await Ledger(self._store, entry.account, LEDGER_TYPES).read(MAIL_ALERTS)).get(MAIL_ALERTS)
            if stored is None or not is_time(stored, time.time()):
                return again(entry, stored)
            ticket = stored["ticket"]
        credentials = self._unattended.credentials(ticket, _PLACE)
        if credentials is None:
            raise Unavailable("the credentials cannot be opened")
        async with self.logins.use(credentials) as login:
            account = login.accounts.get(entry.account)
            if account is None or account.outbox is None:
                raise Unavailable("the account cannot send now")
            if entry.alerts is not None:
                return await send_due(login, account, entry)
            if entry.follows is not None:
                return await _follow(account, entry)
            return await release(account.outbox, self._messages, entry)


def _later_alerts(entry: Entry, seconds: float) -> Entry | None:
    """The same for alerts: what is given up is looked for again at the next login, see `MailAlerts.renew`.

    Logins that came meanwhile have entered the account once more; all its entries become one.
    """
    now = time.time()
    since = entry.alerts or now
    due = math.ceil((now + seconds) / PAUSE_SECONDS) * PAUSE_SECONDS
    return None if now > since + GIVE_UP_SECONDS else replace(entry, id=id_of(entry.account), due=due, alerts=since)


async def _follow(account: Account, entry: Entry) -> Entry | None:
    """Do what was to follow what the account sent; what is to be on the list instead, None where nothing is left."""
    box, mail = account.outbox, account.mail
    if box is None or mail is None:
        return None
    await settle(box)
    await errands.catch_up(box)
    await mail.refresh()
    await catch_up(box, mail)
    again = await next_look(box.ledger)
    return None if again is None else replace(entry, due=max(again, time.time() + 1.0))
