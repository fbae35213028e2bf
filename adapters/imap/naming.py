"""Names of mailboxes that are made or changed, and the subscriptions that go with them. RFC 9051 §5.1, §6.3."""

import asyncio
import unicodedata
from collections.abc import Awaitable
from typing import Final

from adapters.errors import AdapterError, Conflict, Forbidden, InvalidData, Unavailable
from adapters.imap import utf7
from adapters.imap.connection import Connection
from adapters.imap.encoder import atom, mailbox, paren, string
from adapters.imap.folders import INBOX, parse_list
from adapters.imap.responses import Completion

USES: Final = {  # RFC 6154 §2, RFC 8457
    "all": "\\All",
    "archive": "\\Archive",
    "drafts": "\\Drafts",
    "flagged": "\\Flagged",
    "important": "\\Important",
    "junk": "\\Junk",
    "sent": "\\Sent",
    "trash": "\\Trash",
}
_PRINTABLE: Final = frozenset(range(0x20, 0x7F))
_CONTROLS: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})


def check(path: str) -> None:
    """Refuse a name that no mailbox should get: InvalidData.

    Control characters, line separators, nothing at all, and the private-use characters that stand for octets of
    names which are no modified UTF-7: those are for mailboxes that exist.
    """
    if not path or any(unicodedata.category(character) in _CONTROLS for character in path):
        raise InvalidData("control character in a mailbox name, or none at all")
    if "" in path.split("/"):  # Cyrus drops an empty level and creates another mailbox than was asked for
        raise InvalidData("an empty level in a mailbox name")
    if not _PRINTABLE.issuperset(utf7.encode(path)):
        raise InvalidData("the name cannot be written in modified UTF-7")


def refuse_inbox(path: str) -> None:
    """INBOX can be neither renamed nor deleted (RFC 9051 §6.3.5, §6.3.6). Raises Forbidden."""
    if path.upper() == INBOX:
        raise Forbidden("INBOX stays where it is")


def refuse_second_inbox(path: str) -> None:
    """INBOX cannot be created, also where no message has come yet (RFC 9051 §6.3.4). Raises Conflict."""
    if path.upper() == INBOX:
        raise Conflict("INBOX is always there")


async def subscriptions(connection: Connection, path: str) -> list[str]:
    """The subscribed ones among a mailbox and all below it, whether they exist or not."""
    pattern = (string(""), mailbox(path + "*"))
    if {b"LIST-EXTENDED", b"IMAP4REV2"} & connection.capabilities:  # LSUB is no part of IMAP4rev2
        completion = await connection.command("LIST", paren(atom("SUBSCRIBED")), *pattern)
    else:
        completion = await connection.command("LSUB", *pattern)
    found = []
    for response in (*completion.of(b"LIST"), *completion.of(b"LSUB")):
        listed = parse_list(response)
        if listed is None or (response.name == b"LSUB" and "\\noselect" in listed.attributes):
            continue  # RFC 3501 §6.3.9: only something below it is subscribed
        if listed.path == path or (listed.delimiter and listed.path.startswith(path + listed.delimiter)):
            found.append(listed.path)
    return found


async def accepted(*commands: Awaitable[Completion]) -> None:
    """Run commands that may be refused without harm. Raises Unavailable."""
    for answer in await asyncio.gather(*commands, return_exceptions=True):
        if isinstance(answer, Unavailable) or (
            isinstance(answer, BaseException) and not isinstance(answer, AdapterError)
        ):
            raise answer
