"""What notifications have in common: the ledger keeps them, nobody makes or changes them, a client dismisses them."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final, Protocol

from gateway.context import Account, Context
from gateway.jmap.checks import anything
from gateway.jmap.datatype import Changeable, Changes, Query, QueryChangeable, QueryResult, Settable
from gateway.jmap.errors import SetError
from gateway.jmap.filters import Comparator, Filter, evaluate
from gateway.jmap.properties import Property, Update
from gateway.objects.calendars.capability import calendars_of
from gateway.objects.changes import ledger_changes
from gateway.objects.results import ListResult
from gateway.sync.ledger import Edit, Record

_FORBIDDEN: Final = SetError("forbidden", "Notifications are made by the server only.")


def told(name: str) -> Property:
    """A property that only the server makes; whoever tries is told `forbidden` of the record, not of the property."""
    return Property(name, anything, omittable=True)


class NotificationType(Settable, Changeable, QueryChangeable, Protocol):
    """A type whose records have "created"; /get and what a FilterCondition means are left to it."""

    methods: tuple[str, ...] = ("get", "changes", "set", "query", "queryChanges")
    sort_properties: Mapping[str, Any] = {"created": ()}

    @abstractmethod
    def matches(self, account: Account, note: Record, condition: Filter) -> bool:
        """Whether a record meets all of a FilterCondition, beside its times."""
        ...

    async def state(self, context: Context, account: Account) -> str:
        """The state of all notifications, after a look for new ones."""
        return await (await calendars_of(context, account)).ledger.state(self.name)

    async def changes(self, context: Context, account: Account, since_state: str, max_changes: int | None) -> Changes:
        """RFC 8620 §5.2."""
        calendars = await calendars_of(context, account)
        return await ledger_changes(calendars.ledger, self.name, since_state, max_changes)

    async def create(
        self, context: Context, account: Account, records: Mapping[str, Mapping[str, Any]], arguments: Mapping[str, Any]
    ) -> Mapping[str, Mapping[str, Any] | SetError]:
        """MUST be rejected (-29 §7.3, RFC 9670 §3.3)."""
        return dict.fromkeys(records, _FORBIDDEN)

    async def update(
        self, context: Context, account: Account, updates: Mapping[str, Update], arguments: Mapping[str, Any]
    ) -> Mapping[str, Mapping[str, Any] | SetError | None]:
        """MUST be rejected (-29 §7.3, RFC 9670 §3.3)."""
        return dict.fromkeys(updates, _FORBIDDEN)

    async def destroy(
        self, context: Context, account: Account, ids: Sequence[str], arguments: Mapping[str, Any]
    ) -> Mapping[str, SetError]:
        """The user has seen them (-29 §7, RFC 9670 §3)."""
        calendars = await calendars_of(context, account)
        found = await calendars.ledger.read(self.name)

        def edit(before: Mapping[str, Mapping[str, Record]]) -> Edit:
            return Edit(remove={self.name: [key for key in ids if key in before[self.name]]})

        await calendars.ledger.commit(edit, [self.name])
        return {key: SetError("notFound") for key in ids if key not in found}

    async def query(self, context: Context, account: Account, query: Query) -> QueryResult:
        """RFC 8620 §5.5, the newest first where the client has no wish."""
        ledger = (await calendars_of(context, account)).ledger
        state = await ledger.state(self.name)
        notes = sorted((await ledger.read(self.name)).values(), key=lambda note: str(note["id"]))
        found = [note for note in notes if evaluate(query.filter, partial(self._meets, account, note))]
        for step in reversed(query.sort or (Comparator("created", is_ascending=False),)):
            found.sort(key=lambda note: str(note["created"]), reverse=not step.is_ascending)
        return ListResult([note["id"] for note in found], state)

    async def touched_since(
        self, context: Context, account: Account, query: Query, since_query_state: str
    ) -> set[str] | None:
        """Whatever came or went."""
        changed = await self.changes(context, account, since_query_state, None)
        return {*changed.created, *changed.updated, *changed.destroyed}

    def _meets(self, account: Account, note: Record, condition: Filter) -> bool:
        after, before = condition.get("after"), condition.get("before")
        in_time = (after is None or note["created"] >= after) and (before is None or note["created"] < before)
        return in_time and self.matches(account, note, condition)
