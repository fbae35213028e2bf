"""Opening the contacts of a login that its mail server has proven; logins of one owner share them."""

from dataclasses import dataclass

from adapters.carddav.backend import CardDav
from adapters.dav.connection import Credentials
from gateway.config import Config
from gateway.dav_logins import DavLogin, dav_endpoint
from gateway.store.base import Store
from gateway.sync import ids
from gateway.sync.contacts.account import ContactsAccount
from gateway.sync.watch import Turns, Watch


@dataclass(slots=True, eq=False)
class _Shared:
    """The contacts of one owner, for all logins that have proven themselves."""

    login: DavLogin
    port: CardDav
    contacts: ContactsAccount
    watch: Watch

    async def connect(self, port: CardDav) -> None:
        """The connections are others from now on."""
        old, self.port, self.contacts.port = self.port, port, port
        await old.close()


@dataclass(frozen=True, slots=True)
class OpenedContacts:
    """The contacts of a login, and who keeps them fresh while somebody listens."""

    contacts: ContactsAccount
    watch: Watch


class ContactBackends:
    """The CardDAV servers beside the mail servers."""

    def __init__(self, config: Config, store: Store, gateway: bytes) -> None:
        """Raises ConfigError where a CA file cannot be used. gateway: stands for this gateway, and for no other."""
        self._store = store
        self._gateway = gateway
        self._poll_seconds = config.push.poll_seconds
        self._stale = 2 * config.auth.cache_seconds
        self._endpoints = {
            name: dav_endpoint(f"backends.{name}.carddav", backend.carddav)
            for name, backend in config.backends.items()
            if backend.carddav is not None
        }
        self._shared: dict[str, _Shared] = {}

    async def open(self, name: str, user: str, credentials: Credentials) -> OpenedContacts | None:
        """The owner's contacts; None where there is no server, or while it does not take the login.

        name: of the backend. user: the owner, as it knows him.

        credentials: an object of this login's own. Whatever comes of it, also None or an error, `release` ends it.
        """
        endpoint = self._endpoints.get(name)
        if endpoint is None:
            return None
        account_id = ids.account_id(name, user)
        shared = self._shared.get(account_id)
        if shared is None:
            port = CardDav(endpoint, credentials)
            contacts = ContactsAccount(account_id, account_id, port, self._store)
            turns = Turns(self._store, f"{account_id}-contacts", self._gateway) if self._store.shared else None
            watch = Watch(contacts, self._poll_seconds, turns)
            login = DavLogin("CardDAV", credentials, self._stale)
            shared = self._shared[account_id] = _Shared(login, port, contacts, watch)
        shared.login.holders.append(credentials)
        await shared.login.prove(
            credentials, lambda found: shared.connect(CardDav(endpoint, found)), shared.contacts.learn
        )
        return OpenedContacts(shared.contacts, shared.watch) if shared.login.answered else None

    async def release(self, account_id: str, credentials: Credentials) -> None:
        """Let the login go that was opened with this very object; nothing happens where none was."""
        shared = self._shared.get(account_id)
        if shared is None or not shared.login.let_go(credentials):
            return
        del self._shared[account_id]
        await shared.contacts.close()
        await shared.port.close()
