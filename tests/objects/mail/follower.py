"""A JMAP client that keeps a copy of an account and follows it by /changes and /queryChanges alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.client import JmapClient

TYPES = ("Mailbox", "Thread", "Email")
EMAIL_PROPERTIES = ["id", "threadId", "mailboxIds", "keywords", "size", "receivedAt", "subject"]
CHANGING = ["id", "mailboxIds", "keywords"]  # RFC 8621 §4.1: everything else is immutable

QUERIES: Mapping[str, Mapping[str, Any]] = {
    "all": {},
    "unread, oldest first": {"filter": {"notKeyword": "$seen"}, "sort": [{"property": "receivedAt"}]},
    "threads": {"collapseThreads": True},
    "by subject": {"sort": [{"property": "subject"}, {"property": "receivedAt", "isAscending": False}]},
    "threads that are read": {"filter": {"allInThreadHaveKeyword": "$seen"}},
}

Copy = dict[str, dict[str, Any]]


UNSERVED = ("serverUnavailable", "serverPartialFail")


class Unavailable(Exception):
    """A call was answered with serverUnavailable, or serverPartialFail: nothing was said, so the client asks again."""


async def ask(jmap: JmapClient, name: str, **arguments: Any) -> dict[str, Any] | None:
    """The answer of a call, None for cannotCalculateChanges. Raises Unavailable; no other error is acceptable."""
    ((answered, given, _),) = await jmap.sentences((name, arguments))
    if answered == name:
        return given
    if given["type"] in UNSERVED:
        raise Unavailable
    assert given["type"] == "cannotCalculateChanges", (name, given)
    return None


async def told(jmap: JmapClient, name: str, **arguments: Any) -> dict[str, Any]:
    """The answer of a call that cannot be refused."""
    answer = await ask(jmap, name, **arguments)
    assert answer is not None, name
    return answer


async def everything(jmap: JmapClient, type_name: str) -> tuple[Copy, str]:
    """All objects of a type, and their state."""
    properties = {"properties": EMAIL_PROPERTIES} if type_name == "Email" else {}
    answer = await told(jmap, f"{type_name}/get", ids=None, **properties)
    return {item["id"]: item for item in answer["list"]}, answer["state"]


@dataclass
class Follower:
    """Copies with their states. `missing` are ids that were gone before /changes told; `followed` and `refused` count
    what became of attempts to bring a copy up to date."""

    copies: dict[str, Copy] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    results: dict[str, list[str]] = field(default_factory=dict)
    query_states: dict[str, str] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    followed: int = 0
    refused: int = 0

    async def follow(self, jmap: JmapClient, max_changes: int | None) -> None:
        """Bring all copies up to date; afterwards they must equal what a new client would be given."""
        for type_name in TYPES:
            if type_name not in self.states or not await self._follow(jmap, type_name, max_changes):
                self.copies[type_name], self.states[type_name] = await everything(jmap, type_name)
            truth, _ = await everything(jmap, type_name)
            assert self.copies[type_name] == truth, type_name
        for name, query in QUERIES.items():
            await self._follow_query(jmap, name, query)

    async def _follow(self, jmap: JmapClient, type_name: str, max_changes: int | None) -> bool:
        """Apply /changes until there are no more; False if the state was refused. RFC 8620 §5.2"""
        limit = {} if max_changes is None else {"maxChanges": max_changes}
        more = True
        while more:
            since = self.states[type_name]
            changes = await ask(jmap, f"{type_name}/changes", sinceState=since, **limit)
            if changes is None:
                self.refused += 1
                return False
            touched = [*changes["created"], *changes["updated"], *changes["destroyed"]]
            assert len(set(touched)) == len(touched), changes
            assert max_changes is None or len(touched) <= max_changes
            assert touched or not changes["hasMoreChanges"], "more to come, but no progress"
            assert changes["oldState"] == since
            await self._apply(jmap, type_name, changes)
            self.states[type_name], more = changes["newState"], changes["hasMoreChanges"]
        self.followed += 1
        return True

    async def _apply(self, jmap: JmapClient, type_name: str, changes: Mapping[str, Any]) -> None:
        copy = self.copies[type_name]
        assert not copy.keys() & set(changes["created"]), (type_name, changes)
        assert set(changes["updated"]) | set(changes["destroyed"]) <= copy.keys() | self.missing, (type_name, changes)
        created = {"properties": EMAIL_PROPERTIES} if type_name == "Email" else {}
        updated: dict[str, Any] = {"properties": CHANGING} if type_name == "Email" else {}
        if changes.get("updatedProperties") is not None:  # RFC 8621 §2.2: nothing else need be fetched
            updated = {"properties": changes["updatedProperties"]}
        fetched = [
            await told(jmap, f"{type_name}/get", ids=changes["created"], **created),
            await told(jmap, f"{type_name}/get", ids=changes["updated"], **updated),
        ]
        # All or nothing, so that a call that fails is no harm to the copy.
        for gone in changes["destroyed"]:
            copy.pop(gone, None)
        for answer in fetched:
            for item in answer["list"]:
                copy[item["id"]] = copy.get(item["id"], {}) | item
            for gone in answer["notFound"]:  # destroyed in between, which the next /changes tells
                copy.pop(gone, None)
                self.missing.add(gone)

    async def _follow_query(self, jmap: JmapClient, name: str, query: Mapping[str, Any]) -> None:
        since = self.query_states.get(name)
        changes = None if since is None else await ask(jmap, "Email/queryChanges", sinceQueryState=since, **query)
        answer = await told(jmap, "Email/query", **query)
        if changes is not None:  # RFC 8620 §5.6: remove, then insert from the lowest index on
            result = [email_id for email_id in self.results[name] if email_id not in changes["removed"]]
            added = [item["index"] for item in changes["added"]]
            assert added == sorted(added)
            for item in changes["added"]:
                assert item["index"] <= len(result), name
                result.insert(item["index"], item["id"])
            assert changes["newQueryState"] == answer["queryState"]
            assert result == answer["ids"], name
        self.results[name], self.query_states[name] = answer["ids"], answer["queryState"]
