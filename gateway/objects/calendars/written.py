"""Whether an event was written that scheduling messages tell of, where nobody came back to say so (decision 12)."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from adapters.formats.itip import Event
from adapters.formats.jscalendar.series import override_object, without_series
from gateway.objects.calendars.addresses import Addresses
from gateway.sync.calendars.account import CalendarAccount
from gateway.sync.calendars.entries import Entry
from gateway.sync.ledger import Record

_FACTS: Final = ("uid", "recurrenceId")


def write_of(before: Event | None, after: Event | None, etag: str | None, own: Addresses) -> Record:
    """What is to be remembered of a write that is about to be done, as JSON.

    etag: of what is replaced, None where there is nothing. after: None where the event is deleted.
    """
    event: Event = after or before or {}
    told = {name: event.get(name) for name in _FACTS} | {"etag": etag, "gone": after is None}
    if after is None:
        return told
    created = after.get("created") if before is None else None
    is_answer = before is not None and not own.is_origin(after)
    answers = _answers(after, own) if is_answer else None
    return told | {"sequence": after.get("sequence", 0), "created": created, "answers": answers, "own": list(own.all)}


async def is_written(calendars: CalendarAccount, write: Record) -> bool:
    """Whether the write was done, by what the server holds now. Raises adapters.errors.

    Somebody may have changed the event since then, so it is enough that nothing speaks against it.
    """
    await calendars.refresh(whole=False)
    found = list(_found(calendars, write))
    if write["gone"]:
        return not found
    return any(etag != write["etag"] and _fits(entry, write) for etag, entry in found)


def _found(calendars: CalendarAccount, write: Record) -> Iterator[tuple[str, Entry]]:
    """The event wherever it lies, each with the ETag of its resource."""
    for place in calendars.index.uids.get(write["uid"], ()):
        resource = calendars.index.resource(place)
        if resource is not None:
            same = [entry for entry in resource.entries if entry.recurrence_id == write["recurrenceId"]]
            yield from ((resource.etag, entry) for entry in same if entry.uid == write["uid"])


def _fits(entry: Entry, write: Record) -> bool:
    event = entry.event()
    created = event.get("created")  # some servers do not keep it
    same_event = None in {created, write["created"]} or str(created)[:19] == write["created"][:19]
    same_answers = write["answers"] is None or _answers(event, Addresses(tuple(write["own"]))) == write["answers"]
    return same_event and same_answers and bool(event.get("sequence", 0) >= write["sequence"])


def _answers(event: Event, own: Addresses) -> list[list[str | None]]:
    """What the user has answered: to the event (key null), and to instances that have an override."""
    found = [[None, status] for status in _statuses(event, own)]
    bare = without_series(event)
    for key, patch in sorted((event.get("recurrenceOverrides") or {}).items()):
        if patch.get("excluded") is not True:
            found += [[key, status] for status in _statuses(override_object(bare, key, patch), own)]
    return found


def _statuses(event: Mapping[str, Any], own: Addresses) -> list[str]:
    people = (event.get("participants") or {}).values()
    return sorted(one.get("participationStatus", "") for one in people if own.has(one.get("calendarAddress")))
