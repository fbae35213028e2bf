"""The mail that others share with an owner: an account of its own for each of them (RFC 8620 §1.6.2)."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence

from adapters.imap.backend import ImapMail
from adapters.imap.shared import Share
from adapters.ports.watch import Watched
from gateway.store.base import Store
from gateway.sync import ids
from gateway.sync.account import MailAccount
from gateway.sync.watch import Turns, Watch


class SharedAccount:
    """What one owner's logins see of the mail of somebody else, or of nobody.

    id: of the account, the same for all who see it. view: `ids.view_id`, what is kept is kept under it.
    turn: whose turn it is to look without being asked.
    """

    def __init__(
        self, account_id: str, view: str, share: Share, port: ImapMail, store: Store, turn: asyncio.Semaphore
    ) -> None:
        self.id = account_id
        self.view = view
        self.share = share
        self._port = port.shared(share)
        self.mail = MailAccount(view, account_id, self._port, store)
        self.holders = 0
        self._turn = turn
        self.watch: Watch

    @property
    def name(self) -> str:
        """What to call the account: by its owner, else by the namespace."""
        return self.share.place.owner or self.share.place.top

    def renew(self, share: Share) -> None:
        """The rights were asked for anew."""
        self.share = self._port.share = share

    def connect(self, port: ImapMail) -> None:
        """The owner's connections are others from now on."""
        self._port = self.mail.port = port.shared(self.share)

    # What `Watch` asks.

    @property
    def watched(self) -> Watched:
        return self._port.watched

    def hints(self) -> AsyncGenerator[None, None]:
        return self._port.hints()

    async def refresh(self) -> None:
        async with self._turn:
            await self.mail.refresh()


class Shares:
    """All that is shared with one owner, for all logins that have proven themselves."""

    def __init__(self, backend: str, account_id: str, store: Store, poll_seconds: float, gateway: bytes) -> None:
        """account_id: the owner's own. gateway: stands for this gateway, and for no other."""
        self._backend = backend
        self._account_id = account_id
        self._store = store
        self._poll_seconds = poll_seconds
        self._gateway = gateway
        self._found: Sequence[Share] = ()
        self._accounts: dict[str, SharedAccount] = {}
        self._turn = asyncio.Semaphore()  # a hundred accounts at once would take all connections from the requests

    def learn(self, found: Sequence[Share] | None) -> None:
        """What a proof of a login has brought to light; None where the server could not tell: as before."""
        self._found = self._found if found is None else found

    def take(self, port: ImapMail) -> list[SharedAccount]:
        """The accounts as of the last proof; each is to be given back."""
        taken = [self._account(share, port) for share in self._found]
        for account in taken:
            account.holders += 1
        return taken

    def _account(self, share: Share, port: ImapMail) -> SharedAccount:
        place = share.place
        if place.owner is None:
            account_id = ids.shared_account_id(self._backend, place.prefix)
        else:
            account_id = ids.account_id(self._backend, place.owner)
        account = self._accounts.get(account_id)
        if account is not None:
            account.renew(share)
            return account
        view = ids.view_id(self._account_id, account_id)
        account = self._accounts[account_id] = SharedAccount(account_id, view, share, port, self._store, self._turn)
        turns = Turns(self._store, view, self._gateway) if self._store.shared else None
        account.watch = Watch(account, self._poll_seconds, turns)
        return account

    def connect(self, port: ImapMail) -> None:
        """The owner's connections are others from now on."""
        for account in self._accounts.values():
            account.connect(port)

    async def give_back(self, taken: Iterable[SharedAccount]) -> None:
        """Let go of what one login took; nobody looks at the rest any more."""
        for account in taken:
            account.holders -= 1
            if not account.holders:
                del self._accounts[account.id]
                await account.mail.close()
