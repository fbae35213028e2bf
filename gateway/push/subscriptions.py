"""The push subscriptions of all owners: what a client asks of its own, and who pushes to them."""

import asyncio
import contextlib
import secrets
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final

import orjson

from adapters.errors import Unavailable
from gateway.push.courier import EMAILS, emails_wanted
from gateway.push.feed import current
from gateway.push.pusher import Access, Pusher, Tools, wanted
from gateway.push.records import Records, is_verified, owners
from gateway.store.base import StoreUnavailable
from gateway.sync.ledger import Record
from gateway.sync.watch import ended, keep_going

MOST: Final = 50
"""Subscriptions of one owner."""
CREATIONS: Final = 100
"""Subscriptions that one owner may make within an hour: each is a request to a place that he chose."""
HOUR: Final = 3600.0
LOOK_SECONDS: Final = 60.0
"""How often is looked for subscriptions that another gateway has left."""
SPREAD_SECONDS: Final = 0.05
"""Between two logins after a restart, so that they don't come all at once."""

Reopen = Callable[[Mapping[str, Any]], Access | None]
"""The note of an owner -> access without him; None where the operator gave no means to have it."""


class Pushers:
    """All that is pushed by this gateway. longest: seconds that a subscription lives unless it is renewed."""

    def __init__(self, tools: Tools, reopen: Reopen, longest: float) -> None:
        self.longest = longest
        self.key = tools.key
        self.sender = tools.sender
        self.creations: dict[str, deque[float]] = {}
        self._tools = tools
        self._reopen = reopen
        self._pushers: dict[str, tuple[Pusher, asyncio.Task[None]]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    async def start(self) -> None:
        """Go on with what was subscribed before, where access can be had; once the store answers."""
        with contextlib.suppress(StoreUnavailable):
            await self.key.load(make=False)  # it is made for the first who logs in: an idle gateway has no use for it
        self.spawn(keep_going(self._resume, LOOK_SECONDS))

    async def ready(self) -> None:
        """Have the key that the session tells of, if the store answers."""
        if not self.key.public:
            with contextlib.suppress(StoreUnavailable):
                await self.key.load()

    async def close(self) -> None:
        """End all tasks."""
        await ended([*self._tasks, *(task for _, task in self._pushers.values())])
        await self.sender.close()

    def met(self, access: Access) -> "Subscriptions":
        """An owner's credentials were just proven; what he can do with his subscriptions."""
        if not self._is_served(access):
            self.spawn(self._take_up(access))
        return Subscriptions(self, access, self._records(access.owner))

    async def begin(self, access: Access) -> None:
        """Push to an owner's verified subscriptions, unless that is done. Raises Unavailable, StoreUnavailable."""
        if self._is_served(access):
            return
        pusher = Pusher(access, self._records(access.owner), self._tools)
        if not await pusher.active() or self._is_served(access):
            return
        before = self._pushers.get(access.owner)
        if before is not None:
            before[1].cancel()
        task = asyncio.create_task(pusher.run())
        self._pushers[access.owner] = pusher, task
        task.add_done_callback(lambda _: self._ended(access.owner, pusher))

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something in the background."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _records(self, owner: str) -> Records:
        return Records(self._tools.store, owner, time.time)

    def _is_served(self, access: Access) -> bool:
        """Whether somebody pushes for the owner already, with credentials that are as good as these."""
        pusher, task = self._pushers.get(access.owner, (None, None))
        if pusher is None or task is None or task.done():
            return False
        return pusher.access.binding or pusher.access.secret == access.secret

    async def _resume(self) -> bool:
        """Take up what nobody here serves: once, or again and again where other gateways may have served it."""
        for owner, note in (await owners(self._tools.store)).items():
            access = None if owner in self._pushers else self._reopen(note)
            if access is not None:
                await self.begin(access)
                await asyncio.sleep(SPREAD_SECONDS)
        if self._tools.store.shared:
            await asyncio.sleep(LOOK_SECONDS)
        return not self._tools.store.shared

    async def _take_up(self, access: Access) -> None:
        with contextlib.suppress(Unavailable, StoreUnavailable):  # tried again with the next login
            await self.begin(access)

    def _ended(self, owner: str, pusher: Pusher) -> None:
        if owner in self._pushers and self._pushers[owner][0] is pusher:
            del self._pushers[owner]


class Subscriptions:
    """See gateway.context.PushSubscriptions."""

    def __init__(self, pushers: Pushers, access: Access, records: Records) -> None:
        self.longest = pushers.longest
        self._pushers = pushers
        self._access = access
        self._records = records

    async def read(self) -> dict[str, Record]:
        """See gateway.context.PushSubscriptions."""
        return await self._records.read()

    async def create(self, wanted: Mapping[str, Record]) -> dict[str, Record | str]:
        """See gateway.context.PushSubscriptions."""
        server_key = await self._server_key()
        refused: dict[str, Record | str] = {}
        made: dict[str, Record] = {}
        for key, record in wanted.items():
            if not self._may_create():
                refused[key] = "rateLimit"
                continue
            secret = {"code": secrets.token_urlsafe(24), "serverKey": server_key}
            made[key] = {**record, "id": "p" + secrets.token_hex(12), **secret}
        stored: dict[str, Record] = {}

        def edit(before: Mapping[str, Record]) -> Mapping[str, Record]:
            stored.clear()
            stored.update(list(made.items())[: max(0, MOST - len(before))])
            return {record["id"]: record for record in stored.values()}

        await self._records.commit(edit, self._access.note())
        for record in stored.values():
            self._pushers.spawn(self._verify(record))
        return refused | dict.fromkeys(made, "overQuota") | stored

    async def update(self, changes: Mapping[str, Record]) -> None:
        """See gateway.context.PushSubscriptions."""

        def edit(before: Mapping[str, Record]) -> Mapping[str, Record]:
            return {
                name: before[name] | _stamped(before[name], changed)
                for name, changed in changes.items()
                if name in before
            }

        before = await self._records.read()
        for name, changed in changes.items():
            if name in before and "verificationCode" in changed:
                await self._remember_now(before[name] | changed)
        await self._records.commit(edit)
        with contextlib.suppress(Unavailable, StoreUnavailable):
            await self._pushers.begin(self._access)

    async def destroy(self, ids: Sequence[str]) -> None:
        """See gateway.context.PushSubscriptions."""
        await self._records.erase(ids)

    async def _remember_now(self, record: Record) -> None:
        """What changes from now on is to be told to a subscription that is being verified."""
        try:
            async with self._access.use() as login:
                states = await current(login, wanted([record]))
            for account in emails_wanted(record).keys() & states.keys():
                states[account][EMAILS] = states[account]["Email"]
            await self._records.saw(record, states)
        except StoreUnavailable as error:
            raise Unavailable("the store does not answer") from error

    async def _verify(self, record: Record) -> None:
        """RFC 8620 §7.2.2: at once, and nothing else before the code came back; so this is not tried again."""
        message = {
            "@type": "PushVerification",
            "pushSubscriptionId": record["id"],
            "verificationCode": record["code"],
        }
        outcome = await self._pushers.sender.send(record, orjson.dumps(message))
        if outcome.kind == "gone":
            await self._records.erase([record["id"]])

    async def _server_key(self) -> str:
        try:
            return await self._pushers.key.load()
        except StoreUnavailable as error:
            raise Unavailable("the store does not answer") from error

    def _may_create(self) -> bool:
        times = self._pushers.creations.setdefault(self._access.owner, deque(maxlen=CREATIONS))
        now = time.monotonic()
        if len(times) == CREATIONS and now - times[0] < HOUR:
            return False
        times.append(now)
        return True


def _stamped(before: Record, changed: Record) -> Record:
    """A change with the time at which it verifies a subscription: of alerts it is told from then on."""
    verifies = "verificationCode" in changed and not is_verified(before)
    return {**changed, "verifiedAt": time.time()} if verifies else changed
