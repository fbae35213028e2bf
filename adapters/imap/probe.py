"""What a server turns out to be: capabilities, namespaces, and where durable ids come from.

Ids: EMAILID (RFC 8474) before X-GM-MSGID (Gmail) before Dovecot's X-GUID, which is not in CAPABILITY and therefore
asked for with a STATUS that other servers refuse; else fingerprints, see `bulk`.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from adapters.errors import Forbidden, NotFound, Unsupported
from adapters.imap.connection import Connection
from adapters.imap.encoder import atom, fetch_item, mailbox, paren, seqset_text
from adapters.imap.fetch import by_uid
from adapters.imap.folders import INBOX, Listed, Namespaces, is_virtual, native_id, parse_namespaces, parse_status
from adapters.ports.mail import IdSource, MailFacts

REFUSALS: Final = (NotFound, Forbidden, Unsupported)


@dataclass(frozen=True, slots=True)
class Nature:
    """The facts of a backend that the adapter works by.

    mailbox_id: the STATUS item with the id of a mailbox, or None. views: prefixes of virtual mailboxes.
    """

    capabilities: frozenset[bytes]
    namespaces: Namespaces
    id_source: IdSource
    thread_ids: bool
    mailbox_id: str | None
    views: tuple[str, ...]

    @property
    def facts(self) -> MailFacts:
        """What the port tells of it."""
        return MailFacts(self.id_source, self.thread_ids, self.namespaces.prefix, self.namespaces.delimiter)

    @property
    def gmail(self) -> bool:
        """Whether All Mail is where the messages are, and other mailboxes are labels."""
        return b"X-GM-EXT-1" in self.capabilities

    @property
    def preview(self) -> bool:
        """Whether PREVIEW can be fetched (RFC 8970)."""
        return b"PREVIEW" in self.capabilities

    @property
    def lists_status(self) -> bool:
        """Whether one LIST can bring subscriptions and STATUS (RFC 5258, RFC 5819; both are in IMAP4rev2)."""
        return {b"LIST-EXTENDED", b"LIST-STATUS"} <= self.capabilities or b"IMAP4REV2" in self.capabilities

    @property
    def acl(self) -> bool:
        """Whether mailboxes have rights (RFC 4314)."""
        return b"ACL" in self.capabilities

    @property
    def quota(self) -> bool:
        """Whether limits can be asked for (RFC 9208 §3.1)."""
        return b"QUOTA" in self.capabilities

    def is_view(self, listed: Listed) -> bool:
        """Whether a mailbox is virtual."""
        return is_virtual(listed, self.views, views_by_use=not self.gmail)


async def probe(connection: Connection, forced: IdSource | None, virtual_prefixes: tuple[str, ...]) -> Nature:
    """Learn the nature of a server over one connection. Raises Unsupported where it lacks the `forced` source."""
    capabilities = connection.capabilities
    asks_guid = forced in (None, "x-guid") and b"OBJECTID" not in capabilities
    namespaces, guid = await asyncio.gather(namespaces_of(connection), _has_guid(connection, asks=asks_guid))
    source = forced or _best_source(capabilities, guid=guid)
    if source not in _sources(capabilities, guid=guid):
        raise Unsupported(f"the server has no {source}")
    return Nature(
        capabilities=capabilities,
        namespaces=namespaces,
        id_source=source,
        thread_ids=await _has_threads(connection, source),
        mailbox_id="MAILBOXID" if source == "emailid" else "X-GUID" if source == "x-guid" else None,
        views=(*virtual_prefixes, *namespaces.views()),
    )


def _sources(capabilities: frozenset[bytes], *, guid: bool) -> list[IdSource]:
    """All sources of message ids that the server has, best first."""
    found: list[IdSource] = []
    if b"OBJECTID" in capabilities:
        found.append("emailid")
    if b"X-GM-EXT-1" in capabilities:
        found.append("x-gm-msgid")
    if guid:
        found.append("x-guid")
    return [*found, "fingerprint"]


def _best_source(capabilities: frozenset[bytes], *, guid: bool) -> IdSource:
    return _sources(capabilities, guid=guid)[0]


async def namespaces_of(connection: Connection) -> Namespaces:
    """Where the mailboxes of the login are, and those of others (RFC 2342 §5)."""
    if not {b"NAMESPACE", b"IMAP4REV2"} & connection.capabilities:
        return Namespaces()
    completion = await connection.command("NAMESPACE")
    return next(map(parse_namespaces, completion.of(b"NAMESPACE")), Namespaces())


async def _has_guid(connection: Connection, *, asks: bool) -> bool:
    if not asks:
        return False
    try:
        completion = await connection.command("STATUS", mailbox(INBOX), paren(atom("X-GUID")))
    except REFUSALS:
        return False
    parsed = next(iter(map(parse_status, completion.of(b"STATUS"))), None)
    return parsed is not None and native_id(parsed[1].get(b"X-GUID")) is not None


async def _has_threads(connection: Connection, source: IdSource) -> bool:
    """RFC 8474 §5.2: a server without threads answers NIL for every message. With no message to ask, trust it."""
    if source != "emailid":
        return source == "x-gm-msgid"
    try:
        await connection.select(INBOX)
        completion = await connection.command(
            "UID FETCH", seqset_text("*"), paren(fetch_item("UID"), fetch_item("THREADID"))
        )
    except REFUSALS:
        return False
    return all(items.get(b"THREADID") for items in by_uid(completion).values())
