"""Opening logins at the mail servers: the server proves who somebody is; logins of one owner share the mail."""

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from adapters.dav.connection import Credentials as DavCredentials
from adapters.errors import AdapterError, AuthFailed
from adapters.imap.connection import Credentials as ImapCredentials
from adapters.managesieve.filters import SieveFilters
from adapters.ports.signatures import SignatureJudge
from adapters.ports.submission import SubmissionFacts
from gateway.calendar_backends import CalendarBackends, OpenedCalendars, OthersCalendars
from gateway.config import Config, backend_user
from gateway.contact_backends import ContactBackends, OpenedContacts
from gateway.context import Account, Login, accounts_of
from gateway.endpoints import dav_credentials, imap_credentials, sieve_endpoint
from gateway.jmap.capabilities import CORE
from gateway.objects import REFERRERS
from gateway.objects.calendars.capability import calendar_capabilities
from gateway.objects.calendars.written import is_written
from gateway.objects.contacts.capability import CONTACTS, contacts_capability
from gateway.objects.core.blob_capability import BLOB, blob_capability
from gateway.objects.mail.capability import MAIL, mail_capability
from gateway.objects.mail.email_push import EMAIL_PUSH
from gateway.objects.mail.smime import SMIME
from gateway.objects.principals.capability import OWNER, principals_capabilities
from gateway.objects.quota.quota import QUOTA
from gateway.objects.sieve import capability as sieve
from gateway.objects.sieve.states import STATES
from gateway.objects.submission.capability import SUBMISSION, submission_capability
from gateway.objects.submission.delayed import renew
from gateway.objects.submission.mdn import MDN
from gateway.owners import Owner, Owners
from gateway.shares import SharedAccount
from gateway.store.base import Store
from gateway.submission_backends import SubmissionBackends
from gateway.sync import ids
from gateway.sync.calendars.mail_alerts import MailAlerts
from gateway.sync.held import Hold
from gateway.sync.outbox import Outbox, outbox
from gateway.sync.scripts import Scripts
from gateway.sync.verdicts import Signatures, Verdicts
from gateway.web.credentials import Credentials
from gateway.web.logins import Opened
from gateway.web.metrics import Meters

log = logging.getLogger(__name__)

FACTS_SECONDS: Final = 3600.0
RETRY_SECONDS: Final = 60.0
"""How long the answer of a ManageSieve server, or its silence, is believed."""


class MailBackends:
    """Opens logins: proves credentials at the mail server, shares one MailAccount per owner.

    hold: how the messages of a login may wait to be sent.
    """

    def __init__(
        self,
        config: Config,
        store: Store,
        meters: Meters,
        judge: SignatureJudge | None = None,
        hold: Callable[[Credentials], Hold | None] = lambda _: None,
    ) -> None:
        self._config = config
        self._hold = hold
        self._judge = judge
        self._store = store
        self._meters = meters
        self._gateway = secrets.token_bytes(12)
        self._owners = Owners(config, store, self._gateway)
        self._submission = SubmissionBackends(config)
        self._sieve = {
            name: sieve_endpoint(name, backend.managesieve)
            for name, backend in config.backends.items()
            if backend.managesieve is not None
        }
        self._calendars = CalendarBackends(config, store, self._gateway)
        self._contacts = ContactBackends(config, store, self._gateway)

    async def open(self, credentials: Credentials) -> Opened:
        """See `gateway.web.logins.Open`."""
        try:
            opened = await self._open(credentials)
        except AuthFailed:
            self._meters.opens.labels("refused").inc()
            raise
        except AdapterError:
            self._meters.opens.labels("unavailable").inc()
            raise
        self._meters.opens.labels("ok").inc()
        return opened

    async def _open(self, credentials: Credentials) -> Opened:
        name = self._config.backend_of(credentials.username)
        if name is None:
            raise AuthFailed("no backend serves this domain")
        backend = self._config.backends[name]
        user = backend_user(backend.user, credentials.username)
        account_id = ids.account_id(name, user)
        proven = imap_credentials(credentials, user)
        owner = await self._owners.prove(name, account_id, proven)
        owner.holders.append(proven)
        dav = dav_credentials(credentials, user)
        try:
            return await self._opened(name, user, credentials, proven, owner, dav)
        except BaseException:
            await self._release(owner, proven, dav)
            raise

    async def _opened(
        self,
        name: str,
        user: str,
        credentials: Credentials,
        proven: ImapCredentials,
        owner: Owner,
        dav: DavCredentials | None,
    ) -> Opened:
        """What the login may open, of all servers that take it."""
        hold = self._hold(credentials)
        box, offered = await self._outbox(name, owner, credentials.username, proven, hold)
        scripts = await self._scripts(name, owner, proven)
        opened, contacts = await self._collections(name, user, dav)
        if opened is not None and box is not None and owner.outbox is not None:
            written = partial(is_written, opened.calendars)
            box, owner.outbox = replace(box, written=written), replace(owner.outbox, written=written)
        if opened is not None and box is not None and hold is not None and hold.is_own:
            await self._plan_mail(name, opened, MailAlerts(owner.mail.id, box.ledger, hold))
        capabilities = self._capabilities(tells_limits=owner.port.tells_limits)
        if offered is not None:
            capabilities |= {SUBMISSION: submission_capability(offered, hold, time.time()), MDN: {}}
        if scripts is not None and owner.filtering is not None:
            capabilities |= sieve.capabilities(owner.filtering)
        if opened is not None:
            capabilities |= calendar_capabilities(opened.calendars.facts)
            capabilities |= principals_capabilities(owner.mail.id, opened.calendars.facts)
        account = self._account(credentials.username, capabilities, owner, box, scripts, opened)
        account = account if contacts is None else _with_contacts(account, contacts)
        shared = owner.shares.take(owner.port)
        others = [] if opened is None else [self._others_calendars(account.id, one) for one in opened.others]
        accounts = accounts_of(account, [*map(self._mail_of_others, shared), *others])
        primary = {urn: account.id for urn in account.capabilities if urn not in {CORE, OWNER}}
        login = Login(credentials.username, accounts, primary)
        return Opened(login, lambda: self._close(owner, shared, proven, scripts, dav))

    async def _collections(
        self, name: str, user: str, dav: DavCredentials | None
    ) -> tuple[OpenedCalendars | None, OpenedContacts | None]:
        """Of both DAV servers at once: one that is away lets nobody wait for the other."""
        if dav is None:
            return None, None
        async with asyncio.TaskGroup() as both:  # where one fails, the other has ended before both are released
            calendars = both.create_task(self._calendars.open(name, user, dav))
            contacts = both.create_task(self._contacts.open(name, user, dav))
        return calendars.result(), contacts.result()

    async def _plan_mail(self, name: str, opened: OpenedCalendars, schedule: MailAlerts) -> None:
        """Have the mail of alerts sent, where the calendar server doesn't do it (-29 §6)."""
        caldav = self._config.backends[name].caldav
        wanted = "off" if caldav is None else caldav.email_alerts
        if wanted == "off" or (wanted == "auto" and opened.calendars.facts.mails_alerts):
            return
        for calendars in (opened.calendars, *(others.calendars for others in opened.others)):
            calendars.mail_alerts = schedule
        with contextlib.suppress(AdapterError):  # the store is away: whoever logs in next renews it
            await schedule.renew()

    def _account(
        self,
        username: str,
        capabilities: dict[str, dict[str, Any]],
        owner: Owner,
        box: Outbox | None,
        scripts: Scripts | None,
        opened: OpenedCalendars | None,
    ) -> Account:
        """The login's own account."""
        return Account(
            id=owner.mail.id,
            name=username,
            is_personal=True,
            is_read_only=False,
            capabilities=capabilities,
            mail=owner.mail,
            outbox=box,
            filtering=scripts,
            scripts_watch=None if scripts is None else owner.scripts_watch,
            observed=owner.observed,
            calendars=None if opened is None else opened.calendars,
            calendar_watch=None if opened is None else opened.watch,
            alerts=None if opened is None else opened.alerts,
            signatures=self._signatures(owner.mail.id),
            watch=owner.watch,
        )

    def _capabilities(self, *, tells_limits: bool) -> dict[str, dict[str, Any]]:
        """What the account can do: URN -> the account's object (RFC 8620 §2)."""
        found = {CORE: {}, MAIL: mail_capability(), BLOB: self._blob(), EMAIL_PUSH: {}}
        found |= {} if self._judge is None else {SMIME: {}}
        return found | {QUOTA: {}} if tells_limits else found

    def _blob(self) -> dict[str, Any]:
        return blob_capability(self._config.limits.max_size_upload, REFERRERS)

    def _mail_of_others(self, shared: SharedAccount) -> Account:
        """The mail of somebody else. Nothing is sent for him, and his limits and scripts are his own affair."""
        return Account(
            id=shared.id,
            name=shared.name,
            is_personal=False,
            is_read_only=shared.share.is_read_only,
            capabilities={CORE: {}, MAIL: mail_capability(top_level=False), BLOB: self._blob()},
            mail=shared.mail,
            watch=shared.watch,
            view=shared.view,
        )

    def _others_calendars(self, own: str, shared: OthersCalendars) -> Account:
        """The calendars of somebody else. own: the login's account, which holds the Principals."""
        capabilities = calendar_capabilities(shared.calendars.facts, may_create=False)
        owner = {"accountIdForPrincipal": own, "principalId": shared.calendars.ids.principal(shared.owner)}
        return Account(
            id=shared.id,
            name=shared.name,
            is_personal=False,
            is_read_only=False,  # what is the user's own can always be written
            capabilities={CORE: {}, BLOB: self._blob(), **capabilities, OWNER: owner},
            mail=None,
            calendars=shared.calendars,
            calendar_watch=shared.watch,
            alerts=shared.alerts,
            view=shared.view,
        )

    def _signatures(self, account_id: str) -> Signatures | None:
        if self._judge is None:
            return None
        smime = self._config.smime
        verdicts = Verdicts(self._store, account_id)
        return Signatures(self._judge, verdicts, smime.cache_seconds, smime.max_message_size)

    async def _outbox(
        self, name: str, owner: Owner, username: str, credentials: ImapCredentials, hold: Hold | None
    ) -> tuple[Outbox | None, SubmissionFacts | None]:
        """What this login can send with, and what the server offers; (None, None) where it cannot send."""
        offer = await self._submission.offer(name, username, credentials)
        if offer is None:
            return None, None
        if owner.outbox is None:
            owner.outbox = outbox(offer.port, offer.senders, offer.facts, self._store, owner.mail.id)
        box = replace(owner.outbox, port=offer.port, senders=offer.senders, offered=offer.facts, hold=hold)
        with contextlib.suppress(AdapterError):  # the store is away: whoever logs in next renews it
            await renew(box, owner.mail.id)
        return box, offer.facts

    async def _scripts(self, name: str, owner: Owner, credentials: ImapCredentials) -> Scripts | None:
        """This login's scripts; None where there is no ManageSieve server, or while it does not take the login."""
        config = self._config.backends[name].managesieve
        if config is None:
            return None
        filters = SieveFilters(self._sieve[name], credentials, idle=config.idle_seconds)
        async with owner.filtering_asked:
            age = time.monotonic() - owner.filtering_asked_at
            if age > (FACTS_SECONDS if owner.filtering is not None else RETRY_SECONDS):
                owner.filtering_asked_at = time.monotonic()
                try:
                    owner.filtering = await filters.facts()
                except AdapterError as error:
                    owner.filtering = None
                    log.warning("the ManageSieve server cannot be used for now: %s: %s", type(error).__name__, error)
        if owner.filtering is None:
            return None
        owner.scripts = Scripts(owner.mail.id, filters, self._store, owner.scripted, STATES)
        return owner.scripts

    async def _close(
        self,
        owner: Owner,
        shared: Sequence[SharedAccount],
        credentials: ImapCredentials,
        scripts: Scripts | None,
        dav: DavCredentials | None,
    ) -> None:
        if scripts is not None:
            await scripts.port.close()
            owner.scripts = None if owner.scripts is scripts else owner.scripts
        await owner.shares.give_back(shared)
        await self._release(owner, credentials, dav)

    async def _release(self, owner: Owner, credentials: ImapCredentials, dav: DavCredentials | None) -> None:
        if dav is not None:
            await self._calendars.release(owner.mail.id, dav)
            await self._contacts.release(owner.mail.id, dav)
        await self._owners.release(owner, credentials)


def _with_contacts(account: Account, opened: OpenedContacts) -> Account:
    capabilities = {**account.capabilities, CONTACTS: contacts_capability(opened.contacts.facts)}
    return replace(account, capabilities=capabilities, contacts=opened.contacts, contact_watch=opened.watch)
