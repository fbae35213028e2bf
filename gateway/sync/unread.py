"""Emails that a client asked for in vain: they exist, and the mail server fails over them (decision 16).

Kept in the store, each as a value of its own, until they can be read: clients are told then that they changed.
"""

import logging
from collections.abc import Iterable
from typing import Final

from gateway.store.base import Delete, Key, Put, Store, StoreUnavailable, Write

_log = logging.getLogger(__name__)

SPACE: Final = "mail.unread"


class Unread:
    """Those of one account; without a store they are forgotten at its end.

    ids: in the order in which they are to be tried. watched: whether somebody tries them.
    """

    def __init__(self, store: Store, account_id: str) -> None:
        self._store = store
        self._account = account_id
        self._loaded = False
        self.ids: dict[str, None] = {}
        self.watched = False

    async def load(self) -> None:
        """Know those of the time before. It is tried once: nobody is to wait each time for a store that is away."""
        if self._loaded:
            return
        self._loaded = True
        try:
            kept = await self._store.scan(self._account, SPACE)
        except StoreUnavailable as error:
            _log.warning("it cannot be read which Emails were not: %s", error)
            return
        self.ids |= dict.fromkeys(name for name, _ in kept)

    async def add(self, email_ids: Iterable[str]) -> None:
        """Some could not be read."""
        new = [email_id for email_id in email_ids if email_id not in self.ids]
        self.ids |= dict.fromkeys(new)
        await self._write([Put(self._key(email_id), b"1") for email_id in new])

    async def remove(self, email_ids: Iterable[str]) -> None:
        """Some can be read, or are gone."""
        known = [email_id for email_id in email_ids if email_id in self.ids]
        for email_id in known:
            del self.ids[email_id]
        await self._write([Delete(self._key(email_id)) for email_id in known])

    def put_off(self, email_ids: Iterable[str]) -> None:
        """Try the others first."""
        for email_id in email_ids:
            if email_id in self.ids:
                del self.ids[email_id]
                self.ids[email_id] = None

    async def _write(self, writes: list[Write]) -> None:
        if writes:
            try:
                await self._store.commit(self._account, writes)
            except StoreUnavailable as error:
                _log.warning("it cannot be kept which Emails were not read: %s", error)

    def _key(self, email_id: str) -> Key:
        return Key(self._account, SPACE, email_id)
