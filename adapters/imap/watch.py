r"""Hints of changes over a connection of their own: NOTIFY for all mailboxes of the login, else IDLE on INBOX.

With NOTIFY nothing is selected, and IDLE goes on top of it: it renews itself before the server's inactivity limit and
ends when the connection does. Dovecot reports changes of keywords only where CONDSTORE was enabled, as the connection
does when it is opened, and its hints come half a second late.
"""

from collections.abc import AsyncGenerator
from typing import Final

from adapters.errors import Unavailable, Unsupported
from adapters.imap.connection import Connection
from adapters.imap.encoder import atom, paren
from adapters.imap.folders import INBOX
from adapters.imap.pool import Pool
from adapters.imap.responses import Untagged
from adapters.ports.watch import Watched

_EVENTS: Final = ("MessageNew", "MessageExpunge", "FlagChange", "MailboxName", "SubscriptionChange")  # RFC 5465 §5
_NEWS: Final = frozenset({b"EXISTS", b"EXPUNGE", b"FETCH", b"VANISHED", b"STATUS", b"LIST", b"LSUB"})
_OVERFLOW: Final = b"NOTIFICATIONOVERFLOW"


def watched(capabilities: frozenset[bytes]) -> Watched:
    """What a server with these capabilities gives hints about."""
    if not {b"IDLE", b"IMAP4REV2"} & capabilities:
        return "nothing"
    return "everything" if b"NOTIFY" in capabilities else "inbox"


async def hints(pool: Pool) -> AsyncGenerator[None, None]:
    """See `WatchPort.hints`. The connection is closed afterwards: nothing else is done on one that was watched on."""
    async with pool.acquire(None, "watch") as connection:
        try:
            match watched(connection.capabilities):
                case "nothing":
                    raise Unsupported("the server has no IDLE")
                case "everything":
                    await connection.unselect()
                    await connection.notify(paren(atom("personal"), paren(*map(atom, _EVENTS))))
                case "inbox":
                    await connection.select(INBOX)
            async with connection.idle() as idle:
                yield
                async for response in idle:
                    if _is_news(response):
                        idle.clear()
                        yield
        finally:
            await _leave(connection)


def _is_news(response: Untagged) -> bool:
    if response.code is not None and response.code.name == _OVERFLOW:
        raise Unavailable("the server has too much to tell")  # RFC 5465 §5.8: NOTIFY is off from here on
    return response.name in _NEWS


async def _leave(connection: Connection) -> None:
    if not connection.busy:
        await connection.logout()
    connection.abort()
