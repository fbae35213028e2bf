"""The address books of one account."""

from adapters.ports.contacts import ContactsFacts, ContactsPort
from gateway.store.base import Store
from gateway.sync.collections.account import JOURNAL_KEEP, CollectionsAccount
from gateway.sync.collections.index import Settings
from gateway.sync.committer import RETRY_SECONDS
from gateway.sync.contacts.edit import Edit
from gateway.sync.contacts.index import Ids, Index, Place, Resource
from gateway.sync.contacts.persist import ContactsForm
from gateway.sync.contacts.refresh import look


class ContactsAccount(CollectionsAccount[Index, Place, Resource, ContactsFacts]):
    """The address books of one owner. namespace: what ids are derived with."""

    port: ContactsPort

    def __init__(
        self,
        account_id: str,
        namespace: str,
        port: ContactsPort,
        store: Store,
        *,
        journal_keep: int = JOURNAL_KEEP,
        store_retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        form = ContactsForm(namespace)
        super().__init__(account_id, "-contacts", port, store, form, Index(), journal_keep, store_retry_seconds)
        self.ids = Ids(namespace)

    def _edit(self) -> Edit:
        return Edit(self.index, self.ids)

    async def _look(self) -> Edit:
        return await look(self.index, self.port, self.ids)

    async def _begin(self, settings: Settings) -> Index:
        return Index(settings=settings)
