"""Opening logins at the mail servers: the server proves who somebody is; logins of one owner share the mail."""

import logging
import math
import ssl
import time
from dataclasses import dataclass, field
from typing import Final

from adapters.errors import AdapterError, AuthFailed
from adapters.imap.backend import ImapMail
from adapters.imap.connection import Connection, Endpoint
from adapters.imap.connection import Credentials as ImapCredentials
from adapters.imap.pool import PoolSettings
from adapters.ports.mail import MailFacts
from gateway.config import Config, ImapConfig, backend_user
from gateway.config_reader import ConfigError
from gateway.context import Account, Login
from gateway.jmap.capabilities import CORE
from gateway.objects.mail.capability import MAIL, mail_capability
from gateway.store.base import Store
from gateway.sync import ids
from gateway.sync.account import MailAccount
from gateway.web.credentials import Credentials
from gateway.web.logins import Opened
from gateway.web.metrics import Meters

log = logging.getLogger(__name__)

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
class _Shared:
    """The mail of one owner, for all logins that have proven themselves. holders: what each of them proved with."""

    backend: str
    mail: MailAccount
    port: ImapMail
    credentials: ImapCredentials
    proven_at: float
    holders: list[ImapCredentials] = field(default_factory=list)


class MailBackends:
    """Opens logins: proves credentials at the mail server, shares one MailAccount per owner."""

    def __init__(self, config: Config, store: Store, meters: Meters) -> None:
        self._config = config
        self._store = store
        self._meters = meters
        self._endpoints = {name: _endpoint(name, backend.imap) for name, backend in config.backends.items()}
        self._shared: dict[str, _Shared] = {}

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
        proven = _imap_credentials(credentials, owner)
        shared = await self._prove(name, account_id, proven)
        shared.holders.append(proven)
        account = Account(
            id=account_id,
            name=credentials.username,
            is_personal=True,
            is_read_only=False,
            capabilities={CORE: {}, MAIL: mail_capability()},
            mail=shared.mail,
        )
        login = Login(credentials.username, {account_id: account}, {MAIL: account_id})
        return Opened(login, lambda: self._release(account_id, shared, proven))

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

    async def _adopt(self, name: str, account_id: str, port: ImapMail, credentials: ImapCredentials) -> _Shared:
        """Give an opened port to the owner's mail, in place of the one that it has."""
        now = time.monotonic()
        shared = self._shared.get(account_id)
        if shared is None:
            mail = MailAccount(account_id, account_id, port, self._store)
            shared = self._shared[account_id] = _Shared(name, mail, port, credentials, now)
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

    def _port(self, name: str, credentials: ImapCredentials) -> ImapMail:
        imap = self._config.backends[name].imap
        return OnceProbed(
            self._endpoints[name],
            credentials,
            settings=PoolSettings(maximum=imap.max_connections, idle=imap.idle_seconds),
            id_source=None if imap.id_source == "auto" else imap.id_source,
            virtual_prefixes=imap.virtual_folders,
        )


def _endpoint(name: str, imap: ImapConfig) -> Endpoint:
    """Raises ConfigError where the CA file cannot be used."""
    return Endpoint(
        host=imap.host,
        port=imap.port,
        tls=imap.tls,
        ssl_context=None if imap.tls == "none" else tls_context(name, imap),
        connect_timeout=imap.connect_seconds,
        command_timeout=imap.command_seconds,
    )


def tls_context(name: str, imap: ImapConfig) -> ssl.SSLContext:
    """What a backend's certificate is checked with. Raises ConfigError."""
    try:
        return ssl.create_default_context(cafile=None if imap.ca_file is None else str(imap.ca_file))
    except OSError as error:  # SSLError is one
        raise ConfigError([f"backends.{name}.imap.ca_file: {error}"]) from error


def _imap_credentials(credentials: Credentials, owner: str) -> ImapCredentials:
    """What goes to the server. A master user (RFC 4616 authentication identity) acts for the owner."""
    secret = credentials.secret.reveal()
    if credentials.scheme != "password":
        return ImapCredentials(
            owner, token=secret, mechanism="OAUTHBEARER" if credentials.scheme == "oauthbearer" else "XOAUTH2"
        )
    if credentials.login != credentials.username:
        return ImapCredentials(credentials.login, password=secret, authzid=owner)
    return ImapCredentials(owner, password=secret)
