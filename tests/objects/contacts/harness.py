"""The contact types on a model server, without a web layer."""

from typing import Any

from gateway.context import Account
from gateway.jmap.capabilities import CORE
from gateway.objects.contacts.capability import CONTACTS
from gateway.objects.core.blob_capability import BLOB
from gateway.store.sqlite import SqliteStore
from gateway.sync.contacts.account import ContactsAccount
from gateway.sync.contacts.entries import entry_of
from gateway.sync.contacts.index import Place, Resource
from tests.objects.model_client import ModelClient
from tests.sync.contacts.model import Home, ModelPort

ACCOUNT = "acon"
USING = frozenset({CORE, CONTACTS, BLOB})


class Client(ModelClient):
    """One client of an account in front of a model home."""

    kind = "ContactCard"

    def __init__(self, home: Home, account_id: str = ACCOUNT, store: SqliteStore | None = None) -> None:
        self.home = home
        self.store = store or SqliteStore(None)
        self.contacts = ContactsAccount(account_id, account_id, ModelPort(home), self.store)
        capabilities: dict[str, dict[str, Any]] = {urn: {} for urn in USING}
        account = Account(account_id, "alice@example.org", True, False, capabilities, None, contacts=self.contacts)
        super().__init__(account, self.store, USING)

    async def card(self, card_id: str, **arguments: Any) -> dict[str, Any]:
        """One card."""
        (card,) = (await self.call("ContactCard/get", ids=[card_id], **arguments))["list"]
        found: dict[str, Any] = card
        return found

    async def book(self, path: str) -> dict[str, Any]:
        """One address book."""
        (book,) = (await self.call("AddressBook/get", ids=[self.book_id(path)]))["list"]
        found: dict[str, Any] = book
        return found

    async def hold(self, path: str, *cards: dict[str, Any]) -> None:
        """Have cards in the index as if the server had them."""
        await self.contacts.refresh()
        places = {Place(self.book_id(path), f"{card['uid']}.vcf"): Resource('"1"', entry_of(card)) for card in cards}
        await self.contacts.advance(places)

    def book_id(self, path: str) -> str:
        return self.contacts.ids.book(path)

    def card_id(self, uid: str) -> str:
        return self.contacts.ids.card(uid)

    def name(self, uid: str) -> str:
        """The name that a created card has."""
        return f"{self.card_id(uid)}.vcf"


def vcard(*lines: str, version: str = "4.0") -> str:
    """A resource with one vCard."""
    return "".join(f"{line}\r\n" for line in ("BEGIN:VCARD", f"VERSION:{version}", *lines, "END:VCARD"))


def record(client: Client, **card: Any) -> dict[str, Any]:
    """A new card, in the address book of the fixture."""
    return {"addressBookIds": {client.book_id("work/"): True}, "name": {"full": "Jane"}, **card}
