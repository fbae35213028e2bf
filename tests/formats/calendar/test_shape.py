"""What has the shape of JSCalendar can be converted, whatever else is wrong with it (Hypothesis)."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.formats.jscalendar.rfc8984 import downgrade, old_names, upgrade
from adapters.formats.jscalendar.shape import faults
from adapters.formats.jscalendar.write import write_text

EVENT: dict[str, Any] = {
    "@type": "Event",
    "uid": "u",
    "title": "Lunch",
    "start": "2026-01-01T09:00:00",
    "timeZone": "Europe/Berlin",
    "endTimeZone": "Etc/UTC",
    "duration": "PT1H",
    "updated": "2026-01-01T00:00:00Z",
    "recurrenceRule": {"frequency": "weekly", "byDay": [{"day": "mo", "nthOfPeriod": 1}], "byMonth": ["1"], "count": 3},
    "recurrenceOverrides": {"2026-01-08T09:00:00": {"title": "Other", "locations/l/name": "There"}},
    "locations": {"l": {"name": "Here", "coordinates": "geo:1,2", "relativeTo": "end", "timeZone": "Etc/UTC"}},
    "links": {"k": {"href": "https://example.org/", "rel": "icon", "display": {"badge": True}}},
    "alerts": {"a": {"trigger": {"offset": "-PT5M", "relativeTo": "end"}, "action": "email"}},
    "participants": {
        "p": {
            "calendarAddress": "mailto:p@example.org",
            "roles": {"owner": True},
            "memberOf": {"mailto:g@example.org": True},
        },
        "q": {"sendTo": {"imip": "mailto:q@example.org"}, "name": "Q", "description": "D"},
    },
    "organizerCalendarAddress": "mailto:p@example.org",
    "replyTo": {"imip": "mailto:p@example.org"},
    "relatedTo": {"other": {"relation": {"next": True}}},
    "keywords": {"food": True},
    "iCalendar": {"properties": [["x-a", {}, "text", "b"]], "convertedProperties": {"duration": {"name": "dtend"}}},
}
GROUP = {"@type": "Group", "uid": "g", "entries": [EVENT]}
_JUNK: Any = st.sampled_from(
    [5, -1.5, True, "", "x", "\n", [], ["a"], [{}], {}, {"a": 1}, {"a": {}}, {"@type": "X"}, "P", "9999-12-31T23:59:59"]
)


def test_valid_objects_have_no_faults() -> None:
    assert faults(EVENT) == faults(GROUP) == []


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (EVENT | {"start": "2026-02-30T00:00:00"}, "/start"),
        (EVENT | {"timeZone": "Mars/Olympus"}, "/timeZone"),
        (EVENT | {"participants": {"a/b": {"roles": ["owner"]}}}, "/participants/a~1b/roles"),
        (EVENT | {"recurrenceOverrides": {"2026-01-08": {}}}, "/recurrenceOverrides/2026-01-08"),
        (
            EVENT | {"recurrenceOverrides": {"2026-01-08T09:00:00": {"alerts/z/action": "email"}}},
            "/recurrenceOverrides/",
        ),
        (EVENT | {"recurrenceOverrides": {"2026-01-08T09:00:00": {"title": 5}}}, "/recurrenceOverrides/"),
        (GROUP | {"entries": [EVENT, EVENT | {"title": 5}]}, "/entries/1/title"),
    ],
)
def test_faults_are_named_with_their_place(value: Any, path: str) -> None:
    ((where, _),) = faults(value)
    assert where.startswith(path)


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from _places(value[key], (*path, key))


_PLACES = list(_places(GROUP))


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(_PLACES), _JUNK)
@example(("entries", 0, "start"), "9999-12-31T23:59:59")
@example(("entries", 0, "recurrenceRule", "until"), "0001-01-01T00:00:00")
def test_no_object_breaks_the_converter(path: tuple[Any, ...], junk: Any) -> None:
    group: Any = copy.deepcopy(GROUP)
    parent = group
    for step in path[:-1]:
        parent = parent[step]
    parent[path[-1]] = junk
    if not faults(group):
        try:
            write_text(group)
        except ValueError as error:
            assert str(error) == "a time beyond the years 1 to 9999"  # noqa: PT017 - the only one that may be
        old_names(group)
        downgrade(upgrade(group, []), [])
