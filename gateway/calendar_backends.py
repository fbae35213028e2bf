"""Opening the calendars of a login that its mail server has proven; logins of one owner share them."""

import logging
from dataclasses import dataclass, field, replace
from functools import partial
from urllib.parse import unquote

from adapters.caldav.people import CalDav
from adapters.dav.connection import Credentials
from adapters.errors import AdapterError
from adapters.formats.jscalendar.timezones import iana_names
from gateway.config import Config
from gateway.dav_logins import DavLogin, dav_endpoint
from gateway.store.base import Store
from gateway.sync import ids
from gateway.sync.calendars.account import CalendarAccount
from gateway.sync.calendars.alert_clock import AlertClock
from gateway.sync.calendars.refresh import is_shown
from gateway.sync.calendars.whose import Whose
from gateway.sync.watch import Turns, Watch

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Shared:
    """The calendars of one owner, for all logins that have proven themselves."""

    login: DavLogin
    port: CalDav
    calendars: CalendarAccount
    watch: Watch
    alerts: AlertClock
    others: dict[str, "OthersCalendars"] = field(default_factory=dict)
    gone: list["OthersCalendars"] = field(default_factory=list)

    async def connect(self, port: CalDav) -> None:
        """The connections are others from now on."""
        old, self.port = self.port, port
        for calendars in (self.calendars, *(others.calendars for others in self.others.values())):
            calendars.port = port
        await old.close()


@dataclass(frozen=True, slots=True)
class OthersCalendars:
    """What one owner's logins see of the calendars of somebody else. id, view: see `gateway.shares.SharedAccount`.

    owner: path of his principal. name: what to call him.
    """

    id: str
    view: str
    owner: str
    name: str
    calendars: CalendarAccount
    watch: Watch
    alerts: AlertClock


@dataclass(frozen=True, slots=True)
class OpenedCalendars:
    """The calendars of a login: its own, and those of others that it may see."""

    calendars: CalendarAccount
    watch: Watch
    alerts: AlertClock
    others: tuple[OthersCalendars, ...]


class CalendarBackends:
    """The CalDAV servers beside the mail servers."""

    def __init__(self, config: Config, store: Store, gateway: bytes) -> None:
        """Raises ConfigError where a CA file cannot be used. gateway: stands for this gateway, and for no other."""
        self._store = store
        self._gateway = gateway
        self._poll_seconds = config.push.poll_seconds
        self._stale = 2 * config.auth.cache_seconds
        self._endpoints = {
            name: dav_endpoint(f"backends.{name}.caldav", backend.caldav)
            for name, backend in config.backends.items()
            if backend.caldav is not None
        }
        self._shared: dict[str, _Shared] = {}
        if self._endpoints:
            iana_names()  # reads a list of files, once; not while somebody waits

    async def open(self, name: str, user: str, credentials: Credentials) -> OpenedCalendars | None:
        """The owner's calendars; None where there is no server, or while it does not take the login.

        name: of the backend. user: the owner, as it knows him.

        credentials: an object of this login's own. Whatever comes of it, also None or an error, `release` ends it.
        """
        endpoint = self._endpoints.get(name)
        if endpoint is None:
            return None
        account_id = ids.account_id(name, user)
        shared = self._shared.get(account_id)
        if shared is None:
            port = CalDav(endpoint, credentials)
            whose = Whose(account_id, partial(_account_of, name, user, port), lambda info: info.owner is None)
            calendars = CalendarAccount(account_id, account_id, port, self._store, whose=whose)
            watch = self._watch(account_id, calendars)
            alerts = AlertClock(calendars, self._poll_seconds)
            login = DavLogin("CalDAV", credentials, self._stale)
            shared = self._shared[account_id] = _Shared(login, port, calendars, watch, alerts)
        shared.login.holders.append(credentials)
        is_listed = await shared.login.prove(
            credentials, lambda found: shared.connect(CalDav(endpoint, found)), shared.calendars.learn
        )
        if not shared.login.answered:
            return None
        if shared.calendars.facts.lends:
            await self._look_for_others(name, user, shared, is_listed=is_listed)
        return OpenedCalendars(shared.calendars, shared.watch, shared.alerts, tuple(shared.others.values()))

    async def _look_for_others(self, name: str, user: str, shared: _Shared, *, is_listed: bool) -> None:
        """Which owners share calendars with the login just now. is_listed: the server was asked right before."""
        try:
            listed = shared.port.heard() if is_listed else await shared.port.calendars()
            found = [info for info in listed if info.owner is not None and is_shown(info)]
        except AdapterError as error:
            log.warning("what others share cannot be asked for: %s", type(error).__name__)
            return
        owners = {info.owner for info in found if info.owner is not None}
        for owner in owners - shared.others.keys():
            shared.others[owner] = self._others(name, user, shared, owner)
        for owner in shared.others.keys() - owners:
            shared.gone.append(shared.others.pop(owner))
        for owner, others in shared.others.items():
            others.calendars.is_expected = any(info.owner == owner and not info.offered for info in found)

    def _others(self, name: str, user: str, shared: _Shared, owner: str) -> OthersCalendars:
        own = shared.calendars
        account_id = own.whose.account_of(owner)
        view = ids.view_id(own.id, account_id)
        whose = replace(own.whose, shows=lambda info: info.owner == owner)
        calendars = CalendarAccount(view, account_id, shared.port, self._store, whose=whose)
        calendars.adopt(own.facts)
        shown = login_of(owner, user, shared.port.principal)
        watch, alerts = self._watch(view, calendars), AlertClock(calendars, self._poll_seconds, account_id=account_id)
        return OthersCalendars(account_id, view, owner, shown, calendars, watch, alerts)

    def _watch(self, account_id: str, calendars: CalendarAccount) -> Watch:
        turns = Turns(self._store, f"{account_id}-calendars", self._gateway) if self._store.shared else None
        return Watch(calendars, self._poll_seconds, turns)

    async def release(self, account_id: str, credentials: Credentials) -> None:
        """Let the login go that was opened with this very object; nothing happens where none was."""
        shared = self._shared.get(account_id)
        if shared is None or not shared.login.let_go(credentials):
            return
        del self._shared[account_id]
        for others in (*shared.others.values(), *shared.gone):
            await others.calendars.close()
        await shared.calendars.close()
        await shared.port.close()


def _account_of(backend: str, user: str, port: CalDav, owner: str) -> str:
    """The id of an owner's account: that of his mail, where his principal is named as he logs in."""
    return ids.account_id(backend, login_of(owner, user, port.principal))


def login_of(owner: str, user: str, principal: str | None) -> str:
    """What the owner of a principal logs in with, as it is for the user; the path where nothing tells.

    principal: path of the user's own.
    """
    above, _, own = (principal or "").rstrip("/").rpartition("/")
    parent, _, name = owner.rstrip("/").rpartition("/")
    return unquote(name) if parent == above and unquote(own) == user else owner
