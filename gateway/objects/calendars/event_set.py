"""CalendarEvent/set: create, update, destroy; of events and of instances of them (-29 §5.9)."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import orjson

from adapters.errors import AdapterError, Conflict, Unsupported
from gateway.context import Account, Context
from gateway.jmap.errors import SetError
from gateway.jmap.properties import Update
from gateway.objects.calendars import event_rules as rules
from gateway.objects.calendars.addresses import Addresses
from gateway.objects.calendars.attachments import embedded
from gateway.objects.calendars.calendar_view import is_shared, rights_of
from gateway.objects.calendars.event_properties import COMPUTED, MAPS, METADATA
from gateway.objects.calendars.event_view import View
from gateway.objects.calendars.instances import Target, find
from gateway.objects.calendars.overrides import base_path, keep_whole, with_instance
from gateway.objects.calendars.per_user import PerUser
from gateway.objects.calendars.placing import Placing
from gateway.objects.calendars.rsvp import is_rsvp
from gateway.objects.calendars.scheduling import Scheduling
from gateway.objects.calendars.storing import Storing
from gateway.objects.collections import refusal
from gateway.objects.difference import Change, applied, difference
from gateway.sync.calendars.account import CalendarAccount
from gateway.sync.calendars.entries import entry_of
from gateway.sync.calendars.index import Event, Held, Index, is_of_others
from gateway.sync.calendars.zones import zone_of
from gateway.sync.pace import aside

Values = dict[str, Any]

_ABSENT: Final = object()
_NOT_IN_INSTANCES: Final = frozenset(  # jscalendarbis §3.3.4, -29 §5, §5.1
    {
        *("@type", "uid", "prodId", "privacy", "organizerCalendarAddress", "sentBy", "relatedTo", "recurrenceRule"),
        *("recurrenceOverrides", "calendarIds", "isDraft", "mayInviteSelf", "mayInviteOthers", "hideAttendees"),
    }
)


class Writer:
    """One /set or /copy on an account's events."""

    def __init__(
        self, context: Context, account: Account, calendars: CalendarAccount, own: Addresses, *, schedule: bool = False
    ) -> None:
        self._context = context
        self._account = account
        self._calendars = calendars
        self._own = own
        self._scheduling = Scheduling(calendars, own, account.outbox, wanted=schedule)
        self._storing = Storing(calendars, own, schedule=self._scheduling.by_server, announce=self._scheduling.announce)
        self._placing = Placing(calendars, self._storing)
        self._per_user = PerUser(calendars)

    @property
    def _index(self) -> Index:
        return self._calendars.index

    # create

    async def create(
        self, records: Mapping[str, Mapping[str, Any]], doomed: Collection[str] = ()
    ) -> Mapping[str, Mapping[str, Any] | SetError]:
        """By creation id: what the server set, or why there is no event.

        doomed: ids of what is to be destroyed next; a series takes the place of its instances among them.
        """
        answers: dict[str, Mapping[str, Any] | SetError] = {}
        for key, record in records.items():
            try:
                event_id = await self._create(record, doomed)
            except (SetError, AdapterError) as error:
                answers[key] = await self._refused(error)
                continue
            finally:
                await self._finish()
            answers[key] = {"id": event_id} | self._told(event_id, record)
        return answers

    async def _create(self, record: Mapping[str, Any], doomed: Collection[str]) -> str:
        self._per_user.clear()
        values = {name: value for name, value in record.items() if value is not None and name not in METADATA}
        places = [self._writable(calendar_id) for calendar_id in record["calendarIds"]]
        rules.take_utc(values, values.get("timeZone"), _common_zone(places))
        values = await embedded(self._context, self._account, values)
        event = rules.completed(values, self._own)
        if record.get("isDraft"):
            event["isDraft"] = True
        size = len(orjson.dumps(event))
        await aside(size, partial(self._check, event, {}, places, event.get("recurrenceOverrides") or ()))
        event_id = self._calendars.ids.event(event["uid"], event.get("recurrenceId"))
        instances = self._placing.given_way(event, doomed)
        for calendar_id in {calendar_id for instance in instances for calendar_id in instance.calendar_ids}:
            self._writable(calendar_id)
        self._placing.check_uid(event, {instance.id for instance in instances})
        await aside(size, partial(self._scheduling.plan, None, event))
        await self._scheduling.prepare()
        await self._placing.store(event_id, self._per_user.new(event_id, event, record["calendarIds"]), places)
        await self._storing.finish()
        await self._per_user.finish()
        self._context.replaced.update(instance.id for instance in instances)
        await self._scheduling.send()
        return event_id

    # update

    async def update(self, updates: Mapping[str, Update]) -> Mapping[str, Mapping[str, Any] | SetError | None]:
        """By id: what changed beyond what was asked for, or why nothing was changed."""
        answers: dict[str, Mapping[str, Any] | SetError | None] = dict(self._placing.refused(updates))
        for event_id, change in updates.items():
            if event_id in answers:
                continue
            target = find(self._index, event_id)
            if target is None:
                answers[event_id] = SetError("notFound")
                continue
            before = View(self._own).show(target)
            try:
                await self._update(target, change)
            except (SetError, AdapterError) as error:
                answers[event_id] = await self._refused(error)
                continue
            finally:
                await self._finish()
            kept = {name: value for name, value in before.items() if name not in change.changed}
            answers[event_id] = self._told(event_id, {**kept, **change.patched})
        return answers

    async def _update(self, target: Target, change: Update) -> None:
        event = target.event
        self._per_user.clear()
        self._refuse_private(event)
        held = [self._index.calendars[calendar_id] for calendar_id in sorted(event.calendar_ids)]
        if change.patched.get("isDraft") and "isDraft" in change.changed:  # -29 §5: only upon creation
            raise rules.invalid("cannot be set again", "isDraft")
        if target.recurrence_id is not None and (wrong := change.changed & _NOT_IN_INSTANCES):
            raise rules.invalid("cannot differ in an instance", *sorted(wrong))
        changes = await self._changes(target, change, held)
        paths = [base_path(one.path, target.recurrence_id) for one in changes]
        essential = any(rules.is_essential(path, one.value) for path, one in zip(paths, changes, strict=True))
        only_private = not essential and change.changed.isdisjoint({"calendarIds", "isDraft"})
        right = "mayUpdatePrivate" if only_private else "mayWriteAll"
        if right == "mayWriteAll" and change.changed.isdisjoint({"calendarIds", "isDraft"}):
            right = "mayRSVP" if is_rsvp(target.content(), changes, self._own) else right
        for one in held:
            self._writable(one.id, right)
        await self._scheduling.prepare()
        edit = partial(self._edited, target, changes, held, essential)
        seen, apart = event.entry.event(), bool(self._per_user.apart(event.calendar_ids))
        if changes and not (only_private and apart and edit(seen) == seen):  # else it is the user's own, and kept here
            for place in event.places:
                await self._storing.change(event, place, edit)
            await self._scheduling.send()
        await self._storing.finish()
        await self._per_user.finish()
        if "calendarIds" in change.changed:
            await self._refile(event, change.patched["calendarIds"])

    async def _changes(self, target: Target, change: Update, held: Sequence[Held]) -> list[Change]:
        """What is to be done to the stored event."""
        names = change.changed - {*METADATA}
        before = {name: change.current[name] for name in names & change.current.keys()}
        after = {name: change.patched[name] for name in names & change.patched.keys()}
        for utc, local in (("utcStart", "start"), ("utcEnd", "duration")):
            if {utc, local} <= change.patched.keys():
                raise rules.invalid("exclude each other", utc, local)
        if names & {*COMPUTED}:
            content = target.content()
            zone = after.get("timeZone", content.get("timeZone"))
            moved = after if "utcStart" in after else {"start": content["start"], **after}
            rules.take_utc(moved, zone, _common_zone(held))
            after = moved
            before = {name: value for name, value in content.items() if name in after} | before
            before = {name: value for name, value in before.items() if name not in COMPUTED}
        changes = list(difference(before, await embedded(self._context, self._account, after), MAPS))
        return [*changes, Change(("isDraft",), False)] if "isDraft" in change.changed else changes

    def _edited(
        self, target: Target, changes: Sequence[Change], held: Sequence[Held], essential: bool, stored: Values
    ) -> dict[str, Any]:
        """The stored event with the changes, as often as it takes (after a 412 to a newer version)."""
        seen = self._per_user.seen(target.event, stored)
        if target.recurrence_id is None:
            event = applied(seen, changes, MAPS)
            keep_whole(event, seen)
            if event.get("isDraft") is False:
                del event["isDraft"]
        else:
            event = with_instance(seen, target.recurrence_id, changes)
        if "participants" in event and "participants" not in stored:
            rules.with_organizer(event, self._own)
        paths = [base_path(change.path, target.recurrence_id) for change in changes]
        rules.revised(event, stored, self._own, essential=essential)
        self._check(
            event, stored, held, {path[1] for path in paths if path[0] == "recurrenceOverrides" and len(path) > 1}
        )
        self._scheduling.plan(stored, event)
        is_shared_change = essential or event.get("isDraft") != stored.get("isDraft")
        return self._per_user.stored(target.event, event, stored, essential=is_shared_change)

    async def _refile(self, event: Event, wanted: Mapping[str, Any]) -> None:
        """Put an event into the calendars that it is to be in; it is never in none."""
        gone = [place for place in event.places if place.calendar_id not in wanted]
        new = [self._writable(calendar_id).id for calendar_id in wanted if calendar_id not in event.calendar_ids]
        source = next((place for place in event.places if place not in gone), event.places[0])
        while gone and new:
            try:
                moved = await self._storing.move(event, gone[0], new[0])
            except Unsupported:
                break
            source = moved if source == gone[0] else source
            del gone[0], new[0]
        for calendar_id in new:
            try:
                await self._storing.copy(event, source, calendar_id)
            except Conflict as error:
                raise rules.invalid("The server takes an event in one calendar only.", "calendarIds") from error
        for place in gone:
            await self._storing.remove(event, place)

    # destroy

    async def destroy(self, ids: Sequence[str]) -> Mapping[str, SetError]:
        """By id: why it was not destroyed."""
        refused: dict[str, SetError] = {}
        for event_id in ids:
            if event_id in self._context.replaced:  # by its series, just now
                self._context.replaced.remove(event_id)
                continue
            target = find(self._index, event_id)
            try:
                if target is None:
                    raise SetError("notFound")  # noqa: TRY301 - one place that collects them all
                await self._destroy(target)
            except (SetError, AdapterError) as error:
                refused[event_id] = await self._refused(error)
            finally:
                await self._finish()
        return refused

    async def _destroy(self, target: Target) -> None:
        event = target.event
        self._refuse_private(event)
        for calendar_id in event.calendar_ids:
            self._writable(calendar_id)
        if target.recurrence_id is None:
            self._scheduling.plan(event.entry.event(), None)
        await self._scheduling.prepare()
        for place in event.places:
            if target.recurrence_id is None:
                await self._storing.remove(event, place)
            else:
                await self._storing.change(
                    event, place, lambda stored: self._without(stored, target.recurrence_id or "")
                )
        await self._scheduling.send()

    def _without(self, stored: Values, recurrence_id: str) -> Values:
        """The event without one instance (-29 §5.9)."""
        overrides = dict(stored.get("recurrenceOverrides") or {})
        if rules.is_instance(stored, recurrence_id):
            overrides[recurrence_id] = {"excluded": True}
        else:
            overrides.pop(recurrence_id, None)
        event = {**stored, "recurrenceOverrides": overrides}
        rules.revised(event, stored, self._own, essential=True)
        self._scheduling.plan(stored, event)
        return event

    # what all of them need

    async def _refused(self, error: SetError | AdapterError) -> SetError:
        await self._scheduling.failed(error)
        return refusal(error)

    async def _finish(self) -> None:
        await self._scheduling.finish()
        await self._storing.finish()

    def _refuse_private(self, event: Event) -> None:
        """Raises SetError for what others are not to see, even for the per-user properties of it (-29 §5.9)."""
        if is_of_others(self._index, event.calendar_ids) and event.entry.event().get("privacy", "public") != "public":
            raise SetError("forbidden")

    def _writable(self, calendar_id: str, right: str = "mayWriteAll") -> Held:
        """A calendar on whose events the user has a right. Raises SetError."""
        held = self._index.calendars.get(calendar_id)
        if held is None:
            raise rules.invalid(f"There is no calendar {calendar_id[:60]!r}.", "calendarIds")
        if not rights_of(held.info)[right]:
            raise SetError("forbidden")
        return held

    def _check(
        self, event: dict[str, Any], before: Mapping[str, Any], held: Sequence[Held], overrides: Iterable[str]
    ) -> None:
        rules.check(event)
        rules.fit_scale(event, before, self._calendars.facts.scales)
        rules.check_overrides(event, overrides)
        if event.get("privacy", "public") != "public" and any(is_shared(one.info) for one in held):  # -29 §5.9
            raise rules.invalid("must be public in a calendar of others", "privacy")
        try:
            entry_of(event)
        except (ValueError, OverflowError) as error:
            raise rules.invalid(f"The times cannot be calculated with: {error}"[:200], "start") from error

    def _told(self, event_id: str, known: Mapping[str, Any]) -> dict[str, Any]:
        """What the client cannot know of an event after writing it (RFC 8620 §5.3)."""
        target = find(self._index, event_id)
        if target is None:
            return {}
        shown = View(self._own).show(target)
        told = {name: value for name, value in shown.items() if known.get(name, _ABSENT) != value}
        gone = [name for name, value in known.items() if value is not None and name not in {*shown, *COMPUTED}]
        return told | dict.fromkeys(name for name in gone if name not in METADATA)


def _common_zone(held: Iterable[Held]) -> str | None:
    """The time zone of all the calendars, if they have the same (-29 §5)."""
    zones = {zone_of(one.info.properties.time_zone) for one in held}
    return zones.pop() if len(zones) == 1 else None
