"""What one request may touch: the proven login, its accounts, the request's creation ids."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from gateway.jmap.capabilities import CoreLimits
from gateway.jmap.errors import MethodError
from gateway.store.blobs import OpenBlob, Uploads
from gateway.store.cache import ByteCache
from gateway.sync.account import MailAccount
from gateway.sync.calendars.account import CalendarAccount
from gateway.sync.calendars.alert_clock import AlertClock
from gateway.sync.contacts.account import ContactsAccount
from gateway.sync.ledger import Record
from gateway.sync.observed import Observed
from gateway.sync.outbox import Outbox
from gateway.sync.scripts import Scripts
from gateway.sync.verdicts import Signatures
from gateway.sync.watch import Watch


@dataclass(frozen=True, slots=True)
class Account:
    """One JMAP account (RFC 8620 §1.6.2) that a login may open.

    capabilities: URN -> the account's capability object (RFC 8620 §2), only for backends that answered.
    mail: the synchronised mail of the account; None where it has none. outbox: what it can send with, if it can.
    filtering: the Sieve scripts of the account; None where its backend has no ManageSieve server that answers.
    scripts_watch: looks at them now and then while somebody listens. observed: states of what has no journal.
    calendars: the synchronised calendars; None where its backend has no CalDAV server that answers. calendar_watch:
    keeps them fresh while somebody listens. alerts: tells of theirs while somebody listens.
    contacts, contact_watch: the same for the address books of a CardDAV server.
    signatures: what S/MIME signatures of its mail are judged with; None where they aren't.
    watch: keeps it fresh while somebody listens.
    view: where the account is another owner's, what stands for all that this login sees of it (`ids.view_id`).
    """

    id: str
    name: str
    is_personal: bool
    is_read_only: bool
    capabilities: Mapping[str, Mapping[str, Any]]
    mail: MailAccount | None
    outbox: Outbox | None = None
    filtering: Scripts | None = None
    scripts_watch: Watch | None = None
    observed: tuple[Observed, ...] = ()
    calendars: CalendarAccount | None = None
    calendar_watch: Watch | None = None
    alerts: AlertClock | None = None
    contacts: ContactsAccount | None = None
    contact_watch: Watch | None = None
    signatures: Signatures | None = None
    watch: Watch | None = None
    view: str | None = None

    @property
    def key(self) -> str:
        """What is kept of the account is kept under this: what others share is not the same for all who see it."""
        return self.view or self.id

    @property
    def is_listed(self) -> bool:
        """Whether the session shows the account: the user's own, or subscribed to in part (RFC 9670 §1.4)."""
        return self.is_personal or self.mail is not None or self.calendars is None or self.calendars.is_subscribed

    def joined(self, other: "Account") -> "Account":
        """The same account with what its owner shares by another protocol as well: mail, calendars."""
        return replace(
            self,
            is_read_only=self.is_read_only and other.is_read_only,
            capabilities={**self.capabilities, **other.capabilities},
            mail=other.mail if self.mail is None else self.mail,
            watch=other.watch if self.watch is None else self.watch,
            calendars=other.calendars if self.calendars is None else self.calendars,
            calendar_watch=other.calendar_watch if self.calendar_watch is None else self.calendar_watch,
            alerts=other.alerts if self.alerts is None else self.alerts,
        )

    @property
    def own_address(self) -> str:
        """What the owner sends mail from, else the account's name, which may be no address."""
        return (None if self.outbox is None else self.outbox.senders.own) or self.name


class PushSubscriptions(Protocol):
    """The push subscriptions that a login's credentials made (RFC 8620 §7.2). Every method raises Unavailable.

    A record has the properties of a PushSubscription, and `code`, which is not to be shown.
    """

    @property
    def longest(self) -> float:
        """Seconds that a subscription may live before it has to be renewed."""
        ...

    async def read(self) -> dict[str, Record]:
        """All that have not expired, by id."""
        ...

    async def create(self, wanted: Mapping[str, Record]) -> dict[str, Record | str]:
        """Store new ones (all properties but id) and send each its code; by key: the record, or a SetError's type."""
        ...

    async def update(self, changes: Mapping[str, Record]) -> None:
        """Change properties, by id; ids that are not there (any more) change nothing."""
        ...

    async def destroy(self, ids: Sequence[str]) -> None:
        """Erase subscriptions, URL and keys with them."""
        ...


@dataclass(frozen=True, slots=True)
class Login:
    """A user whose credentials a backend has accepted. `primary` maps a capability URN to an account id.

    session_states: of the session object, by what it depends on beside the login, which never changes.
    """

    username: str
    accounts: Mapping[str, Account]
    primary: Mapping[str, str]
    push: PushSubscriptions | None = None
    session_states: dict[Hashable, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def listed(self) -> list[Account]:
        """The accounts that the session shows, and whose changes are told."""
        return [account for account in self.accounts.values() if account.is_listed]


def accounts_of(own: Account, shared: Iterable[Account]) -> dict[str, Account]:
    """The accounts of a login by id (RFC 8620 §1.6.2): its own, and one for each owner who shares anything with it.

    shared: what the backends found, each for itself; what has one id becomes one account.
    """
    found: dict[str, Account] = {}
    for account in shared:
        found[account.id] = found[account.id].joined(account) if account.id in found else account
    return {own.id: own} | {account_id: account for account_id, account in found.items() if account_id != own.id}


class BlobSource(Protocol):
    """Where the octets behind a blob id come from (RFC 8620 §6)."""

    async def find(self, account: Account, blob_id: str) -> OpenBlob | None:
        """The blob, or None when the account has none of this id. Raises adapters.errors, StoreUnavailable."""
        ...


@dataclass(slots=True)
class Context:
    """One API request. Built by the web layer, passed down unchanged; `created_ids` and `refreshed` grow.

    refreshed: ids of the accounts that were synchronised for this request; once is enough (with a suffix: of calendars,
    contacts). glanced: of those of which only what can be seen before they are indexed.
    replaced: ids of records whose place a new one took, until the same call destroys them.
    blobs: every blob that can be read, uploaded or not. cache: immutable parts of answers that were made before.
    """

    login: Login
    using: frozenset[str]
    limits: CoreLimits
    uploads: Uploads
    blobs: BlobSource
    cache: ByteCache
    request_id: str
    created_ids: dict[str, str] = field(default_factory=dict)
    refreshed: set[str] = field(default_factory=set)
    glanced: set[str] = field(default_factory=set)
    replaced: set[str] = field(default_factory=set)

    def account(self, account_id: str) -> Account:
        """The account, or accountNotFound (RFC 8620 §3.6.2), the same for unknown and for foreign ids."""
        account = self.login.accounts.get(account_id)
        if account is None:
            raise MethodError("accountNotFound")
        return account
