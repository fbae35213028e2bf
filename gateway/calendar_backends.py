"""Opening the calendars of a login that its mail server has proven; logins of one owner share them."""

import logging
import math
import ssl
import time
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from adapters.caldav.people import CalDav
from adapters.dav.connection import Credentials, Endpoint
from adapters.errors import AdapterError, NotFound
from adapters.formats.jscalendar.timezones import iana_names
from gateway.config import CalDavConfig, Config
from gateway.config_reader import ConfigError
from gateway.store.base import Store
from gateway.sync.calendars.account import CalendarAccount
from gateway.sync.calendars.alert_clock import AlertClock
from gateway.sync.watch import Turns, Watch

log = logging.getLogger(__name__)

FACTS_SECONDS: Final = 3600.0
RETRY_SECONDS: Final = 60.0
"""How long the answer of a CalDAV server, or its silence, is believed."""


@dataclass(slots=True, eq=False)
class _Shared:
    """The calendars of one owner, for all logins that have proven themselves."""

    credentials: Credentials
    port: CalDav
    calendars: CalendarAccount
    watch: Watch
    alerts: AlertClock
    answered: bool = False
    asked_at: float = -math.inf
    proven_at: float = -math.inf
    holders: list[Credentials] = field(default_factory=list)


class OpenCalendars(NamedTuple):
    """The calendars of an account, and what goes on there while somebody listens."""

    calendars: CalendarAccount
    watch: Watch
    alerts: AlertClock


class CalendarBackends:
    """The CalDAV servers beside the mail servers."""

    def __init__(self, config: Config, store: Store, gateway: bytes) -> None:
        """Raises ConfigError where a CA file cannot be used. gateway: stands for this gateway, and for no other."""
        self._store = store
        self._gateway = gateway
        self._poll_seconds = config.push.poll_seconds
        self._stale = 2 * config.auth.cache_seconds
        self._endpoints = {
            name: dav_endpoint(name, backend.caldav)
            for name, backend in config.backends.items()
            if backend.caldav is not None
        }
        self._shared: dict[str, _Shared] = {}
        if self._endpoints:
            iana_names()  # reads a list of files, once; not while somebody waits

    async def open(self, name: str, account_id: str, credentials: Credentials) -> OpenCalendars | None:
        """The owner's calendars; None where there is no server, or while it does not take the login.

        Everything that was opened is given back by `release`, also after None.
        """
        endpoint = self._endpoints.get(name)
        if endpoint is None:
            return None
        shared = self._shared.get(account_id)
        if shared is None:
            port = CalDav(endpoint, credentials)
            calendars = CalendarAccount(account_id, account_id, port, self._store)
            watch = self._watch(account_id, calendars)
            alerts = AlertClock(calendars, self._poll_seconds)
            shared = self._shared[account_id] = _Shared(credentials, port, calendars, watch, alerts)
        shared.holders.append(credentials)
        await self._prove(endpoint, shared, credentials)
        return OpenCalendars(shared.calendars, shared.watch, shared.alerts) if shared.answered else None

    def _watch(self, account_id: str, calendars: CalendarAccount) -> Watch:
        turns = Turns(self._store, f"{account_id}-calendars", self._gateway) if self._store.shared else None
        return Watch(calendars, self._poll_seconds, turns)

    async def release(self, account_id: str, credentials: Credentials) -> None:
        """Let one login go."""
        shared = self._shared.get(account_id)
        if shared is None or credentials not in shared.holders:
            return
        shared.holders.remove(credentials)
        if shared.holders:
            if shared.credentials not in shared.holders:
                shared.proven_at = -math.inf  # may have been refused: whoever comes next brings others
            return
        del self._shared[account_id]
        await shared.calendars.close()
        await shared.port.close()

    async def _prove(self, endpoint: Endpoint, shared: _Shared, credentials: Credentials) -> None:
        """Ask the server once in a while, and by new credentials where the old may not be good any more."""
        now = time.monotonic()
        if shared.credentials == credentials:
            shared.proven_at = now
        elif now - shared.proven_at > self._stale:
            old, shared.port = shared.port, CalDav(endpoint, credentials)
            shared.credentials, shared.calendars.port = credentials, shared.port
            shared.proven_at, shared.asked_at = now, -math.inf
            await old.close()
        if now - shared.asked_at <= (FACTS_SECONDS if shared.answered else RETRY_SECONDS):
            return
        shared.asked_at = now
        try:
            await shared.calendars.learn()
            shared.answered = True
        except NotFound:
            shared.answered = False
            log.info("a login has no calendars at the CalDAV server")
        except AdapterError as error:
            shared.answered = False
            log.warning("the CalDAV server cannot be used for now: %s: %s", type(error).__name__, error)


def dav_endpoint(name: str, dav: CalDavConfig) -> Endpoint:
    """How a CalDAV server is reached. Raises ConfigError where the CA file cannot be used."""
    context = None
    if dav.url.startswith("https:"):
        try:
            context = ssl.create_default_context(cafile=None if dav.ca_file is None else str(dav.ca_file))
        except OSError as error:  # SSLError is one
            raise ConfigError([f"backends.{name}.caldav.ca_file: {error}"]) from error
    return Endpoint(
        url=dav.url,
        ssl_context=context,
        connect_timeout=dav.connect_seconds,
        read_timeout=dav.read_seconds,
        total_timeout=dav.answer_seconds,
        connections=dav.max_connections,
    )
