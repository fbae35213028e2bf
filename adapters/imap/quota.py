"""Limits over IMAP (RFC 9208, RFC 2087): the quota roots of the INBOX, where new mail arrives."""

from collections.abc import Iterator
from typing import Final

from adapters.errors import Broken, Unsupported
from adapters.imap.connection import Connection
from adapters.imap.encoder import mailbox
from adapters.imap.folders import INBOX
from adapters.imap.pool import Pool
from adapters.imap.responses import Completion
from adapters.imap.tokens import Value
from adapters.ports.quota import QuotaPort, QuotaRoot, Resource, Usage

_UNITS: Final[dict[bytes, tuple[Resource, int]]] = {
    b"STORAGE": ("STORAGE", 1024),  # RFC 9208 §5.1: in units of 1024 octets
    b"MESSAGE": ("MESSAGE", 1),
    b"MAILBOX": ("MAILBOX", 1),
}


class ImapQuota(QuotaPort):
    """The limits of one login. They are not asked for before a client does: that may open every mailbox at the server.

    fails: whether the server was found not to be able to tell, though it has QUOTA.
    """

    _pool: Pool
    fails = False

    async def quotas(self) -> list[QuotaRoot]:
        """See QuotaPort; none where the server has no QUOTA."""
        try:
            return await self._pool.run(None, "interactive", _ask, repeatable=True)
        except (Broken, Unsupported):
            self.fails = True
            raise


async def _ask(connection: Connection) -> list[QuotaRoot]:
    """What limits the login. Raises Unavailable, Forbidden, NotFound."""
    if b"QUOTA" not in connection.capabilities:
        return []
    return quota_roots(await connection.command("GETQUOTAROOT", mailbox(INBOX)))


def quota_roots(completion: Completion) -> list[QuotaRoot]:
    """The roots of a GETQUOTAROOT that limit something, each once (RFC 9208 §4.2.1). What is malformed is left out."""
    roots: dict[str, QuotaRoot] = {}
    for response in completion.of(b"QUOTA"):
        match response.values:
            case [bytes(name), list(values)]:
                root = QuotaRoot(name.decode("utf-8", "replace"), dict(_usages(values)))
                if root.resources:
                    roots[root.name] = root
    return list(roots.values())


def _usages(values: list[Value]) -> Iterator[tuple[Resource, Usage]]:
    """The known resources of a list such as `STORAGE 10 512 MESSAGE 2 100`."""
    for name, used, limit in zip(values[::3], values[1::3], values[2::3], strict=False):
        known = _UNITS.get(name.upper()) if isinstance(name, bytes) else None
        amounts = _number(used), _number(limit)
        if known is not None and amounts[0] is not None and amounts[1] is not None:
            resource, unit = known
            yield resource, Usage(amounts[0] * unit, amounts[1] * unit)


def _number(value: Value) -> int | None:
    """A number of the grammar: 63 bits (RFC 9208 §7)."""
    return int(value) if isinstance(value, bytes) and value.isdigit() and len(value) < 20 else None
