"""Recurrence: the rule against python-dateutil, bounds, SKIP, and occurrences in time zones."""

# ruff: noqa: DTZ001 - recurrence works in naive local time by definition

from datetime import datetime, timedelta

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.formats.jscalendar.complete_rule import UnsupportedRule
from adapters.formats.jscalendar.expand import occurrences
from adapters.formats.jscalendar.recurrence import read_rule, without_default_scale, write_rule
from adapters.formats.jscalendar.recurrence_set import ExpansionLimit, recurrence_set


def _rule(raw: str) -> dict[str, object]:
    return read_rule(raw, lambda utc: utc)


def _numbers(low: int, high: int, size: int) -> st.SearchStrategy[str]:
    values = st.integers(-high, high).filter(lambda number: abs(number) >= low)
    return st.lists(values, min_size=1, max_size=size, unique=True).map(lambda items: ",".join(map(str, items)))


_days = st.lists(st.sampled_from(["MO", "TU", "WE", "TH", "FR", "SA", "SU"]), min_size=1, max_size=4, unique=True)
_parts = st.fixed_dictionaries(
    {},
    optional={
        "INTERVAL": st.sampled_from(["1", "2", "3", "5"]),
        "BYMONTH": st.sampled_from(["1,2,3", "4,6,11", "2,12"]),
        "BYMONTHDAY": _numbers(1, 28, 4),
        "BYDAY": _days.map(",".join),
        "BYHOUR": st.just("9,17"),
        "BYMINUTE": st.just("0,30"),
        "WKST": st.sampled_from(["SU", "MO", "TH"]),
    },
)
_bounds = st.sampled_from(["", ";UNTIL=20190715T103000", ";UNTIL=20170101T000000"])


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["YEARLY", "MONTHLY", "WEEKLY", "DAILY"]),
    _parts,
    _bounds,
    st.datetimes(datetime(2016, 1, 1), datetime(2016, 12, 28)).map(lambda moment: moment.replace(microsecond=0)),
    st.integers(0, 900),
)
def test_the_same_as_dateutil(frequency: str, parts: dict[str, str], bound: str, start: datetime, ahead: int) -> None:
    if frequency == "WEEKLY":
        parts.pop("BYMONTHDAY", None)
    raw = ";".join([f"FREQ={frequency}", *(f"{name}={value}" for name, value in parts.items())]) + bound
    after = start + timedelta(days=ahead)
    before = after + timedelta(days=300)
    own = set(recurrence_set(_rule(raw), start, after, before, limit=5000)) - {start}
    if "BYMONTHDAY" in parts and "BYDAY" in parts and not own:
        return  # dateutil searches a rule that yields nothing up to the year 9999
    found = set()
    for moment in rrulestr(raw, dtstart=start).xafter(after - timedelta(seconds=1)):
        if moment >= before:
            break
        found.add(moment)
    assert own == found - {start}


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(["HOURLY", "MINUTELY", "SECONDLY"]),
    st.integers(1, 5000),
    st.sampled_from(["", ";BYMINUTE=0,30", ";BYSECOND=5,50", ";BYDAY=MO,TU", ";BYHOUR=9,17"]),
    st.integers(0, 400_000),
)
def test_a_window_of_a_frequent_rule_begins_where_it_should(frequency: str, every: int, part: str, ahead: int) -> None:
    """It is reached by arithmetic within the day as well."""
    if f"BY{frequency[:-2]}" in part:
        part = ""
    raw, start = f"FREQ={frequency};INTERVAL={every}{part}", datetime(2026, 3, 2, 7, 20, 30)
    after = start + timedelta(seconds=ahead)
    walk = {"limit": 10**6, "work": 10**7}  # the whole way, which may be long
    whole = list(recurrence_set(_rule(raw), start, start, after + timedelta(hours=2), **walk))
    own = list(recurrence_set(_rule(raw), start, after, after + timedelta(hours=2), **walk))
    assert own == [moment for moment in whole if moment >= after]


@pytest.mark.parametrize(
    ("raw", "days"),
    [
        ("FREQ=MONTHLY;SKIP=FORWARD;RSCALE=GREGORIAN;COUNT=4", ["01-31", "03-01", "03-31", "05-01"]),
        ("FREQ=MONTHLY;SKIP=BACKWARD;RSCALE=GREGORIAN;COUNT=4", ["01-31", "02-28", "03-31", "04-30"]),
        ("FREQ=MONTHLY;SKIP=OMIT;RSCALE=GREGORIAN;COUNT=4", ["01-31", "03-31", "05-31", "07-31"]),
    ],
)
def test_skip_of_invalid_dates(raw: str, days: list[str]) -> None:
    start = datetime(2013, 1, 31)
    found = recurrence_set(_rule(raw), start, start, datetime(2014, 1, 1), limit=10)
    assert [f"{moment:%m-%d}" for moment in found] == days


def test_an_endless_secondly_rule_from_long_ago_is_reached_at_once() -> None:
    after = datetime(2025, 1, 1)
    found = recurrence_set(_rule("FREQ=SECONDLY"), datetime(1970, 1, 1), after, after + timedelta(seconds=3), limit=5)
    assert len(list(found)) == 3


@pytest.mark.parametrize("raw", ["FREQ=SECONDLY", "FREQ=DAILY", "FREQ=MINUTELY;BYDAY=MO;COUNT=99999999"])
def test_expansion_is_bounded(raw: str) -> None:
    start = datetime(1970, 1, 1)
    with pytest.raises(ExpansionLimit):
        list(recurrence_set(_rule(raw), start, start, datetime(2970, 1, 1), limit=1000))


def test_a_rule_that_never_matches_ends() -> None:
    rule = _rule("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30")
    start = datetime(2025, 1, 1)
    assert list(recurrence_set(rule, start, start + timedelta(days=1), datetime(2060, 1, 1), limit=5)) == []


def test_other_calendar_systems_are_refused_not_guessed() -> None:
    rule = _rule("FREQ=YEARLY;RSCALE=CHINESE")
    with pytest.raises(UnsupportedRule):
        list(recurrence_set(rule, datetime(2025, 1, 1), datetime(2025, 1, 1), datetime(2026, 1, 1), limit=5))


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "FREQ=NEVER",
        "INTERVAL=2",
        "FREQ=DAILY;COUNT=0",
        "FREQ=DAILY;X=1",
        "FREQ=DAILY;FREQ=DAILY",
        "FREQ=DAILY;BYHOUR=24",
    ],
)
def test_rules_that_are_none(raw: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        _rule(raw)


def test_rules_are_written_as_they_were_read() -> None:
    raw = "RSCALE=HEBREW;FREQ=MONTHLY;SKIP=FORWARD;INTERVAL=2;BYHOUR=1,2;BYDAY=-1MO,TU;BYMONTH=5L;BYSETPOS=-1;COUNT=3"
    assert write_rule(_rule(raw), None, dates=False) == raw


def test_skip_never_stands_without_its_calendar_system() -> None:
    """RFC 7529 §4.1; the Gregorian one need not be named in JSCalendar."""
    rule = {"@type": "RecurrenceRule", "frequency": "monthly", "skip": "forward"}
    raw = write_rule(rule, None, dates=False)
    assert raw == "RSCALE=GREGORIAN;FREQ=MONTHLY;SKIP=FORWARD"
    assert _rule(raw) == rule


def test_the_usual_calendar_system_need_not_be_named() -> None:
    """Not every server takes RSCALE."""
    rule = {"@type": "RecurrenceRule", "frequency": "monthly", "rscale": "gregorian"}
    assert write_rule(rule, None, dates=False) == "FREQ=MONTHLY"
    assert write_rule(rule | {"skip": "omit"}, None, dates=False) == "RSCALE=GREGORIAN;FREQ=MONTHLY;SKIP=OMIT"
    assert write_rule(without_default_scale(rule | {"skip": "omit"}), None, dates=False) == "FREQ=MONTHLY"
    hebrew = without_default_scale(rule | {"skip": "omit", "rscale": "hebrew"})
    assert write_rule(hebrew, None, dates=False) == "RSCALE=HEBREW;FREQ=MONTHLY"


def _event(**members: object) -> dict[str, object]:
    return {"@type": "Event", "uid": "u", "start": "2025-03-29T02:30:00", "timeZone": "Europe/Berlin", **members}


def test_occurrences_in_gaps_and_overlaps_keep_their_length() -> None:
    event = _event(duration="PT1H", recurrenceRule={"frequency": "daily"})
    found = occurrences(event, datetime(2025, 3, 29), datetime(2025, 4, 1))
    assert [occurrence.start for occurrence in found] == [
        datetime(2025, 3, 29, 1, 30),
        datetime(2025, 3, 30, 1, 30),  # 02:30 does not exist: the offset before the gap counts (bis §1.5.5)
        datetime(2025, 3, 31, 0, 30),
    ]
    assert {occurrence.end - occurrence.start for occurrence in found} == {timedelta(hours=1)}


def test_overrides_exclude_add_and_move() -> None:
    event = _event(
        start="2025-07-01T09:00:00",
        duration="PT1H",
        recurrenceRule={"frequency": "weekly", "count": 4},
        recurrenceOverrides={
            "2025-07-08T09:00:00": {"excluded": True},
            "2025-07-15T09:00:00": {"start": "2025-08-15T10:00:00", "duration": "PT2H"},
            "2025-07-10T09:00:00": {},
        },
    )
    found = occurrences(event, datetime(2025, 1, 1), datetime(2026, 1, 1))
    assert [(occurrence.recurrence_id, f"{occurrence.start:%m-%d %H}") for occurrence in found] == [
        ("2025-07-01T09:00:00", "07-01 07"),
        ("2025-07-10T09:00:00", "07-10 07"),
        ("2025-07-22T09:00:00", "07-22 07"),
        ("2025-07-15T09:00:00", "08-15 08"),
    ]
    assert occurrences(event, datetime(2025, 8, 15, 9), datetime(2025, 8, 15, 9, 1)) == found[3:]


def test_windows_are_half_open_and_floating_times_take_the_zone_given() -> None:
    event = {"@type": "Event", "uid": "u", "start": "2025-07-01T00:00:00", "duration": "P1D", "showWithoutTime": True}
    day = datetime(2025, 7, 1)
    assert len(occurrences(event, day, day + timedelta(days=1))) == 1
    assert occurrences(event, day + timedelta(days=1), day + timedelta(days=2)) == []
    (found,) = occurrences(event, day - timedelta(hours=5), day, floating_zone="Europe/Berlin")
    assert found.start == datetime(2025, 6, 30, 22)
