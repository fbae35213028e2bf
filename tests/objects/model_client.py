"""The types on a model server, without a web layer: calls go through the dispatcher as requests do."""

from collections.abc import Sequence
from typing import Any, ClassVar

import orjson

from gateway.context import Account, Context, Login
from gateway.jmap import dispatch
from gateway.jmap.capabilities import CoreLimits
from gateway.jmap.registry import Registry
from gateway.jmap.request import Call, Request
from gateway.objects import DATA_TYPES, METHODS, Blobs
from gateway.store.blobs import Uploads
from gateway.store.cache import ByteCache
from gateway.store.sqlite import SqliteStore

Sentence = tuple[str, dict[str, Any]]


class ModelClient:
    """One client of an account, and of others that the login may open. kind: the type of the records."""

    kind: ClassVar[str]

    def __init__(self, account: Account, store: SqliteStore, using: frozenset[str]) -> None:
        self.account = account
        self.using = using
        self.uploads = Uploads(store, 3600.0)
        self.cache = ByteCache(16_000_000)
        self.registry = Registry.build(DATA_TYPES, METHODS)
        self.others: dict[str, Account] = {}

    async def said(self, *calls: Sentence) -> list[tuple[str, dict[str, Any]]]:
        """The answers to the calls of one request: (name, arguments)."""
        accounts = {self.account.id: self.account, **self.others}
        context = Context(
            Login("alice", accounts, {}),
            self.using,
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
        answer = orjson.loads(
            orjson.dumps(await dispatch.run(self.registry, context, Request(self.using, made, None), "s"))
        )
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

    async def upload(self, data: bytes, content_type: str) -> str:
        """The id of a new blob."""
        async with self.uploads.writer(self.account.id, 1_000_000) as writer:
            await writer.write(data)
            return (await writer.finish(content_type)).id

    async def create(self, record: dict[str, Any], **arguments: Any) -> dict[str, Any]:
        """What the server told of a new record."""
        answer = await self.call(f"{self.kind}/set", create={"k": record}, **arguments)
        assert answer["notCreated"] is None, answer
        created: dict[str, Any] = answer["created"]["k"]
        return created

    async def update(self, record_id: str, patch: dict[str, Any], **arguments: Any) -> dict[str, Any]:
        """What the server told of an update."""
        answer = await self.call(f"{self.kind}/set", update={record_id: patch}, **arguments)
        assert answer["notUpdated"] is None, answer
        return answer["updated"][record_id] or {}

    async def refused(self, verb: str, value: Any, **arguments: Any) -> dict[str, Any]:
        """The SetError of the only record of a /set."""
        answer = await self.call(f"{self.kind}/set", **{verb: value}, **arguments)
        member = {"create": "notCreated", "update": "notUpdated", "destroy": "notDestroyed"}[verb]
        assert answer[member], answer
        (error,) = answer[member].values()
        found: dict[str, Any] = error
        return found

    async def ids(self, **arguments: Any) -> Sequence[str]:
        """The ids of a query."""
        found: list[str] = (await self.call(f"{self.kind}/query", **arguments))["ids"]
        return found
