"""Opening logins at the mail servers: the server proves who somebody is; logins of one owner share the mail."""

import asyncio
import contextlib
import logging
import math
import secrets
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from adapters.dav.connection import Credentials as DavCredentials
from adapters.errors import AdapterError, AuthFailed
from adapters.formats.smtp_path import is_address
from adapters.imap.backend import ImapMail
from adapters.imap.connection import Connection
from adapters.imap.connection import Credentials as ImapCredentials
from adapters.imap.pool import PoolSettings
from adapters.managesieve.filters import SieveFilters
from adapters.ports.filtering import FilteringFacts
from adapters.ports.mail import MailFacts
from adapters.ports.signatures import SignatureJudge
from adapters.ports.submission import SubmissionFacts
from adapters.ports.watch import Watched
from adapters.smtp.backend import Endpoint as SmtpEndpoint
from adapters.smtp.backend import SmtpSubmission
from gateway.calendar_backends import CalendarBackends
from gateway.config import Config, SubmissionConfig, backend_user
from gateway.context import Account, Login
from gateway.endpoints import (
    dav_credentials,
    imap_credentials,
    imap_endpoint,
    sieve_endpoint,
    smtp_credentials,
    smtp_endpoint,
)
from gateway.jmap.capabilities import CORE
from gateway.objects import REFERRERS
from gateway.objects.calendars.capability import calendar_capabilities
from gateway.objects.core.blob_capability import BLOB, blob_capability
from gateway.objects.mail.capability import MAIL, mail_capability
from gateway.objects.mail.email_push import EMAIL_PUSH
from gateway.objects.mail.smime import SMIME
from gateway.objects.principals.capability import OWNER, principals_capabilities
from gateway.objects.quota.quota import QUOTA, has_limits
from gateway.objects.sieve import capability as sieve
from gateway.objects.submission.capability import SUBMISSION, submission_capability
from gateway.objects.submission.delayed import renew
from gateway.objects.submission.errands import start_over
from gateway.objects.submission.follow_up import catch_up
from gateway.objects.submission.intents import settle
from gateway.objects.submission.mdn import MDN
from gateway.objects.submission.reports import look
from gateway.store.base import Store
from gateway.sync import ids
from gateway.sync.account import MailAccount
from gateway.sync.held import Hold
from gateway.sync.outbox import Outbox, Senders, outbox
from gateway.sync.scripts import Scripts
from gateway.sync.verdicts import Signatures, Verdicts
from gateway.sync.watch import Turns, Watch
from gateway.web.credentials import Credentials
from gateway.web.logins import Opened
from gateway.web.metrics import Meters

log = logging.getLogger(__name__)

STALE_PROOFS: Final = 2
"""A port keeps its credentials while they were proven within this many cache times; then newer ones replace them."""

FACTS_SECONDS: Final = 3600.0
RETRY_SECONDS: Final = 60.0
"""How long the answer of a submission server, or its silence, is believed."""


class OnceProbed(ImapMail):
    """A port that learns the server's nature once: the login that proves the credentials is the first pass's too.

    has_limits: whether the server limits what the owner may store, known after `open`.
    """

    _facts: MailFacts | None = None
    has_limits = False

    async def open(self) -> MailFacts:
        """See ImapMail.open."""
        if self._facts is None:
            facts = await super().open()
            with contextlib.suppress(AdapterError):  # a server that will not tell has none for us
                self.has_limits = await has_limits(self)
            self._facts = facts
        return self._facts


@dataclass(slots=True, eq=False)
class _Shared:
    """The mail of one owner, for all logins that have proven themselves. holders: what each of them proved with."""

    backend: str
    mail: MailAccount
    port: OnceProbed
    credentials: ImapCredentials
    proven_at: float
    outbox: Outbox | None = None
    filtering: FilteringFacts | None = None
    filtering_asked_at: float = -math.inf
    filtering_asked: asyncio.Lock = field(default_factory=asyncio.Lock)
    holders: list[ImapCredentials] = field(default_factory=list)
    watch: Watch = field(init=False)

    # What `Watch` asks; the port may be replaced at any time.

    @property
    def watched(self) -> Watched:
        return self.port.watched

    def hints(self) -> AsyncGenerator[None, None]:
        return self.port.hints()

    async def refresh(self) -> None:
        await self.mail.refresh()
        if self.outbox is not None:
            try:
                await look(self.outbox, self.mail)
                await settle(self.outbox)
                start_over(self.outbox)
                await catch_up(self.outbox, self.mail)
            except AdapterError as error:
                log.info("the mail cannot be looked at for what was sent: %s", type(error).__name__)


@dataclass(slots=True)
class _Submission:
    """The submission server of one backend. What it offers is asked once an hour, by whoever logs in first then."""

    endpoint: SmtpEndpoint
    config: SubmissionConfig
    offered: SubmissionFacts | None = None
    asked_at: float = -math.inf
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def facts(self, port: SmtpSubmission) -> SubmissionFacts | None:
        """What the server offers; None while it does not answer. Who comes while it is asked waits for the answer."""
        async with self.asking:
            age = time.monotonic() - self.asked_at
            if age > (FACTS_SECONDS if self.offered is not None else RETRY_SECONDS):
                await self._ask(port)
            return self.offered

    async def _ask(self, port: SmtpSubmission) -> None:
        self.asked_at = time.monotonic()
        try:
            self.offered = await port.facts()
        except AuthFailed:
            self.asked_at = -math.inf  # tells of this login only
            log.warning("the submission server refuses a login that the mail server accepted")
        except AdapterError as error:
            self.offered = None
            log.warning("the submission server cannot be used for now: %s: %s", type(error).__name__, error)


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
        self._endpoints = {name: imap_endpoint(name, backend.imap) for name, backend in config.backends.items()}
        self._submission = {
            name: _Submission(smtp_endpoint(name, backend.submission), backend.submission)
            for name, backend in config.backends.items()
            if backend.submission is not None
        }
        self._sieve = {
            name: sieve_endpoint(name, backend.managesieve)
            for name, backend in config.backends.items()
            if backend.managesieve is not None
        }
        self._shared: dict[str, _Shared] = {}
        self._gateway = secrets.token_bytes(12)
        self._calendars = CalendarBackends(config, store, self._gateway)

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
        owner = backend_user(backend.user, credentials.username)
        account_id = ids.account_id(name, owner)
        proven = imap_credentials(credentials, owner)
        shared = await self._prove(name, account_id, proven)
        shared.holders.append(proven)
        capabilities = self._capabilities(shared.port)
        hold = self._hold(credentials)
        box, offered = await self._outbox(name, shared, credentials.username, proven, hold)
        if offered is not None:
            capabilities[SUBMISSION] = submission_capability(offered, hold, time.time())
            capabilities[MDN] = {}
        filters = await self._filters(name, shared, proven)
        if filters is not None and shared.filtering is not None:
            capabilities |= sieve.capabilities(shared.filtering)
        dav = dav_credentials(credentials, owner)
        opened = None if dav is None else await self._calendars.open(name, account_id, dav)
        calendars, calendar_watch = (None, None) if opened is None else opened
        if calendars is not None:
            capabilities |= calendar_capabilities(calendars.facts)
            capabilities |= principals_capabilities(account_id, calendars.facts)
        account = Account(
            id=account_id,
            name=credentials.username,
            is_personal=True,
            is_read_only=False,
            capabilities=capabilities,
            mail=shared.mail,
            outbox=box,
            filtering=None if filters is None else Scripts(account_id, filters, self._store),
            calendars=calendars,
            calendar_watch=calendar_watch,
            signatures=self._signatures(account_id),
            watch=shared.watch,
        )
        primary = {urn: account_id for urn in capabilities if urn not in {CORE, OWNER}}
        login = Login(credentials.username, {account_id: account}, primary)
        return Opened(login, lambda: self._close(account_id, shared, proven, filters, dav))

    def _capabilities(self, port: OnceProbed) -> dict[str, dict[str, Any]]:
        """What the account can do: URN -> the account's object (RFC 8620 §2)."""
        blob = blob_capability(self._config.limits.max_size_upload, REFERRERS)
        found = {CORE: {}, MAIL: mail_capability(), BLOB: blob, EMAIL_PUSH: {}}
        found |= {} if self._judge is None else {SMIME: {}}
        return found | {QUOTA: {}} if port.has_limits else found

    def _signatures(self, account_id: str) -> Signatures | None:
        if self._judge is None:
            return None
        smime = self._config.smime
        verdicts = Verdicts(self._store, account_id)
        return Signatures(self._judge, verdicts, smime.cache_seconds, smime.max_message_size)

    async def _outbox(
        self, name: str, shared: _Shared, username: str, credentials: ImapCredentials, hold: Hold | None
    ) -> tuple[Outbox | None, SubmissionFacts | None]:
        """What this login can send with, and what the server offers; (None, None) where it cannot send."""
        submission = self._submission.get(name)
        if submission is None:
            return None, None
        senders = _senders(username, submission.config)
        if senders.own is None and not senders.patterns:
            return None, None
        port = SmtpSubmission(submission.endpoint, smtp_credentials(credentials))
        offered = await submission.facts(port)
        if offered is None:
            return None, None
        if shared.outbox is None:
            shared.outbox = outbox(port, senders, offered, self._store, shared.mail.id)
        box = replace(shared.outbox, port=port, senders=senders, offered=offered, hold=hold)
        with contextlib.suppress(AdapterError):  # the store is away: whoever logs in next renews it
            await renew(box, shared.mail.id)
        return box, offered

    async def _filters(self, name: str, shared: _Shared, credentials: ImapCredentials) -> SieveFilters | None:
        """This login at the ManageSieve server; None where there is none, or while it does not take the login."""
        config = self._config.backends[name].managesieve
        if config is None:
            return None
        filters = SieveFilters(self._sieve[name], credentials, idle=config.idle_seconds)
        async with shared.filtering_asked:
            age = time.monotonic() - shared.filtering_asked_at
            if age > (FACTS_SECONDS if shared.filtering is not None else RETRY_SECONDS):
                shared.filtering_asked_at = time.monotonic()
                try:
                    shared.filtering = await filters.facts()
                except AdapterError as error:
                    shared.filtering = None
                    log.warning("the ManageSieve server cannot be used for now: %s: %s", type(error).__name__, error)
        return None if shared.filtering is None else filters

    async def _close(
        self,
        account_id: str,
        shared: _Shared,
        credentials: ImapCredentials,
        filters: SieveFilters | None,
        dav: DavCredentials | None,
    ) -> None:
        if filters is not None:
            await filters.close()
        if dav is not None:
            await self._calendars.release(account_id, dav)
        await self._release(account_id, shared, credentials)

    async def _prove(self, name: str, account_id: str, credentials: ImapCredentials) -> _Shared:
        """The owner's mail, after the server has accepted the credentials just now."""
        before = self._shared.get(account_id)
        if before is not None and not self._is_stale(before, credentials):
            connection = await Connection.open(self._endpoints[name], credentials)
            await connection.logout()
            if self._shared.get(account_id) is before:
                if before.credentials == credentials:
                    before.proven_at = time.monotonic()
                return before
        port = self._port(name, credentials)
        try:
            await port.open()
        except BaseException:
            await port.close()
            raise
        return await self._adopt(name, account_id, port, credentials)

    async def _adopt(self, name: str, account_id: str, port: OnceProbed, credentials: ImapCredentials) -> _Shared:
        """Give an opened port to the owner's mail, in place of the one that it has."""
        now = time.monotonic()
        shared = self._shared.get(account_id)
        if shared is None:
            mail = MailAccount(account_id, account_id, port, self._store)
            shared = self._shared[account_id] = _Shared(name, mail, port, credentials, now)
            turns = Turns(self._store, account_id, self._gateway) if self._store.shared else None
            shared.watch = Watch(shared, self._config.push.poll_seconds, turns)
            return shared
        old, shared.port, shared.mail.port = shared.port, port, port
        shared.credentials, shared.proven_at = credentials, now
        await old.close()
        return shared

    def _is_stale(self, shared: _Shared, credentials: ImapCredentials) -> bool:
        """Whether these credentials should be the port's from now on, because its own may have expired."""
        age = time.monotonic() - shared.proven_at
        return shared.credentials != credentials and age > STALE_PROOFS * self._config.auth.cache_seconds

    async def _release(self, account_id: str, shared: _Shared, credentials: ImapCredentials) -> None:
        """Let one login go. Connections made with credentials that nobody holds any more are closed."""
        shared.holders.remove(credentials)
        if not shared.holders:
            if self._shared.get(account_id) is shared:
                del self._shared[account_id]
            if shared.outbox is not None:
                await shared.outbox.close()
            await shared.mail.close()
            await shared.port.close()
        elif shared.credentials == credentials and credentials not in shared.holders:
            await self._hand_over(shared, shared.holders[-1])

    async def _hand_over(self, shared: _Shared, credentials: ImapCredentials) -> None:
        """Close the port of credentials that may have been refused; others that were proven take over."""
        old, port = shared.port, self._port(shared.backend, credentials)
        shared.port = shared.mail.port = port
        shared.credentials = credentials
        await old.close()
        try:
            await port.open()
        except AdapterError as error:
            shared.proven_at = -math.inf  # whoever proves himself next brings a new port
            log.warning("a mail account is without connections for now: %s", type(error).__name__)

    def _port(self, name: str, credentials: ImapCredentials) -> OnceProbed:
        imap = self._config.backends[name].imap
        return OnceProbed(
            self._endpoints[name],
            credentials,
            settings=PoolSettings(maximum=imap.max_connections, idle=imap.idle_seconds),
            id_source=None if imap.id_source == "auto" else imap.id_source,
            virtual_prefixes=imap.virtual_folders,
        )


def _senders(username: str, config: SubmissionConfig) -> Senders:
    """The addresses of a login: its name where that is one, else its name at the configured domain."""
    own: str | None = username
    if "@" not in username:
        own = None if config.identity_domain is None else f"{username}@{config.identity_domain}"
    return Senders(own if own is not None and is_address(own) else None, config.senders)
