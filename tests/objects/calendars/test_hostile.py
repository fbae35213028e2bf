"""Whatever a client puts into an event, the stored resource holds one event, and it comes back or was refused."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.formats.content_lines import parse
from tests.objects.calendars.harness import Client
from tests.sync.calendars.model import Home

NASTY = (
    "\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nSUMMARY:x",
    "a\nb",
    "a\rb",
    "\x00",
    "\u2028",
    "\\n\\N\\;",
    "\";:,^'",
    "^n^^",
    "é" * 200,
    "",
)
text = st.sampled_from(NASTY) | st.text(max_size=30)
keys = st.from_regex(r"[A-Za-z0-9_-]{1,12}", fullmatch=True)


def maps(values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(keys | text, values, min_size=1, max_size=2)


locations = maps(st.fixed_dictionaries({"@type": st.just("Location"), "name": text}))
people = maps(
    st.fixed_dictionaries(
        {"@type": st.just("Participant"), "calendarAddress": st.just("mailto:b@example.org") | text, "name": text}
    )
)
links = maps(
    st.fixed_dictionaries({"@type": st.just("Link"), "href": st.just("https://x.example/") | text, "title": text})
)
events = st.fixed_dictionaries(
    {},
    optional={
        "title": text,
        "description": text,
        "uid": text,
        "locale": text,
        "timeZone": text | st.just("Europe/Berlin"),
        "prodId": text,
        "color": text,
        "keywords": st.dictionaries(text, st.just(True), min_size=1, max_size=3),
        "locations": locations,
        "participants": people,
        "links": links,
        "example.com:x": text,
        "iCalendar": st.fixed_dictionaries(
            {
                "@type": st.just("ICalComponent"),
                "name": st.just("vevent") | text,
                "properties": st.lists(
                    st.tuples(st.just("x-own") | text, st.just({}), st.just("unknown") | text, text).map(list),
                    max_size=2,
                ),
            }
        ),
    },
)


def made() -> tuple[Home, Client]:
    home = Home()
    home.add_calendar("work/", "Work")
    return home, Client(home)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(event=events)
async def test_one_event_comes_back_as_it_was_or_is_refused(event: dict[str, Any]) -> None:
    """Row 22 of the threat model."""
    home, client = made()
    record = {"calendarIds": {client.calendar_id("work/"): True}, "start": "2026-12-01T10:00:00", **event}
    answer = await client.call("CalendarEvent/set", create={"k": record})
    if answer["notCreated"] is not None:
        assert answer["notCreated"]["k"]["type"] == "invalidProperties"
        assert not home.shelves["work/"].resources
        return
    (resource,) = home.shelves["work/"].resources.values()
    (calendar,) = parse(resource.data).components
    assert [child.name for child in calendar.components if child.name != "VTIMEZONE"] == ["VEVENT"]
    told = answer["created"]["k"]
    shown = await client.event(told["id"])
    for name, value in event.items():
        if name != "iCalendar" and name not in told:
            assert shown.get(name) == value, name


integers = st.integers(-(2**63), 2**64 - 1)  # larger ones have become floats when a request was parsed
values = st.recursive(st.none() | st.booleans() | integers | text, lambda inner: st.lists(inner) | maps(inner))


@settings(max_examples=100, deadline=None)
@given(value=values)
@pytest.mark.parametrize("name", ["participants", "recurrenceOverrides", "recurrenceRule", "alerts", "links", "start"])
async def test_values_of_any_kind_are_answered(name: str, value: Any) -> None:
    """A refusal or an event: never an internal fault."""
    _, client = made()
    record = {"calendarIds": {client.calendar_id("work/"): True}, "start": "2026-12-01T10:00:00", name: value}
    answer = await client.call("CalendarEvent/set", create={"k": record})
    assert answer["created"] or answer["notCreated"]["k"]["type"] == "invalidProperties", answer
