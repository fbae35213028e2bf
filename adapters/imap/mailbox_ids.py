"""Durable ids of mailboxes: MAILBOXID (RFC 8474) or Dovecot's GUID, from wherever a server gives them soundly."""

from collections.abc import Collection, Mapping, Sequence

from adapters.errors import Broken
from adapters.imap.connection import Connection
from adapters.imap.encoder import atom, mailbox, paren
from adapters.imap.folders import native_id
from adapters.imap.listing import Seen
from adapters.imap.pool import Pool
from adapters.imap.probe import REFUSALS, Nature
from adapters.imap.tokens import Value
from adapters.ports.mail import FolderStatus


class MailboxIds:
    """Ids by path and UIDVALIDITY, kept as long as the mailbox is listed; None where the server gives no usable one."""

    def __init__(self, pool: Pool, nature: Nature) -> None:
        self._pool = pool
        self._name = nature.mailbox_id
        self._ids: dict[tuple[str, int], str | None] = {}

    def of(self, path: str, status: FolderStatus | None) -> str | None:
        """The id of a mailbox with these numbers; without any, of one that the server has an error of its own with."""
        if status is None:
            return next((native for (known, _), native in self._ids.items() if known == path), None)
        return self._ids.get((path, status.uid_validity))

    async def learn(self, seen: Seen, real: Mapping[str, FolderStatus], broken: Collection[str] = ()) -> None:
        """Know the ids of these mailboxes: asked for where they did not come with the STATUS. Raises Unavailable.

        broken: paths of those that the server has an error of its own with.
        """
        if self._name is None:
            return
        for path, status in real.items():
            self._keep(path, status, seen.statuses[path].get(self._name.encode()))
        unknown = [path for path, status in real.items() if (path, status.uid_validity) not in self._ids]
        if unknown:
            asked = Seen()
            await self._pool.run(None, "interactive", lambda connection: self._ask(connection, unknown, asked))
            for path in unknown:
                self._keep(path, real[path], asked.statuses.get(path, {}).get(self._name.encode()))
        for path in unknown:
            if (path, real[path].uid_validity) not in self._ids:
                await self._by_opening(path, real[path])
                self._ids.setdefault((path, real[path].uid_validity), None)
        self._ids = {key: value for key, value in self._ids.items() if key[0] in real or key[0] in broken}

    def _keep(self, path: str, status: FolderStatus, value: Value) -> None:
        native = native_id(value)
        if native is not None:
            self._ids[path, status.uid_validity] = native

    async def _ask(self, connection: Connection, paths: Sequence[str], seen: Seen) -> None:
        item = paren(atom(self._name or ""))
        await seen.collect([connection.command("STATUS", mailbox(path), item) for path in paths], alone=True)

    async def _by_opening(self, path: str, status: FolderStatus) -> None:
        """The answer to EXAMINE has the id (RFC 8474 §4.2), also where STATUS gave garbage."""

        async def examine(connection: Connection) -> None:
            completion = await connection.select(path)
            self._keep(path, status, (completion.code_values(b"MAILBOXID") or [None])[0])

        try:
            await self._pool.run(path, "bulk", examine)
        except (*REFUSALS, Broken):
            return
