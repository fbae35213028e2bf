"""iTIP (RFC 5546): the messages that a change of a scheduled event asks for, as JSCalendar objects with a method. Pure.

Which are due is what draft-ietf-jmap-calendars-29 §5.9.2 says; what stands in each, RFC 5546 §3.2. Of every event
given here the participants have calendar addresses, and overrides can be applied.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from adapters.formats.jscalendar.participants import normal_address
from adapters.formats.jscalendar.series import override_object, without_series

Event = dict[str, Any]
Method = Literal["request", "cancel", "reply"]
IsOwn = Callable[[str], bool]
"""Whether a calendar address is the user's."""

PER_USER: Final = frozenset({"keywords", "color", "freeBusyStatus", "useDefaultAlerts", "alerts"})
"""What of an event is nobody else's business (draft-ietf-jmap-calendars-29 §5.4)."""

_IDLE: Final = PER_USER | {"updated", "sequence", "created", "isDraft", "prodId", "recurrenceOverrides"}
"""What may differ without a message for everybody; of the overrides it is looked at one by one."""

_NO_ANSWER: Final = "needs-action"
_OF_A_REPLY: Final[tuple[str, ...]] = (
    *("@type", "uid", "sequence", "title", "start", "timeZone", "duration", "showWithoutTime"),
    *("recurrenceId", "recurrenceIdTimeZone", "organizerCalendarAddress"),
)


@dataclass(frozen=True, slots=True)
class Message:
    """One message. sender, recipients: calendar addresses; event: with its `method`."""

    method: Method
    sender: str
    recipients: tuple[str, ...]
    event: Event


def messages(before: Event | None, after: Event | None, is_own: IsOwn, now: str) -> list[Message]:
    """What is to be sent when `before` (None: it was not there) has become `after` (None: it is destroyed).

    now: a UTCDateTime. A draft, and an event without an organizer, is nobody's business.
    """
    before = None if before is None or before.get("isDraft") else before
    after = None if after is None or after.get("isDraft") else after
    event = after or before
    organizer = None if event is None else event.get("organizerCalendarAddress")
    if organizer is None:
        return []
    if is_own(organizer):
        return list(_together(_Organizer(organizer, is_own, now).run(before, after)))
    return list(_replies(before, after, organizer, is_own, now))


def addresses(event: Event | None, is_own: IsOwn) -> dict[str, str]:
    """The participants of an event but the user: normalised calendar address -> as it is written."""
    people = ((event or {}).get("participants") or {}).values()
    found = (person["calendarAddress"] for person in people if "calendarAddress" in person)
    return {normal_address(address): address for address in found if not is_own(address)}


def instances(event: Event | None) -> dict[str, Event | None]:
    """The occurrences that have an override: recurrence id -> the whole object, None where it is excluded."""
    overrides = (event or {}).get("recurrenceOverrides") or {}
    bare = without_series(event or {})
    return {
        key: None if patch.get("excluded") is True else override_object(bare, key, patch)
        for key, patch in overrides.items()
    }


@dataclass(frozen=True, slots=True)
class _Organizer:
    """The side that decides (§5.9.2.1, §5.9.2.2)."""

    address: str
    is_own: IsOwn
    now: str

    def run(self, before: Event | None, after: Event | None) -> Iterator[Message]:
        """One message for each recipient and matter."""
        if after is None:
            yield from self._cancel_all(before or {})
            return
        everybody = addresses(after, self.is_own)
        yield from self._uninvite(before, after, everybody)
        yield from self._cancel_instances(before, after)
        if before is None or self._differ(before, after):
            for address in everybody.values():
                yield self._message("request", address, self._seen_by(after, address))
        yield from self._invite_to_instances(before, after, everybody)

    def _cancel_all(self, event: Event) -> Iterator[Message]:
        everybody = addresses(event, self.is_own)
        for address in everybody.values():
            yield self._message("cancel", address, self._cancelled(event, address, whole=True))
        for instance in instances(event).values():
            for one, address in addresses(instance, self.is_own).items():
                if instance is not None and one not in everybody:
                    yield self._message("cancel", address, self._cancelled(instance, address, whole=True))

    def _uninvite(self, before: Event | None, after: Event, everybody: dict[str, str]) -> Iterator[Message]:
        """Participants that are no longer on the event."""
        for key, address in addresses(before, self.is_own).items():
            if key not in everybody and before is not None:
                event = {**before, "sequence": after.get("sequence", 0)}
                yield self._message("cancel", address, self._cancelled(event, address, whole=False))

    def _cancel_instances(self, before: Event | None, after: Event) -> Iterator[Message]:
        """Instances that are excluded or removed, and those that a participant is taken from."""
        was, now = instances(before), instances(after)
        uninvited = addresses(before, self.is_own).keys() - addresses(after, self.is_own).keys()
        for key in sorted(was.keys() | now.keys()):
            there, here = self._people_at(key, before, was), self._people_at(key, after, now)
            instance = was.get(key) or override_object(before or after, key, {})
            event = {**instance, "sequence": after.get("sequence", 0)}
            for one in sorted(there.keys() - here.keys() - uninvited):
                yield self._message("cancel", there[one], self._cancelled(event, there[one], whole=not here))

    def _people_at(self, key: str, event: Event | None, known: dict[str, Event | None]) -> dict[str, str]:
        """Who is at one occurrence; nobody where there is none."""
        if key in known:
            return addresses(known[key], self.is_own)
        return addresses(event, self.is_own) if "recurrenceRule" in (event or {}) else {}

    def _invite_to_instances(self, before: Event | None, after: Event, everybody: dict[str, str]) -> Iterator[Message]:
        """Those who are invited to single occurrences hear of these alone (§5.9.2.1)."""
        was = instances(before)
        for key, instance in sorted(instances(after).items()):
            for one, address in addresses(instance, self.is_own).items():
                if instance is not None and one not in everybody and was.get(key) != instance:
                    yield self._message("request", address, self._seen_by(instance, address))

    def _differ(self, before: Event, after: Event) -> bool:
        """Whether more has changed than a CANCEL of instances tells."""
        if _essence(before) != _essence(after):
            return True
        was, now = instances(before), instances(after)
        changed = (key for key, instance in now.items() if _essence(was.get(key)) != _essence(instance))
        return any(now[key] is not None for key in changed)

    def _seen_by(self, event: Event, address: str) -> Event:
        """What a recipient is shown: no per-user properties, only occurrences that it is invited to."""
        event = {name: value for name, value in event.items() if name not in PER_USER and name != "isDraft"}
        overrides = dict(event.get("recurrenceOverrides") or {})
        for key, instance in instances(event).items():
            if instance is not None and normal_address(address) not in addresses(instance, self.is_own):
                overrides[key] = {"excluded": True}
        if overrides:
            event["recurrenceOverrides"] = {key: _without_own(patch) for key, patch in overrides.items()}
        if event.get("hideAttendees"):
            event["participants"] = {
                key: person
                for key, person in event["participants"].items()
                if "owner" in (person.get("roles") or {}) or _is(person, address)
            }
        return event

    def _cancelled(self, event: Event, address: str, *, whole: bool) -> Event:
        """A CANCEL (RFC 5546 §3.2.5); without STATUS where somebody is only taken from the list."""
        hidden = PER_USER | {"isDraft", "recurrenceOverrides"}
        shown = {name: value for name, value in event.items() if name not in hidden}
        shown["participants"] = {
            key: person
            for key, person in (event.get("participants") or {}).items()
            if _is(person, address) or self.is_own(person.get("calendarAddress", ""))
        }
        shown.pop("status", None)
        return shown | ({"status": "cancelled"} if whole else {})

    def _message(self, method: Method, address: str, event: Event) -> Message:
        return Message(method, self.address, (address,), {**event, "method": method, "updated": self.now})


def _is(person: Event, address: str) -> bool:
    return normal_address(person.get("calendarAddress", "")) == normal_address(address)


def _together(found: Iterable[Message]) -> Iterator[Message]:
    """Messages that say the same to several people as one."""
    alike: dict[str, list[Message]] = {}
    for message in found:
        alike.setdefault(json.dumps([message.method, message.event], sort_keys=True), []).append(message)
    for same in alike.values():
        yield Message(same[0].method, same[0].sender, tuple(one.recipients[0] for one in same), same[0].event)


def _without_own(patch: Event) -> Event:
    return {pointer: value for pointer, value in patch.items() if pointer.partition("/")[0] not in PER_USER}


def _essence(event: Event | None) -> Event:
    """What everybody is told of, without the overrides."""
    return {name: value for name, value in (event or {}).items() if name not in _IDLE}


# The other side


def _replies(before: Event | None, after: Event | None, organizer: str, is_own: IsOwn, now: str) -> Iterator[Message]:
    """The answers of the user's participants, of the event and of single occurrences (§5.9.2.3)."""
    event = after or before or {}
    for key, person in (event.get("participants") or {}).items():
        if "calendarAddress" not in person or not is_own(person["calendarAddress"]):
            continue
        old, new = _status(before, key), "declined" if after is None else _status(after, key)
        answered = old != _NO_ANSWER if after is None else new not in (old, _NO_ANSWER)
        if answered:
            yield _reply(event, key, new, organizer, now)
        if after is not None:
            yield from _instance_replies(before, after, key, (old, new), organizer, now)


def _instance_replies(
    before: Event | None, after: Event, key: str, base: tuple[str, str], organizer: str, now: str
) -> Iterator[Message]:
    was = instances(before)
    for recurrence_id, instance in sorted(instances(after).items()):
        known = was.get(recurrence_id)
        if recurrence_id in was and known is None:
            continue
        old = base[0] if known is None else _status(known, key)
        new = "declined" if instance is None else _status(instance, key)
        if (old, new) != base and new not in (old, _NO_ANSWER):
            event = override_object(before or after, recurrence_id, {}) if instance is None else instance
            yield _reply(event, key, new, organizer, now)


def _status(event: Event | None, key: str) -> str:
    person = ((event or {}).get("participants") or {}).get(key) or {}
    return str(person.get("participationStatus", _NO_ANSWER))


def _reply(event: Event, key: str, status: str, organizer: str, now: str) -> Message:
    """A REPLY has one attendee, who says how it is (RFC 5546 §3.2.3)."""
    person = {**event["participants"][key], "participationStatus": status}
    person.pop("expectReply", None)
    shown = {name: event[name] for name in _OF_A_REPLY if name in event}
    shown |= {"participants": {key: person}, "method": "reply", "updated": now}
    return Message("reply", person["calendarAddress"], (organizer,), shown)
