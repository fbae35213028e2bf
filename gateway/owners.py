"""The mail of owners whose logins their server has accepted; logins of one owner share it."""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from adapters.errors import AdapterError, Unavailable
from adapters.imap.backend import ImapMail
from adapters.imap.connection import Connection, Credentials
from adapters.imap.pool import PoolSettings
from adapters.imap.shared import Share, discover
from adapters.ports.filtering import FilteringFacts
from adapters.ports.mail import MailFacts
from adapters.ports.watch import Watched
from gateway.config import Config
from gateway.endpoints import imap_endpoint
from gateway.objects.mail.unread import resume
from gateway.objects.quota.quota import NO_QUOTAS, observed_states
from gateway.objects.submission.errands import start_over
from gateway.objects.submission.follow_up import catch_up
from gateway.objects.submission.intents import settle
from gateway.objects.submission.reports import look
from gateway.shares import Shares
from gateway.store.base import Store
from gateway.sync.account import MailAccount
from gateway.sync.observed import Observed
from gateway.sync.outbox import Outbox
from gateway.sync.scripts import SCRIPTED, Scripts
from gateway.sync.watch import Turns, Watch

log = logging.getLogger(__name__)

SCRIPTS_SECONDS: Final = 900.0
"""How often is looked at scripts while somebody listens: each time is a login, and they seldom change."""

UNLIMITED_SECONDS: Final = 900.0
"""How long a server that set no limit is not asked again for them while somebody listens, whatever the mail does."""

STALE_PROOFS: Final = 2
"""A port keeps its credentials while they were proven within this many cache times; then newer ones replace them."""


class OnceProbed(ImapMail):
    """A port that learns the server's nature once: the login that proves the credentials is the first pass's too."""

    _facts: MailFacts | None = None

    async def open(self) -> MailFacts:
        """See ImapMail.open."""
        if self._facts is None:
            self._facts = await super().open()
        return self._facts


@dataclass(slots=True, eq=False)
class Owner:
    """The mail of one owner, and what others share with him, for all logins that have proven themselves.

    holders: what each of them proved with. limits, scripted: what is told of quotas and of scripts; scripts: the
    newest login's way to them.
    """

    backend: str
    mail: MailAccount
    port: OnceProbed
    shares: Shares
    credentials: Credentials
    proven_at: float
    outbox: Outbox | None = None
    filtering: FilteringFacts | None = None
    filtering_asked_at: float = -math.inf
    filtering_asked: asyncio.Lock = field(default_factory=asyncio.Lock)
    holders: list[Credentials] = field(default_factory=list)
    scripts: Scripts | None = None
    watch: Watch = field(init=False)
    scripts_watch: Watch = field(init=False)
    limits: Observed = field(init=False)
    scripted: Observed = field(init=False)
    _limited_at: str = ""
    _unlimited_until: float = -math.inf

    def connect(self, port: OnceProbed) -> None:
        """The connections are others from now on."""
        self.port = self.mail.port = port
        self.shares.connect(port)

    # What `Watch` asks; the port may be replaced at any time.

    @property
    def watched(self) -> Watched:
        return self.port.watched

    def hints(self) -> AsyncGenerator[None, None]:
        return self.port.hints()

    async def refresh(self) -> None:
        await self.mail.refresh()
        await resume(self.mail)
        await self._look_at_limits()
        if self.outbox is not None:
            try:
                await look(self.outbox, self.mail)
                await settle(self.outbox)
                start_over(self.outbox)
                await catch_up(self.outbox, self.mail)
            except AdapterError as error:
                log.info("the mail cannot be looked at for what was sent: %s", type(error).__name__)

    @property
    def observed(self) -> tuple[Observed, ...]:
        """What is told without a journal."""
        limits = (self.limits,) if self.port.tells_limits else ()
        return limits if self.scripts is None else (*limits, self.scripted)

    async def _look_at_limits(self) -> None:
        """What is used of a quota changes with the mail; where there is none, nothing does."""
        state, now = self.mail.state("Email"), time.monotonic()
        if self.port.tells_limits and state != self._limited_at and now >= self._unlimited_until:
            with contextlib.suppress(AdapterError):
                await self.limits.refresh()
                self._limited_at = state
                if self.limits.state("Quota") == NO_QUOTAS:
                    self._unlimited_until = now + UNLIMITED_SECONDS

    async def states_of_scripts(self) -> dict[str, str]:
        """See `Observed.ask`."""
        if self.scripts is None:
            raise Unavailable("nobody has logged in at the ManageSieve server")
        return await self.scripts.states()


class Owners:
    """Proves credentials at the mail servers; what they open is one `Owner` for all logins of the same one."""

    def __init__(self, config: Config, store: Store, gateway: bytes) -> None:
        """gateway: stands for this gateway, and for no other. Raises ConfigError where a CA file cannot be used."""
        self._config = config
        self._store = store
        self._gateway = gateway
        self._endpoints = {name: imap_endpoint(name, backend.imap) for name, backend in config.backends.items()}
        self._owners: dict[str, Owner] = {}

    async def prove(self, name: str, account_id: str, credentials: Credentials) -> Owner:
        """The owner's mail, after the server has accepted the credentials just now."""
        before = self._owners.get(account_id)
        if before is not None and not self._is_stale(before, credentials):
            connection = await Connection.open(self._endpoints[name], credentials)
            try:
                found = await self._found(name, lambda: discover(connection))
                await connection.logout()
            finally:
                connection.abort()
            if self._owners.get(account_id) is before:
                if before.credentials == credentials:
                    before.proven_at = time.monotonic()
                before.shares.learn(found)
                return before
        port = self._port(name, credentials)
        try:
            await port.open()
            found = await self._found(name, port.shares)
            await port.prepare()
        except BaseException:
            await port.close()
            raise
        owner = await self._adopt(name, account_id, port, credentials)
        owner.shares.learn(found)
        return owner

    async def _found(self, name: str, ask: Callable[[], Awaitable[Sequence[Share]]]) -> Sequence[Share] | None:
        """What others share with a login that was proven just now; None where the server cannot tell."""
        if not self._config.backends[name].imap.shared_mailboxes:
            return None
        try:
            return await ask()
        except AdapterError as error:
            log.warning("what others share cannot be asked for: %s", type(error).__name__)
            return None

    async def _adopt(self, name: str, account_id: str, port: OnceProbed, credentials: Credentials) -> Owner:
        """Give an opened port to the owner's mail, in place of the one that it has."""
        owner = self._owners.get(account_id)
        if owner is None:
            owner = self._owners[account_id] = self._owner(name, account_id, port, credentials)
            return owner
        old, owner.credentials, owner.proven_at = owner.port, credentials, time.monotonic()
        owner.connect(port)
        await old.close()
        return owner

    def _owner(self, name: str, account_id: str, port: OnceProbed, credentials: Credentials) -> Owner:
        mail = MailAccount(account_id, account_id, port, self._store)
        poll_seconds = self._config.push.poll_seconds
        shares = Shares(name, account_id, self._store, poll_seconds, self._gateway)
        owner = Owner(name, mail, port, shares, credentials, time.monotonic())
        owner.limits = Observed(self._store, account_id, ("Quota",), lambda: observed_states(owner.port, account_id))
        owner.scripted = Observed(self._store, account_id, SCRIPTED, owner.states_of_scripts)
        owner.watch = Watch(owner, poll_seconds, self._turns(account_id))
        owner.scripts_watch = Watch(owner.scripted, SCRIPTS_SECONDS, self._turns(f"{account_id}-scripts"))
        return owner

    def _turns(self, name: str) -> Turns | None:
        return Turns(self._store, name, self._gateway) if self._store.shared else None

    def _is_stale(self, owner: Owner, credentials: Credentials) -> bool:
        """Whether these credentials should be the port's from now on, because its own may have expired."""
        age = time.monotonic() - owner.proven_at
        return owner.credentials != credentials and age > STALE_PROOFS * self._config.auth.cache_seconds

    async def release(self, owner: Owner, credentials: Credentials) -> None:
        """Let one login go. Connections made with credentials that nobody holds any more are closed."""
        owner.holders.remove(credentials)
        if not owner.holders:
            if self._owners.get(owner.mail.id) is owner:
                del self._owners[owner.mail.id]
            if owner.outbox is not None:
                await owner.outbox.close()
            await owner.mail.close()
            await owner.port.close()
        elif owner.credentials == credentials and credentials not in owner.holders:
            await self._hand_over(owner, owner.holders[-1])

    async def _hand_over(self, owner: Owner, credentials: Credentials) -> None:
        """Close the port of credentials that may have been refused; others that were proven take over."""
        old, port = owner.port, self._port(owner.backend, credentials)
        owner.connect(port)
        owner.credentials = credentials
        await old.close()
        try:
            await port.open()
        except AdapterError as error:
            owner.proven_at = -math.inf  # whoever proves himself next brings a new port
            log.warning("a mail account is without connections for now: %s", type(error).__name__)

    def _port(self, name: str, credentials: Credentials) -> OnceProbed:
        imap = self._config.backends[name].imap
        return OnceProbed(
            self._endpoints[name],
            credentials,
            settings=PoolSettings(maximum=imap.max_connections, idle=imap.idle_seconds),
            id_source=None if imap.id_source == "auto" else imap.id_source,
            virtual_prefixes=imap.virtual_folders,
        )
