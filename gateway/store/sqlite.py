"""The embedded store: one SQLite file (or memory), one thread that owns the connection.

Good for one replica. Publishing reaches the subscribers of this process.
"""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from gateway.store.base import Delete, DeleteRange, Key, Lease, LeaseLost, Put, Seen, StoreUnavailable, Write
from gateway.store.channels import Channels, Hear, Subscription

logger = logging.getLogger(__name__)
Result = TypeVar("Result")

SCHEMA = """
CREATE TABLE IF NOT EXISTS entry (
    account TEXT NOT NULL, space TEXT NOT NULL, name TEXT NOT NULL, value BLOB NOT NULL, expires REAL,
    PRIMARY KEY (account, space, name)
);
CREATE INDEX IF NOT EXISTS entry_expires ON entry (expires) WHERE expires IS NOT NULL;
CREATE TABLE IF NOT EXISTS lease (account TEXT PRIMARY KEY, token INTEGER NOT NULL);
"""
LIVE = "(expires IS NULL OR expires > ?)"
PURGE_SECONDS = 60.0
CHECKPOINT_PAGES = 1000
"""After so many in the log they are copied to where they belong: it takes milliseconds, which no writer waits for."""
PAGE = 4096


class SqliteStore:
    """A Store on SQLite. `path` None keeps everything in memory."""

    shared = False

    def __init__(self, path: Path | None = None) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._channels = Channels()
        self._path = path
        self._database: sqlite3.Connection | None = None
        self._purged = 0.0
        self._logged = 0  # pages, about

    async def read(self, keys: Sequence[Key]) -> list[bytes | None]:
        """See Store.read."""
        return await self._run(lambda database: [_value(database, key) for key in keys])

    async def scan(
        self, account: str, space: str, start: str = "", end: str = "", limit: int | None = None
    ) -> list[tuple[str, bytes]]:
        """See Store.scan."""
        sql = (
            f"SELECT name, value FROM entry WHERE account = ? AND space = ? AND name >= ?"  # noqa: S608 constants only
            f" AND (? = '' OR name < ?) AND {LIVE} ORDER BY name LIMIT ?"
        )
        values = (account, space, start, end, end, time.time(), -1 if limit is None else limit)
        return await self._run(lambda database: database.execute(sql, values).fetchall())

    async def lease(self, account: str) -> Lease:
        """See Store.lease."""
        token = await self._run(lambda database: _take_lease(database, account))
        return Lease(account, token)

    async def commit(
        self, account: str, writes: Sequence[Write], lease: Lease | None = None, seen: Sequence[Seen] = ()
    ) -> None:
        """See Store.commit."""
        await self._run(lambda database: self._commit(database, account, writes, lease, seen))
        self._logged += sum(map(_pages, writes))
        if self._logged >= CHECKPOINT_PAGES:
            self._logged = 0
            self._thread.submit(self._guarded, _checkpoint)

    async def publish(self, channel: str, message: bytes) -> None:
        """See Store.publish."""
        self._channels.deliver(channel, message)

    def subscribe(self, channel: str, hear: Hear) -> Subscription:
        """See Store.subscribe."""
        return self._channels.subscribed(channel, hear)

    async def ping(self) -> None:
        """See Store.ping."""
        await self.lease("")

    async def warnings(self) -> list[str]:
        """See Store.warnings."""
        return []

    async def close(self) -> None:
        """See Store.close."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._disconnect)
        self._thread.shutdown()

    async def _run(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._guarded, work)

    def _guarded(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        try:
            if self._database is None:
                self._database = _connect(self._path)
            return work(self._database)
        except sqlite3.Error as error:
            raise StoreUnavailable(str(error)) from error

    def _disconnect(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    def _commit(
        self,
        database: sqlite3.Connection,
        account: str,
        writes: Sequence[Write],
        lease: Lease | None,
        seen: Sequence[Seen],
    ) -> None:
        now = time.time()
        with database:
            # IMMEDIATE: the lease is checked under the write lock, also against another process on the file.
            database.execute("BEGIN IMMEDIATE")
            if lease is not None and _current_token(database, lease.account) != lease.token:
                raise LeaseLost(lease.account)
            if any(_value(database, key) != value for key, value in seen):
                raise LeaseLost(account)
            for write in writes:
                _apply(database, account, write, now)
            if now > self._purged + PURGE_SECONDS:
                database.execute("DELETE FROM entry WHERE expires <= ?", (now,))
                self._purged = now


def _connect(path: Path | None) -> sqlite3.Connection:
    if path is None:
        return _prepared(":memory:")
    try:
        return _prepared(str(path))
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise
        # Not a database any more. Nothing in it is the truth about mail: set it aside and begin again.
        aside = path.with_suffix(f"{path.suffix}.damaged")
        path.replace(aside)
        logger.exception("store file is damaged; set aside", extra={"aside": str(aside)})
        return _prepared(str(path))


def _prepared(path: str) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = NORMAL")
    database.execute(f"PRAGMA wal_autocheckpoint = {4 * CHECKPOINT_PAGES}")  # for whoever opens the file besides
    database.execute("PRAGMA secure_delete = ON")  # RFC 8620 §7.2: URLs and keys of push subscriptions are erased
    database.execute("PRAGMA cache_size = -512")  # KiB; everything is read once and then kept by whoever read it
    database.executescript(SCHEMA)
    return database


def _checkpoint(database: sqlite3.Connection) -> None:
    database.execute("PRAGMA wal_checkpoint(PASSIVE)")


def _pages(write: Write) -> int:
    """How many pages a write touches, about: those of its value, and of the trees that lead there."""
    return 3 + (len(write.value) // PAGE if isinstance(write, Put) else 0)


def _value(database: sqlite3.Connection, key: Key) -> bytes | None:
    sql = f"SELECT value FROM entry WHERE account = ? AND space = ? AND name = ? AND {LIVE}"  # noqa: S608 constants only
    row = database.execute(sql, (key.account, key.space, key.name, time.time())).fetchone()
    return None if row is None else bytes(row[0])


def _current_token(database: sqlite3.Connection, account: str) -> int | None:
    row = database.execute("SELECT token FROM lease WHERE account = ?", (account,)).fetchone()
    return None if row is None else int(row[0])


def _take_lease(database: sqlite3.Connection, account: str) -> int:
    # A lost lease record must not let an old token match again: the first token comes from the clock.
    sql = "INSERT INTO lease VALUES (?, ?) ON CONFLICT (account) DO UPDATE SET token = token + 1 RETURNING token"
    return int(database.execute(sql, (account, time.time_ns() // 1000)).fetchone()[0])


def _apply(database: sqlite3.Connection, account: str, write: Write, now: float) -> None:
    match write:
        case Put(key, value, ttl):
            expires = None if ttl is None else now + ttl
            row = (account, key.space, key.name, value, expires)
            database.execute("INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?, ?)", row)
        case Delete(key):
            where = "account = ? AND space = ? AND name = ?"
            database.execute(f"DELETE FROM entry WHERE {where}", (account, key.space, key.name))  # noqa: S608 constants only
        case DeleteRange(_, space, start, end):
            where = "account = ? AND space = ? AND name >= ? AND (? = '' OR name < ?)"
            database.execute(f"DELETE FROM entry WHERE {where}", (account, space, start, end, end))  # noqa: S608 constants only
