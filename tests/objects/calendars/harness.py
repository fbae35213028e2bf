"""The calendar types on a model server, without a web layer: calls go through the dispatcher as requests do."""

from collections.abc import Sequence
from typing import Any

import orjson

from gateway.context import Account, Context, Login
from gateway.jmap import dispatch
from gateway.jmap.capabilities import CORE, CoreLimits
from gateway.jmap.registry import Registry
from gateway.jmap.request import Call, Request
from gateway.objects import DATA_TYPES, METHODS, Blobs
from gateway.objects.calendars.capability import AVAILABILITY, CALENDARS, PARSE, calendars_capability
from gateway.objects.principals.capability import PRINCIPALS
from gateway.store.blobs import Uploads
from gateway.store.cache import ByteCache
from gateway.store.sqlite import SqliteStore
from gateway.sync.calendars.account import CalendarAccount
from tests.sync.calendars.model import Home, ModelPort

ACCOUNT = "acal"
USING = frozenset({CORE, CALENDARS, PARSE, PRINCIPALS, AVAILABILITY})
Sentence = tuple[str, dict[str, Any]]


class Client:
    """One client of an account in front of a model home."""

    def __init__(self, home: Home, account_id: str = ACCOUNT, store: SqliteStore | None = None) -> None:
        self.home = home
        self.store = store or SqliteStore(None)
        self.port = ModelPort(home)
        self.calendars = CalendarAccount(account_id, account_id, self.port, self.store)
        self.uploads = Uploads(self.store, 3600.0)
        self.cache = ByteCache(16_000_000)
        self.registry = Registry.build(DATA_TYPES, METHODS)
        capabilities: dict[str, dict[str, Any]] = {urn: {} for urn in USING} | {
            CALENDARS: calendars_capability(several=True)
        }
        self.account = Account(
            account_id, "alice@example.org", True, False, capabilities, None, calendars=self.calendars
        )
        self.others: dict[str, Account] = {}

    async def said(self, *calls: Sentence) -> list[tuple[str, dict[str, Any]]]:
        """The answers to the calls of one request: (name, arguments)."""
        accounts = {self.account.id: self.account, **self.others}
        context = Context(
            Login("alice", accounts, {}),
            USING,
            CoreLimits(),
            self.uploads,
            Blobs(self.uploads),
            self.cache,
            "test",
        )
        made = [
            Call(name, {"accountId": self.account.id, **arguments}, f"c{number}")
            for number, (name, arguments) in enumerate(calls)
        ]
        answer = orjson.loads(orjson.dumps(await dispatch.run(self.registry, context, Request(USING, made, None), "s")))
        return [(response[0], response[1]) for response in answer["methodResponses"]]

    async def call(self, name: str, **arguments: Any) -> dict[str, Any]:
        """The answer to a single call, which must succeed."""
        ((answered, answer),) = await self.said((name, arguments))
        assert answered == name, answer
        return answer

    async def error(self, name: str, **arguments: Any) -> str:
        """The type of the error that a single call gives."""
        ((answered, answer),) = await self.said((name, arguments))
        assert answered == "error", answer
        kind: str = answer["type"]
        return kind

    async def event(self, event_id: str, **arguments: Any) -> dict[str, Any]:
        """One event."""
        (event,) = (await self.call("CalendarEvent/get", ids=[event_id], **arguments))["list"]
        found: dict[str, Any] = event
        return found

    async def create(self, event: dict[str, Any], **arguments: Any) -> dict[str, Any]:
        """What the server told of a new event."""
        answer = await self.call("CalendarEvent/set", create={"k": event}, **arguments)
        assert answer["notCreated"] is None, answer
        created: dict[str, Any] = answer["created"]["k"]
        return created

    async def update(self, event_id: str, patch: dict[str, Any], **arguments: Any) -> dict[str, Any]:
        """What the server told of an update."""
        answer = await self.call("CalendarEvent/set", update={event_id: patch}, **arguments)
        assert answer["notUpdated"] is None, answer
        return answer["updated"][event_id] or {}

    async def refused(self, verb: str, value: Any, **arguments: Any) -> dict[str, Any]:
        """The SetError of the only record of a /set."""
        answer = await self.call("CalendarEvent/set", **{verb: value}, **arguments)
        member = {"create": "notCreated", "update": "notUpdated", "destroy": "notDestroyed"}[verb]
        assert answer[member], answer
        (error,) = answer[member].values()
        found: dict[str, Any] = error
        return found

    async def ids(self, **arguments: Any) -> Sequence[str]:
        """The ids of a query."""
        found: list[str] = (await self.call("CalendarEvent/query", **arguments))["ids"]
        return found

    async def upload(self, data: bytes, content_type: str) -> str:
        """The id of a new blob."""
        async with self.uploads.writer(self.account.id, 1_000_000) as writer:
            await writer.write(data)
            return (await writer.finish(content_type)).id

    def calendar_id(self, path: str) -> str:
        return self.calendars.ids.calendar(path)

    def name(self, uid: str) -> str:
        """The name that a created event has."""
        return f"{self.calendars.ids.event(uid, None)}.ics"
