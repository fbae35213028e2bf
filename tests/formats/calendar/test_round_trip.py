"""JSCalendar to iCalendar and back is the identity for valid objects (Hypothesis)."""

# ruff: noqa: DTZ001 - recurrence works in naive local time by definition

from datetime import datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.formats.jscalendar.read import read_stream
from adapters.formats.jscalendar.write import write_text
from tests.formats.calendar.corpus import missing

_text = st.text(st.characters(blacklist_categories=("Cs", "Cc")) | st.just("\n"), max_size=30)
_word = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x2FF, blacklist_categories=("Cs", "Cc")), min_size=1, max_size=12
)
_key = st.from_regex(r"[A-Za-z0-9_-]{1,12}", fullmatch=True)
_flags = st.dictionaries(_word, st.just(True), min_size=1, max_size=3)
_local = st.datetimes(min_value=datetime(1971, 1, 2), max_value=datetime(2060, 1, 1)).map(
    lambda moment: moment.isoformat(timespec="seconds")
)
_utc = _local.map(lambda local: local + "Z")
_duration = st.sampled_from(["PT0S", "PT1H", "P1D", "P2DT30M", "PT90M", "P1W", "PT36H"])
_zones = st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Etc/UTC"])
_address = st.from_regex(r"mailto:[a-z]{1,8}@example\.(com|org)", fullmatch=True)
_uri = st.from_regex(r"https://example\.com/[a-z0-9/]{0,12}", fullmatch=True)
_vendor = st.dictionaries(
    _key.map(lambda key: f"example.com:{key}"),
    st.none() | st.integers(-(2**63), 2**64 - 1) | _text | st.booleans(),
    max_size=2,
).map(lambda members: {key: value for key, value in members.items() if value is not None})


def _map(values: Any) -> Any:
    return st.dictionaries(_key, values, min_size=1, max_size=3)


def _object(js_type: str, required: dict[str, Any], optional: dict[str, Any]) -> Any:
    members = st.fixed_dictionaries({"@type": st.just(js_type), **required}, optional=optional)
    return st.builds(lambda known, unknown: {**known, **unknown}, members, _vendor)


_link = _object(
    "Link",
    {"href": _uri},
    {
        "rel": st.sampled_from(["enclosure", "icon", "describedby", "alternate"]),
        "contentType": st.just("text/plain"),
        "title": _word,
        "size": st.integers(0, 2**40),
    },
).map(lambda link: {**link, "rel": link.get("rel", "alternate")})
_location = _object(
    "Location",
    {"name": _word},
    {"coordinates": st.just("geo:1.5,-2.25"), "locationTypes": _flags, "links": _map(_link)},
)
_virtual = _object("VirtualLocation", {"uri": _uri}, {"name": _word, "features": st.just({"audio": True, "x-y": True})})
_alert = _object(
    "Alert",
    {
        "trigger": st.sampled_from(["-PT15M", "PT0S", "P1D"]).map(
            lambda offset: {"@type": "OffsetTrigger", "offset": offset}
        )
        | _utc.map(lambda when: {"@type": "AbsoluteTrigger", "when": when}),
        "action": st.sampled_from(["display", "email"]),
    },
    {"acknowledged": _utc},
)
_rule = st.fixed_dictionaries(
    {"@type": st.just("RecurrenceRule"), "frequency": st.sampled_from(["daily", "weekly", "monthly", "yearly"])},
    optional={
        "interval": st.integers(1, 9),
        "count": st.integers(1, 99),
        "byDay": st.just([{"@type": "NDay", "day": "mo"}]),
        "byMonth": st.just(["1", "12"]),
        "rscale": st.just("hebrew"),
        "skip": st.sampled_from(["omit", "backward", "forward"]),
    },
)
_people = st.dictionaries(
    _address,
    _object(
        "Participant",
        {},
        {
            "name": _word,
            "kind": st.sampled_from(["individual", "group", "location", "resource"]),
            "roles": st.sampled_from(["chair", "required", "optional", "informational"]).map(lambda role: {role: True}),
            "participationStatus": st.sampled_from(["accepted", "declined", "tentative"]),
            "expectReply": st.booleans(),
            "memberOf": st.dictionaries(_address, st.just(True), min_size=1, max_size=2),
            "delegatedTo": st.dictionaries(_address, st.just(True), min_size=1, max_size=2),
            "description": _word,
        },
    ),
    min_size=1,
    max_size=3,
)
# a patch that says what the main object says already is no patch after a round trip, so these never do
_override = st.fixed_dictionaries(
    {},
    optional={"title": _word.map("override {}".format), "priority": st.integers(5, 9), "color": st.just("blue")},
)
_event = _object(
    "Event",
    {"uid": _word, "start": _local, "updated": _utc},
    {
        "title": _text,
        "description": _text,
        "duration": _duration,
        "timeZone": _zones,
        "showWithoutTime": st.just(True),
        "created": _utc,
        "sequence": st.integers(0, 99),
        "priority": st.integers(0, 4),
        "freeBusyStatus": st.sampled_from(["free", "busy"]),
        "privacy": st.sampled_from(["public", "private", "secret"]),
        "status": st.sampled_from(["confirmed", "cancelled", "tentative"]),
        "color": st.sampled_from(["red", "#ff0000"]),
        "locale": st.just("de-AT"),
        "keywords": _flags,
        "categories": st.dictionaries(_uri, st.just(True), min_size=1, max_size=2),
        "links": _map(_link),
        "locations": _map(_location),
        "virtualLocations": _map(_virtual),
        "alerts": _map(_alert),
        "recurrenceRule": _rule,
        "recurrenceOverrides": st.dictionaries(_local, st.just({"excluded": True}) | _override, min_size=1, max_size=3),
        "relatedTo": st.dictionaries(
            _word, st.just({"@type": "Relation", "relation": {"next": True}}), min_size=1, max_size=2
        ),
        "participants": _people,
    },
)


def _valid(event: dict[str, Any]) -> dict[str, Any]:
    """Make what the strategies draw independently agree with itself (jscalendarbis §3.3.4, §3.4.4)."""
    if event.get("showWithoutTime") and "timeZone" not in event:
        event.setdefault("duration", "P1D")  # RFC 5545 §3.6.1: as DATE it lasts a day if it says nothing else
    people = event.pop("participants", None)
    if people:
        keyed = {f"p{n}": {**person, "calendarAddress": address} for n, (address, person) in enumerate(people.items())}
        first = keyed["p0"]
        first["roles"] = {**first.get("roles", {}), "owner": True}
        event |= {"participants": keyed, "organizerCalendarAddress": first["calendarAddress"]}
    return event


def _without_kept(value: Any) -> Any:
    """The object without `iCalendar`: what iCalendar demands beyond JSCalendar (UIDs of parts) is recorded there."""
    if isinstance(value, dict):
        return {key: _without_kept(item) for key, item in value.items() if "iCalendar" not in key.split("/")}
    return value


@settings(max_examples=150, deadline=None)
@given(_event.map(_valid))
def test_an_event_comes_back_as_it_was(event: dict[str, Any]) -> None:
    again = _without_kept(read_stream(write_text(event)).groups[0]["entries"][0])
    assert missing(event, again) == []
    assert missing(again, event) == []


@settings(max_examples=40, deadline=None)
@given(_event.map(_valid))
def test_writing_is_stable(event: dict[str, Any]) -> None:
    once = read_stream(write_text(event)).groups[0]
    assert read_stream(write_text(once)).groups == [once]


def test_a_task_comes_back_as_it_was() -> None:
    task = {
        "@type": "Task",
        "uid": "t1",
        "updated": "2025-01-01T00:00:00Z",
        "start": "2025-01-01T09:00:00",
        "due": "2025-01-03T18:00:00",
        "timeZone": "Europe/Vienna",
        "estimatedDuration": "PT1H30M",
        "percentComplete": 40,
        "progress": "in-process",
        "organizerCalendarAddress": "mailto:a@example.com",
        "participants": {
            "a": {"@type": "Participant", "calendarAddress": "mailto:a@example.com", "roles": {"owner": True}},
            "b": {
                "@type": "Participant",
                "calendarAddress": "mailto:b@example.com",
                "participationStatus": "accepted",
                "progress": "failed",
                "percentComplete": 10,
            },
        },
    }
    assert _without_kept(read_stream(write_text(task)).groups[0]["entries"][0]) == task
