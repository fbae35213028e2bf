"""Records that the gateway itself is the keeper of, such as Identities: durable, with a journal of their own.

Everything lies in one partition of the store beside the account's mail: one value for each record, and a head with
the last changes. A commit is atomic; of two writers (also on two replicas) the later one starts again. States are
`<epoch>-<seq>`, as those of `journal`; each change of a record has a `seq` of its own. A type that never changed has
the state `UNCHANGED`, at every gateway and after every restart.
"""

import asyncio
import re
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import orjson

from adapters.errors import Unavailable
from gateway.store.base import Delete, Key, LeaseLost, Put, Store, StoreUnavailable, Write
from gateway.sync.journal import CannotCalculateChanges, ChangeSet
from gateway.sync.pace import ATTEMPTS, stand_back
from gateway.sync.telling import tell

KEEP: Final = 500
"""Changes that are remembered, over all types."""

UNCHANGED: Final = "000000000000-0"
"""The state of a type of which nothing was ever stored."""

_HEAD: Final = "head"
_STATE: Final = re.compile(r"([0-9a-f]{12})-(\d{1,15})", re.ASCII)

Record = dict[str, Any]
"""A JSON object with at least "id"."""


@dataclass(slots=True)
class Edit:
    """What one commit changes: type -> id -> record to be written, type -> ids to be removed.

    known: ids of records that there are although they were never stored; writing them is no creation.
    """

    put: dict[str, dict[str, Record]] = field(default_factory=dict)
    remove: dict[str, list[str]] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)

    def write(self, type_name: str, record: Record) -> None:
        """Create or replace a record."""
        self.put.setdefault(type_name, {})[record["id"]] = record

    def delete(self, type_name: str, record_id: str) -> None:
        """Remove a record."""
        self.remove.setdefault(type_name, []).append(record_id)


@dataclass(slots=True)
class _Head:
    """past: earlier epochs, each with its last `seq`. history: of the store, as `journal.Journal` has it."""

    epoch: str = field(default_factory=lambda: secrets.token_hex(6))
    seq: int = 0
    floor: int = 0
    heads: dict[str, int] = field(default_factory=dict)
    log: list[tuple[int, str, str, str]] = field(default_factory=list)
    past: dict[str, int] = field(default_factory=dict)
    history: str | None = None

    def state(self, type_name: str) -> str:
        return self.named(self.heads.get(type_name, 0))

    def named(self, seq: int) -> str:
        return f"{self.epoch}-{seq}" if seq else UNCHANGED

    def since(self, type_name: str, state: str) -> int | None:
        """The `seq` of a state that the log reaches back to; None for any other."""
        match = _STATE.fullmatch(state)
        if match is None:
            return None
        seq = int(match[2])
        is_known = state == UNCHANGED or match[1] == self.epoch or seq <= self.past.get(match[1], -1)
        is_reached = seq == self.heads.get(type_name, 0) or self.floor <= seq <= self.seq
        return seq if is_known and is_reached else None

    def enter(self, history: str) -> bool:
        """Be stored in a history of the store; whether the epoch is a new one for it, see `journal.Journal.enter`."""
        is_new = self.history not in (None, history)
        if is_new:
            self.past = {epoch: end for epoch, end in self.past.items() if end >= self.floor} | {self.epoch: self.seq}
            self.epoch = secrets.token_hex(6)
        self.history = history
        return is_new

    def note(self, type_name: str, kind: str, record_id: str) -> None:
        self.seq += 1
        self.heads[type_name] = self.seq
        self.log.append((self.seq, type_name, kind, record_id))
        for seq, *_ in self.log[:-KEEP]:
            self.floor = seq
        del self.log[:-KEEP]


class Ledger:
    """The records of one account. types: those with a journal; others that are written are silent.

    part: which of the account's ledgers this is. New states are published on the account's channel.
    """

    def __init__(self, store: Store, account_id: str, types: Sequence[str], part: str = "") -> None:
        self._store = store
        self._account = account_id
        self._partition = f"{account_id}{part}-ledger"
        self.types = frozenset(types)
        self._writing = asyncio.Lock()

    async def read(self, type_name: str) -> dict[str, Record]:
        """All records of a type by id. Raises Unavailable."""
        try:
            rows = await self._store.scan(self._partition, type_name)
        except StoreUnavailable as error:
            raise Unavailable("the store does not answer") from error
        found = (_decoded(value) for _, value in rows)
        return {record["id"]: record for record in found if record is not None and "id" in record}

    async def state(self, type_name: str) -> str:
        """The state string of a type. Raises Unavailable."""
        return (await self._load()).state(type_name)

    async def states(self, type_names: Iterable[str]) -> dict[str, str]:
        """The state strings of types, by name. Raises Unavailable."""
        head = await self._load()
        return {name: head.state(name) for name in type_names}

    async def changes(self, type_name: str, since: str, max_changes: int | None) -> ChangeSet:
        """RFC 8620 §5.2. Raises CannotCalculateChanges, Unavailable."""
        head = await self._load()
        start = head.since(type_name, since)
        if start is None:
            raise CannotCalculateChanges
        return _net(head, type_name, since, start, max_changes)

    async def commit(self, edit: Callable[[Mapping[str, Mapping[str, Record]]], Edit], types: Sequence[str]) -> None:
        """Change records: `edit` sees the current ones of the types and may be called again. Raises Unavailable."""
        async with self._writing:
            for attempt in range(ATTEMPTS):
                try:
                    return await self._commit(edit, types)
                except LeaseLost:
                    await stand_back(attempt)
                except StoreUnavailable as error:
                    raise Unavailable("the store does not answer") from error
        raise Unavailable("other writers were first each time")

    async def _commit(self, edit: Callable[[Mapping[str, Mapping[str, Record]]], Edit], types: Sequence[str]) -> None:
        lease = await self._store.lease(self._partition)
        before = {name: await self.read(name) for name in types}
        head = await self._load()
        wanted = edit(before)
        writes: list[Write] = []
        is_new = head.enter(lease.history)
        for name, records in wanted.put.items():
            for record_id, record in records.items():
                writes.append(Put(Key(self._partition, name, record_id), orjson.dumps(record)))
                if name in self.types:
                    head.note(name, "u" if record_id in before[name] or record_id in wanted.known else "c", record_id)
        for name, ids in wanted.remove.items():
            writes.extend(Delete(Key(self._partition, name, record_id)) for record_id in ids)
            for record_id in ids if name in self.types else ():
                head.note(name, "d", record_id)
        if writes:
            await self._store.commit(self._partition, [*writes, self._head_write(head)], lease)
            changed = self.types if is_new else self.types & (wanted.put.keys() | wanted.remove.keys())
            await tell(self._store, self._account, {name: head.state(name) for name in changed})

    async def _load(self) -> _Head:
        """The head as it is stored; a new one where there is none (any more)."""
        try:
            (value,) = await self._store.read([Key(self._partition, _HEAD, _HEAD)])
        except StoreUnavailable as error:
            raise Unavailable("the store does not answer") from error
        stored = None if value is None else _decoded(value)
        if stored is None:
            return _Head()
        log = [(seq, name, kind, record_id) for seq, name, kind, record_id in stored["log"]]
        past, history = stored.get("past", {}), stored.get("history")
        return _Head(stored["epoch"], stored["seq"], stored["floor"], stored["heads"], log, past, history)

    def _head_write(self, head: _Head) -> Put:
        return Put(Key(self._partition, _HEAD, _HEAD), orjson.dumps(asdict(head)))


def _decoded(value: bytes) -> Record | None:
    """What cannot be decoded is absent."""
    try:
        record = orjson.loads(value)
    except orjson.JSONDecodeError:
        return None
    return record if isinstance(record, dict) else None


def _net(head: _Head, type_name: str, since: str, start: int, max_changes: int | None) -> ChangeSet:
    """The changes after `start`, oldest first, as many as fit."""
    kinds: dict[str, str] = {}
    upto, more = max(start, head.heads.get(type_name, 0)), False
    for seq, name, kind, record_id in head.log:
        if name != type_name or seq <= start:
            continue
        if record_id not in kinds and max_changes is not None and len(kinds) == max_changes:
            more = True
            break
        kinds[record_id] = kinds.get(record_id, "") + kind
        upto = seq
    return ChangeSet(
        old_state=since,
        new_state=head.named(upto),
        has_more=more,
        created=[key for key, kind in kinds.items() if kind[0] == "c" and kind[-1] != "d"],
        updated=[key for key, kind in kinds.items() if kind[0] == "u" and kind[-1] != "d"],
        destroyed=[key for key, kind in kinds.items() if kind[0] != "c" and kind[-1] == "d"],
    )
