"""A message that is asked for together with the listing of all folders, in one round trip.

Who opens a message waits for a listing, because the answer must be true as of the request, and then for the message.
What the message is never changes (RFC 8621 §4.1), so that it may be read in the same moment.
"""

import contextlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from adapters.errors import AdapterError
from adapters.imap.commands import Pending
from adapters.imap.connection import Connection
from adapters.imap.encoder import Part, seqset
from adapters.imap.errors import SessionConfused
from adapters.imap.fetch import messages
from adapters.imap.responses import Completion, Untagged, fetch_items
from adapters.ports.mail import FetchPlan, MessageData

MOST = 8
"""Messages that are read along with one listing: others wait for that too."""

_CHANGES = frozenset((b"FLAGS", b"MODSEQ"))


@dataclass(eq=False, slots=True)
class Wish:
    """One message that somebody is about to fetch. found: the message, once it was read.

    It is asked for once: a server that fails over the message fails the listing with it.
    """

    path: str
    uid_validity: int
    uid: int
    plan: FetchPlan
    items: Part
    asked: bool = False
    found: dict[int, MessageData] | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A wish whose command is on its way."""

    wish: Wish
    pending: Pending

    async def outcome(self, connection: Connection) -> list[Untagged]:
        """Enter what came of it; the responses that tell of something else, behind the commands that followed it."""
        try:
            completion = await connection.outcome(self.pending, None)
        except SessionConfused:
            connection.abort()  # the next listing is that of another session
            return []
        except AdapterError:  # whoever wishes it asks again
            return []
        self.wish.found = messages(completion, self.wish.plan) or None
        return _news(completion)


class Wishes:
    """What is wished at the moment."""

    def __init__(self) -> None:
        self._wishes: list[Wish] = []

    @contextlib.contextmanager
    def wishing(self, wish: Wish) -> Iterator[None]:
        """While the context lasts the message may be read along with a listing."""
        self._wishes.append(wish)
        try:
            yield
        finally:
            self._wishes.remove(wish)

    def ask(self, connection: Connection) -> list[Asked]:
        """Ask for what lies in the mailbox that the connection has open; the commands leave with the next ones."""
        here = connection.selected, connection.uid_validity
        fitting = [one for one in self._wishes if (one.path, one.uid_validity) == here and not one.asked][:MOST]
        for one in fitting:
            one.asked = True
        return [Asked(one, connection.ask("UID FETCH", (seqset([one.uid]), one.items))) for one in fitting]

    def granted(
        self, path: str, uid_validity: int, uids: Collection[int], plan: FetchPlan
    ) -> dict[int, MessageData] | None:
        """What was read along, if just that is fetched."""
        wanted = path, uid_validity, list(uids), plan
        fitting = (one for one in self._wishes if (one.path, one.uid_validity, [one.uid], one.plan) == wanted)
        return next((one.found for one in fitting if one.found is not None), None)


def _news(completion: Completion) -> list[Untagged]:
    """Responses that are no answer: a plan never asks for flags, so those that have some tell of a change."""
    told = [response for response in completion.untagged if response.name != b"FETCH" or _changes(response)]
    return told if completion.code is None else [*told, Untagged(b"OK", None, [], completion.code)]


def _changes(response: Untagged) -> bool:
    return not _CHANGES.isdisjoint(fetch_items(response))
