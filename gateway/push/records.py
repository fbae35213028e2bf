"""The push subscriptions that the same credentials made, in the store (RFC 8620 §7.2).

They can't be rebuilt, so they are written before they are answered. A subscription is a JSON object with its
properties, `code` (what the client has to send back), `serverKey` (the VAPID key it was made for) and `verifiedAt`
(seconds since 1970). All of it
vanishes from the store at its expiry, by itself.
"""

import contextlib
import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final

import orjson

from adapters.errors import Unavailable
from gateway.push.feed import States
from gateway.store.base import Delete, Key, LeaseLost, Put, Store, StoreUnavailable, Write
from gateway.sync.ledger import Record
from gateway.sync.pace import ATTEMPTS, stand_back

OWNERS: Final = "push"
"""The partition that lists who has subscriptions: digest -> what access is found with again after a restart."""

_OWNER: Final = "owner"
_RECORD: Final = "subscription"
_SEEN: Final = "seen"
_TOLD: Final = "told"

Edit = Callable[[Mapping[str, Record]], Mapping[str, Record | None]]
"""The subscriptions by id -> those to be written, None for those to be erased. May be called again."""


class Records:
    """The subscriptions of one owner. now: seconds since 1970."""

    def __init__(self, store: Store, owner: str, now: Callable[[], float]) -> None:
        self.channel = f"push/{owner}"
        self._store = store
        self._owner = owner
        self._partition = f"push-{owner}"
        self._now = now

    async def read(self) -> dict[str, Record]:
        """All that have not expired, by id. Raises Unavailable."""
        try:
            rows = await self._store.scan(self._partition, _RECORD)
        except StoreUnavailable as error:
            raise Unavailable("the store does not answer") from error
        records = [orjson.loads(value) for _, value in rows]
        return {record["id"]: record for record in records if self.seconds_left(record) > 0}

    async def commit(self, edit: Edit, note: Mapping[str, Any] | None = None) -> None:
        """Change subscriptions, and tell all gateways. note: what to find access with later, None to keep what is.

        Raises Unavailable.
        """
        for attempt in range(ATTEMPTS):
            try:
                return await self._commit(edit, note)
            except LeaseLost:
                await stand_back(attempt)
            except StoreUnavailable as error:
                raise Unavailable("the store does not answer") from error
        raise Unavailable("other writers were first each time")

    async def erase(self, ids: Iterable[str]) -> None:
        """RFC 8620 §7.2: the URL and the keys go at once. Raises Unavailable."""
        await self.commit(lambda _: dict.fromkeys(ids))

    async def seen(self) -> dict[str, States]:
        """What each subscription has been told, by id. Raises StoreUnavailable."""
        return {name: orjson.loads(value) for name, value in await self._store.scan(self._partition, _SEEN)}

    async def saw(self, record: Record, states: States) -> None:
        """Remember what a subscription has been told. Raises StoreUnavailable."""
        put = Put(Key(self._partition, _SEEN, record["id"]), orjson.dumps(states), max(1.0, self.seconds_left(record)))
        await self._store.commit(self._partition, [put])

    async def claim(self, record: Record, told: str, seconds: float) -> bool:
        """Whether a subscription has not been told this yet by any gateway; from now on it has, for some seconds.

        Raises Unavailable, StoreUnavailable.
        """
        partition = f"{self._partition}-told"
        digest = hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()
        key = Key(partition, _TOLD, f"{record['id']}-{digest[:32]}")
        for attempt in range(ATTEMPTS):
            lease = await self._store.lease(partition)
            if (await self._store.read([key])) != [None]:
                return False
            with contextlib.suppress(LeaseLost):
                await self._store.commit(partition, [Put(key, b"1", seconds)], lease)
                return True
            await stand_back(attempt)
        raise Unavailable("other writers were first each time")

    def seconds_left(self, record: Record) -> float:
        """Until the subscription expires; not positive for one that has."""
        return datetime.fromisoformat(record["expires"]).timestamp() - self._now()

    async def _commit(self, edit: Edit, note: Mapping[str, Any] | None) -> None:
        lease = await self._store.lease(self._partition)
        before = await self.read()
        wanted = edit(before)
        writes: list[Write] = []
        for record_id, record in wanted.items():
            key = Key(self._partition, _RECORD, record_id)
            if record is None:
                writes += [Delete(key), Delete(Key(self._partition, _SEEN, record_id))]
            else:
                writes.append(Put(key, orjson.dumps(record), max(1.0, self.seconds_left(record))))
        if not writes:
            return
        await self._store.commit(self._partition, writes, lease)
        await self._list([record for record in {**before, **wanted}.values() if record is not None], note)
        await self._store.publish(self.channel, b"changed")

    async def _list(self, records: list[Record], note: Mapping[str, Any] | None) -> None:
        """Keep the owner in the list as long as he has subscriptions."""
        key = Key(OWNERS, _OWNER, self._owner)
        if not records:
            await self._store.commit(OWNERS, [Delete(key)])
            return
        (stored,) = await self._store.read([key])
        value = stored if note is None else orjson.dumps(note)
        if value is not None:
            await self._store.commit(OWNERS, [Put(key, value, max(1.0, *map(self.seconds_left, records)))])


async def owners(store: Store) -> dict[str, dict[str, Any]]:
    """Who has subscriptions: digest -> note. Raises StoreUnavailable."""
    return {name: orjson.loads(value) for name, value in await store.scan(OWNERS, _OWNER)}


def is_verified(record: Record) -> bool:
    """Whether the right code came back (RFC 8620 §7.2.2)."""
    given = record["verificationCode"]
    return given is not None and hmac.compare_digest(given, record["code"])
