"""Sends what waited at the gateway when its time has come; of several gateways on one store whichever is first.

Does what was to follow what was sent, too, where the gateway that sent it could not.
"""

import asyncio
import contextlib
import logging
import time
from dataclasses import replace
from typing import Final

from adapters.errors import AdapterError, AuthFailed, Unavailable
from gateway.context import Account
from gateway.objects.submission import errands
from gateway.objects.submission.delayed import release
from gateway.objects.submission.follow_up import catch_up
from gateway.objects.submission.intents import next_look, settle
from gateway.store.base import Store
from gateway.sync.held import Entry, HeldMessages, Hold
from gateway.sync.ledger import Ledger
from gateway.unattended import Unattended
from gateway.web.credentials import Credentials
from gateway.web.logins import Logins

log = logging.getLogger(__name__)

LONGEST_HOLD: Final = 31 * 86_400
"""Seconds that a message may wait."""

LOOK_SECONDS: Final = 60.0
"""How often is looked for what other gateways have put on the list."""

PAUSE_SECONDS: Final = 300.0
"""When a message is tried again that nobody could log in for."""

REFUSED_SECONDS: Final = 6 * 3600.0
"""When one is tried again whose login is refused."""

_AT_ONCE: Final = 50
_PLACE: Final = "held"


class Postman:
    """logins: to be set before `run`."""

    logins: Logins

    def __init__(self, store: Store, unattended: Unattended, *, lasting: bool) -> None:
        self._unattended = unattended
        self._store = store
        self._messages = HeldMessages(store)
        self._lasting = lasting and unattended.lasts

    @property
    def is_there(self) -> bool:
        """Whether messages may wait here at all: only where they would outlive this process."""
        return self._lasting

    def hold(self, credentials: Credentials) -> Hold | None:
        """How messages of this login may wait."""
        if not self._lasting:
            return None
        return Hold(LONGEST_HOLD, self._messages, lambda: self._unattended.note(credentials, _PLACE))

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._messages.changed.clear()
            wait = LOOK_SECONDS
            try:
                wait = await self._round()
            except AdapterError as error:
                log.warning("what waits to be sent cannot be looked at: %s", type(error).__name__)
            except Exception:
                log.exception("what waits to be sent was not sent")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._messages.changed.wait()

    async def _round(self) -> float:
        """Send what is due; seconds until the next look."""
        for entry in await self._messages.entries(time.time(), _AT_ONCE):
            await self._deliver(entry)
        waiting = await self._messages.entries(float("inf"), 1)
        return min([LOOK_SECONDS, *(max(0.0, entry.due - time.time()) for entry in waiting)])

    async def _deliver(self, entry: Entry) -> None:
        again: Entry | None
        try:
            again = await self._send(entry)
        except AuthFailed:
            # Asking again and again would look like guessing. Its owner's next login brings new credentials: `renew`.
            log.warning("a message that waits needs a new login of its owner")
            again = replace(entry, due=time.time() + REFUSED_SECONDS)
        except AdapterError as error:
            log.warning("a message that waits was not sent: %s", type(error).__name__)
            again = replace(entry, due=time.time() + PAUSE_SECONDS)
        if again is not None:
            await self._messages.enter(again)
        await self._messages.strike(entry)

    async def _send(self, entry: Entry) -> Entry | None:
        if entry.follows and await next_look(Ledger(self._store, entry.account, ())) is None:
            return None
        credentials = self._unattended.credentials(entry.ticket, _PLACE)
        if credentials is None:
            raise Unavailable("the credentials cannot be opened")
        async with self.logins.use(credentials) as login:
            account = login.accounts.get(entry.account)
            if account is None or account.outbox is None:
                raise Unavailable("the account cannot send now")
            if entry.follows:
                return await _follow(account, entry)
            return await release(account.outbox, self._messages, entry)


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
