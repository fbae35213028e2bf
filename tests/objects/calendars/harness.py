"""The calendar types on a model server, without a web layer: calls go through the dispatcher as requests do."""

from typing import Any

from gateway.context import Account
from gateway.jmap.capabilities import CORE
from gateway.objects.calendars.capability import AVAILABILITY, CALENDARS, PARSE, calendars_capability
from gateway.objects.principals.capability import PRINCIPALS
from gateway.store.sqlite import SqliteStore
from gateway.sync.calendars.account import CalendarAccount
from tests.objects.model_client import ModelClient
from tests.sync.calendars.model import Home, ModelPort

ACCOUNT = "acal"
USING = frozenset({CORE, CALENDARS, PARSE, PRINCIPALS, AVAILABILITY})


class Client(ModelClient):
    """One client of an account in front of a model home."""

    kind = "CalendarEvent"

    def __init__(self, home: Home, account_id: str = ACCOUNT, store: SqliteStore | None = None) -> None:
        self.home = home
        self.store = store or SqliteStore(None)
        self.port = ModelPort(home)
        self.calendars = CalendarAccount(account_id, account_id, self.port, self.store)
        capabilities: dict[str, dict[str, Any]] = {urn: {} for urn in USING} | {
            CALENDARS: calendars_capability(several=True)
        }
        account = Account(account_id, "alice@example.org", True, False, capabilities, None, calendars=self.calendars)
        super().__init__(account, self.store, USING)

    async def event(self, event_id: str, **arguments: Any) -> dict[str, Any]:
        """One event."""
        (event,) = (await self.call("CalendarEvent/get", ids=[event_id], **arguments))["list"]
        found: dict[str, Any] = event
        return found

    def calendar_id(self, path: str) -> str:
        return self.calendars.ids.calendar(path)

    def name(self, uid: str) -> str:
        """The name that a created event has."""
        return f"{self.calendars.ids.event(uid, None)}.ics"
