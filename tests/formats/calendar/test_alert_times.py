"""When alerts trigger: against a naive expansion, and rule by rule (jscalendarbis §3.5.1, -29 §6)."""

# ruff: noqa: DTZ001 - recurrence works in naive local time by definition

from datetime import UTC, datetime, timedelta
from itertools import chain, pairwise
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import DAILY, HOURLY, MONTHLY, WEEKLY, rrule
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.formats.jscalendar import alert_times
from adapters.formats.jscalendar.alert_times import MOST_ALERTS, NO_DEFAULTS, Defaults, Trigger, bounds, triggers
from adapters.formats.jscalendar.expand import occurrence_at
from adapters.formats.jscalendar.recurrence_set import ExpansionLimit
from adapters.formats.jscalendar.series import override_object
from adapters.formats.values import parse_duration
from gateway.sync.calendars.entries import bounds as occurrence_bounds

Json = dict[str, Any]

FREQUENCIES: dict[str, Literal[1, 2, 3, 4]] = {"hourly": HOURLY, "daily": DAILY, "weekly": WEEKLY, "monthly": MONTHLY}
DEFAULTS = Defaults(
    {"d1": {"trigger": {"offset": "-PT10M"}}, "d2": {"trigger": {"offset": "PT0S", "relativeTo": "end"}}},
    {"w1": {"trigger": {"offset": "-P1DT7H"}}},
)
YEAR = (datetime(2026, 1, 1), datetime(2027, 1, 1))


def offset(text: str, relative_to: str = "start", **more: Any) -> Json:
    return {"@type": "Alert", "trigger": {"@type": "OffsetTrigger", "offset": text, "relativeTo": relative_to}, **more}


def absolute(when: str, **more: Any) -> Json:
    return {"@type": "Alert", "trigger": {"@type": "AbsoluteTrigger", "when": when}, **more}


def event(**more: Any) -> Json:
    base = {"@type": "Event", "uid": "u", "start": "2026-06-01T12:00:00", "timeZone": "Europe/Berlin"}
    return base | {"duration": "PT1H", "alerts": {"a": offset("-PT15M")}} | more


def daily(**more: Any) -> Json:
    return event(recurrenceRule={"@type": "RecurrenceRule", "frequency": "daily", "count": 5}, **more)


def told(js: Json, window: tuple[datetime, datetime] = YEAR, **more: Any) -> list[tuple[str, str | None, str]]:
    return [(f"{found.at:%m-%dT%H:%M}", found.recurrence_id, found.alert_id) for found in triggers(js, *window, **more)]


# ------------------------------------------------------------------------------------------------------ the naive one


def utc(local: datetime, zone: str) -> datetime:
    return local.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC).replace(tzinfo=None)


def local(instant: datetime, zone: str) -> datetime:
    return instant.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def plus(instant: datetime, text: str, zone: str) -> datetime:
    """jscalendarbis §1.5.6: days in local time, then exact time; the other way round to subtract."""
    span = parse_duration(text)
    days, exact = timedelta(days=span.days), timedelta(seconds=span.seconds)
    if not span.days:
        return instant + exact
    if span.days < 0:
        return utc(local(instant + exact, zone) + days, zone)
    return utc(local(instant, zone) + days, zone) + exact


def instances(js: Json) -> dict[str | None, Json]:
    """Every instance whole, by recurrence id."""
    rule = js.get("recurrenceRule")
    if rule is None and "recurrenceOverrides" not in js:
        return {None: js}
    start = datetime.fromisoformat(js["start"])
    moments = [start]
    if rule is not None:
        interval, count = rule.get("interval", 1), rule["count"]
        moments = list(rrule(FREQUENCIES[rule["frequency"]], start, interval, count=count))
    keys = {moment.isoformat() for moment in moments}
    overrides = js.get("recurrenceOverrides", {})
    return {
        key: override_object(js, key, overrides.get(key, {}))
        for key in keys | overrides.keys()
        if not overrides.get(key, {}).get("excluded")
    }


def alerts_of(js: Json) -> Json:
    own: Json = js.get("alerts") or {}
    if js.get("status") == "cancelled":
        return {}
    if not js.get("useDefaultAlerts"):
        return own
    chosen = DEFAULTS.without_time if js.get("showWithoutTime") else DEFAULTS.with_time
    found = {name: dict(alert) for name, alert in chosen.items()}
    for name, alert in own.items():
        if name in found:
            found[name]["acknowledged"] = alert.get("acknowledged")
        elif set(alert.get("relatedTo", ())) & found.keys():
            found[name] = alert
    return found


def naive(js: Json, after: datetime, before: datetime, floating: str) -> set[Trigger]:
    found = set()
    for key, instance in instances(js).items():
        zone = instance.get("timeZone") or floating
        begin, span = datetime.fromisoformat(instance["start"]), parse_duration(instance.get("duration", "PT0S"))
        start = utc(begin, zone)
        end = utc(begin + timedelta(days=span.days), zone) + timedelta(seconds=span.seconds)
        for name, alert in alerts_of(instance).items():
            trigger = alert["trigger"]
            if trigger.get("@type") == "AbsoluteTrigger":
                at = datetime.fromisoformat(trigger["when"][:-1])
            else:
                at = plus(end if trigger.get("relativeTo") == "end" else start, trigger["offset"], zone)
            dismissed = alert.get("acknowledged")
            if after <= at < before and (dismissed is None or at > datetime.fromisoformat(dismissed[:-1])):
                found.add(Trigger(at, key, name))
    return found


ZONES = st.sampled_from([None, "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Etc/UTC"])
OFFSETS = st.sampled_from(
    ["PT0S", "-PT5M", "-PT2H30M", "PT45M", "-P1D", "-P1DT9H", "-P1W", "P2D", "P1DT1H", "-PT26H", "-P40D", "PT900H"]
)
ALERT = st.builds(
    lambda text, end, dismissed: offset(text, end, **({"acknowledged": dismissed} if dismissed else {})),
    OFFSETS,
    st.sampled_from(["start", "end"]),
    st.sampled_from([None, None, None, "2026-10-25T00:30:00Z", "2026-10-28T12:00:00Z"]),
)
ALERTS = st.dictionaries(st.sampled_from(["a", "b", "d1"]), ALERT, min_size=1)
STARTS = st.builds(  # around the changes of the offset in Berlin and New York
    lambda day, minutes: datetime(2026, 10, day) + timedelta(minutes=minutes),
    st.sampled_from([3, 4, 20, 23, 24, 25, 26, 31]),
    st.one_of(st.integers(0, 300), st.integers(0, 4000)),
)
LENGTHS = st.sampled_from(["PT0S", "PT30M", "PT20H", "P1D", "P3DT4H"])
PATCH = st.one_of(
    st.just({"excluded": True}),
    st.just({"status": "cancelled"}),
    st.just({"alerts": None}),
    st.just({"title": "Other"}),
    st.just({"useDefaultAlerts": True}),
    st.just({"alerts/x": absolute("2026-10-27T10:00:00Z")}),
    st.builds(lambda start: {"start": start.isoformat()}, STARTS),
    st.builds(lambda alerts: {"alerts": alerts}, ALERTS),
    st.builds(lambda zone, length: {"timeZone": zone, "duration": length}, ZONES, LENGTHS),
    st.just({"alerts/a/acknowledged": "2026-10-29T00:00:00Z"}),
)


@st.composite
def events(draw: st.DrawFn) -> Json:
    js = event(start=draw(STARTS).isoformat(), duration=draw(LENGTHS), alerts=draw(ALERTS) | {"a": draw(ALERT)})
    if (zone := draw(ZONES)) is None:
        del js["timeZone"]
    else:
        js["timeZone"] = zone
    js |= draw(
        st.sampled_from([{}, {}, {"useDefaultAlerts": True}, {"useDefaultAlerts": True, "showWithoutTime": True}])
    )
    frequency = draw(st.sampled_from([None, *FREQUENCIES]))
    if frequency is None:
        return js
    start = datetime.fromisoformat(js["start"])
    if frequency == "monthly" and start.day > 28:
        js["start"] = start.replace(day=28).isoformat()
    interval = draw(st.integers(1, 3))
    js["recurrenceRule"] = {"frequency": frequency, "interval": interval, "count": draw(st.integers(1, 40))}
    keys = sorted(key for key in instances(js) if key is not None)
    patches = draw(st.dictionaries(st.sampled_from([*keys, "2026-10-26T03:04:05"]), PATCH, max_size=4))
    return js | ({"recurrenceOverrides": patches} if patches else {})


@settings(max_examples=400, deadline=None)
@given(events(), STARTS, st.sampled_from([1, 5, 30, 24 * 9]), st.sampled_from(["Etc/UTC", "Europe/Berlin"]), st.data())
def test_the_same_as_a_naive_expansion(
    js: Json, after: datetime, hours: int, floating: str, data: st.DataObject
) -> None:
    """In any window, above all in those that begin or end where something triggers."""
    edges = sorted({trigger.at for trigger in naive(js, *YEAR, floating)})
    after = data.draw(st.sampled_from([after, *edges, *(edge - timedelta(hours=hours) for edge in edges)]))
    before = after + timedelta(hours=hours)
    found = triggers(js, after, before, defaults=DEFAULTS, floating_zone=floating, limit=10_000)
    assert len(found) == len(set(found))
    assert set(found) == naive(js, after, before, floating)
    assert found == sorted(found, key=lambda trigger: trigger.at)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Australia/Lord_Howe", "America/New_York"])
@pytest.mark.parametrize("text", ["-PT26H", "-P1D", "-P1DT9H", "PT26H", "P2D", "PT900H"])
@pytest.mark.parametrize("length", ["PT1H", "PT30H", "P1DT2H"])
def test_where_the_offset_from_utc_changes(zone: str, text: str, length: str) -> None:
    """Windows of a second: an instance just outside of what is expanded would be missed."""
    rule = {"frequency": "daily", "count": 40}
    alerts = {"a": offset(text), "b": offset(text, "end")}
    js = event(start="2026-09-28T02:15:00", timeZone=zone, duration=length, recurrenceRule=rule, alerts=alerts)
    for trigger in naive(js, *YEAR, zone):
        assert trigger in triggers(js, trigger.at, trigger.at + timedelta(seconds=1))


def test_nothing_triggers_twice_where_clocks_are_set_back() -> None:
    """A window of one hour that begins and ends at the same local time."""
    rule = {"frequency": "weekly", "count": 2}
    alerts = {"a": offset("-PT5M"), "b": offset("PT0S")}
    js = event(start="2026-10-25T01:05:00", timeZone="America/New_York", recurrenceRule=rule, alerts=alerts)
    found = triggers(js, datetime(2026, 11, 1, 5), datetime(2026, 11, 1, 6))
    assert [(trigger.at.hour, trigger.at.minute, trigger.alert_id) for trigger in found] == [(5, 0, "a"), (5, 5, "b")]


@settings(max_examples=200, deadline=None)
@given(events(), st.sampled_from(["Etc/UTC", "Asia/Tokyo"]))
def test_nothing_triggers_out_of_bounds(js: Json, floating: str) -> None:
    low, high = bounds(js, *occurrence_bounds(js), DEFAULTS)
    for trigger in naive(js, *YEAR, floating):
        assert low <= trigger.at.replace(tzinfo=UTC).timestamp() <= high


def test_bounds() -> None:
    """Of what can trigger nothing there are none; they are not far from what triggers."""
    first, last = occurrence_bounds(event())
    assert bounds(event(), first, last) == (first - 900 - 86400, last - 900 + 86400)
    when = datetime(2026, 5, 1, tzinfo=UTC).timestamp()
    assert bounds(event(alerts={"x": absolute("2026-05-01T00:00:00Z")}), first, last) == (when, when)
    low, high = bounds(event(alerts={}), first, last)
    assert low > high


@settings(max_examples=100, deadline=None)
@given(events(), STARTS, st.lists(st.integers(1, 5000), min_size=1, max_size=8))
def test_windows_side_by_side_lose_nothing_and_tell_nothing_twice(
    js: Json, start: datetime, minutes: list[int]
) -> None:
    edges = [start]
    for length in minutes:
        edges.append(edges[-1] + timedelta(minutes=length))
    parts = [triggers(js, low, high, defaults=DEFAULTS, limit=10_000) for low, high in pairwise(edges)]
    whole = triggers(js, edges[0], edges[-1], defaults=DEFAULTS, limit=10_000)
    assert sorted(chain(*parts)) == sorted(whole)


# -------------------------------------------------------------------------------------------------------- rule by rule


def test_relative_and_absolute_triggers() -> None:
    js = event(
        alerts={
            "start": offset("-PT15M"),
            "end": offset("PT5M", "end"),
            "plain": {"trigger": {"offset": "PT0S"}},
            "fixed": absolute("2026-05-31T08:00:00Z"),
            "unknown": {"trigger": {"@type": "example.com:Moon", "phase": "full"}},
        }
    )
    assert told(js) == [
        ("05-31T08:00", None, "fixed"),
        ("06-01T09:45", None, "start"),
        ("06-01T10:00", None, "plain"),
        ("06-01T11:05", None, "end"),
    ]


def test_only_those_with_an_action() -> None:
    """Alerts without one are displayed; the first 50 of an event are counted with all that it has."""
    mailed = {"c": {**offset("-PT1H"), "action": "email"}, "d": {**absolute("2026-05-31T08:00:00Z"), "action": "email"}}
    shown = {"a": offset("-PT15M"), "b": {**offset("PT0S"), "action": "display"}}
    js = event(alerts=shown | mailed)
    assert [one[2] for one in told(js, action="email")] == ["d", "c"]
    assert [one[2] for one in told(js, action="display")] == ["a", "b"]
    series = daily(recurrenceOverrides={"2026-06-02T12:00:00": {"alerts/a/action": "email"}})
    assert told(series, action="email") == [("06-02T09:45", "2026-06-02T12:00:00", "a")]
    many = {f"{number:02}": offset("PT0S") for number in range(MOST_ALERTS)}
    assert told(event(alerts=many | mailed), action="email") == []


def test_the_instance_is_named() -> None:
    """Of a series each, moved and cancelled ones as their overrides say; of an instance that stands alone its own."""
    js = daily(
        recurrenceOverrides={
            "2026-06-02T12:00:00": {"start": "2026-06-02T15:00:00"},
            "2026-06-03T12:00:00": {"excluded": True},
            "2026-06-04T12:00:00": {"status": "cancelled"},
            "2026-06-05T12:00:00": {"alerts": {"b": offset("-PT1H")}},
            "2026-06-09T12:00:00": {},
        }
    )
    assert told(js) == [
        ("06-01T09:45", "2026-06-01T12:00:00", "a"),
        ("06-02T12:45", "2026-06-02T12:00:00", "a"),
        ("06-05T09:00", "2026-06-05T12:00:00", "b"),
        ("06-09T09:45", "2026-06-09T12:00:00", "a"),
    ]
    alone = event(recurrenceId="2026-05-31T12:00:00", recurrenceIdTimeZone="Europe/Berlin")
    assert told(alone) == [("06-01T09:45", "2026-05-31T12:00:00", "a")]


@pytest.mark.parametrize("more", [{"isDraft": True}, {"status": "cancelled"}, {"alerts": {}}])
def test_what_triggers_nothing(more: Json) -> None:
    assert told(event(**more)) == []


def test_floating_times_lie_in_the_zone_that_is_given() -> None:
    js = event(start="2026-06-01T00:00:00", timeZone=None, showWithoutTime=True, duration="P1D")
    assert told(js, floating_zone="Europe/Berlin") == [("05-31T21:45", None, "a")]
    assert told(js, floating_zone="America/New_York") == [("06-01T03:45", None, "a")]
    assert told(js) == [("05-31T23:45", None, "a")]


def test_default_alerts() -> None:
    """-29 §6.1: the alerts of the event are ignored but for what dismisses and what snoozes."""
    js = event(useDefaultAlerts=True, alerts={"own": offset("-PT1H")})
    assert told(js, defaults=DEFAULTS) == [("06-01T09:50", None, "d1"), ("06-01T11:00", None, "d2")]
    assert told(js | {"showWithoutTime": True}, defaults=DEFAULTS) == [("05-31T03:00", None, "w1")]
    js["alerts"] |= {
        "d1": offset("-PT10M", acknowledged="2026-06-01T09:51:00Z"),
        "s": absolute("2026-06-01T10:20:00Z", relatedTo={"d1": {"@type": "Relation", "relation": {"snooze": True}}}),
    }
    assert told(js, defaults=DEFAULTS) == [("06-01T10:20", None, "s"), ("06-01T11:00", None, "d2")]
    assert told(js, defaults=NO_DEFAULTS) == []


def test_what_was_acknowledged_is_told_no_more() -> None:
    """-29 §6.2: what triggered on or before that time."""
    for acknowledged, left in [("09:44:59", 1), ("09:45:00", 0), ("09:45:00.5", 0)]:
        assert len(told(event(alerts={"a": offset("-PT15M", acknowledged=f"2026-06-01T{acknowledged}Z")}))) == left
    js = daily(alerts={"a": offset("-PT15M", acknowledged="2026-06-03T20:00:00Z")})
    assert [key for _, key, _ in told(js)] == ["2026-06-04T12:00:00", "2026-06-05T12:00:00"]
    # an override with alerts of its own has an acknowledgement of its own
    js["recurrenceOverrides"] = {"2026-06-02T12:00:00": {"alerts": {"a": offset("-PT15M")}}}
    assert [key for _, key, _ in told(js)] == ["2026-06-02T12:00:00", "2026-06-04T12:00:00", "2026-06-05T12:00:00"]


@pytest.mark.parametrize(
    ("acknowledged", "when", "instance"),
    [
        ("2026-06-03T09:46:00Z", "2026-06-03T10:15:00Z", "2026-06-03T12:00:00"),
        ("2026-06-03T09:46:00Z", "2026-06-05T09:50:00Z", "2026-06-03T12:00:00"),
        ("2026-06-03T09:44:00Z", "2026-06-03T10:15:00Z", "2026-06-02T12:00:00"),
        ("2026-06-10T00:00:00Z", "2026-06-10T01:00:00Z", "2026-06-05T12:00:00"),
        (None, "2026-06-04T09:45:00Z", "2026-06-04T12:00:00"),
    ],
)
def test_a_snoozed_alert_of_a_series_is_for_the_instance_it_triggered_for(
    acknowledged: str | None, when: str, instance: str
) -> None:
    """-29 §6.3: it stands in the series, so it triggers once."""
    related = {"a": {"@type": "Relation", "relation": {"snooze": True}}}
    js = daily(alerts={"a": offset("-PT15M", acknowledged=acknowledged), "s": absolute(when, relatedTo=related)})
    assert [(key, name) for _, key, name in told(js) if name == "s"] == [(instance, "s")]


def test_an_absolute_alert_of_a_series_is_for_the_next_instance() -> None:
    for when, instance in [("05-01", "06-01"), ("06-03", "06-03"), ("06-20", "06-01")]:
        js = daily(alerts={"f": absolute(f"2026-{when}T00:00:00Z")})
        assert [key for _, key, _ in told(js)] == [f"2026-{instance}T12:00:00"]
    # an instance that changes another alert does not tell it once more, one that changes this one does
    other = {"2026-06-02T12:00:00": {"alerts/g": offset("PT0S")}}
    js = daily(alerts={"f": absolute("2026-06-03T00:00:00Z")}, recurrenceOverrides=other)
    assert [(key, name) for _, key, name in told(js)] == [("2026-06-02T12:00:00", "g"), ("2026-06-03T12:00:00", "f")]
    other["2026-06-02T12:00:00"]["alerts/f"] = absolute("2026-06-02T09:00:00Z")
    assert [key for _, key, name in told(js) if name == "f"] == ["2026-06-02T12:00:00", "2026-06-03T12:00:00"]


# ------------------------------------------------------------------------------------------------------------- hostile


@pytest.mark.parametrize(
    "rule",
    [
        {"frequency": "secondly"},
        {"frequency": "secondly", "count": 10**9},
        {"frequency": "minutely", "bySecond": list(range(60))},
        {"frequency": "daily", "byMonth": ["2"], "byMonthDay": [30]},
        {"frequency": "daily", "byMonth": ["2"], "byMonthDay": [30], "count": 10**9},
        {"frequency": "yearly", "byDay": [{"day": "mo"}], "bySetPosition": [366], "count": 10**9},
        {"frequency": "yearly", "byWeekNo": [53], "byDay": [{"day": "mo"}], "bySetPosition": [9], "count": 10**9},
        {
            "frequency": "hourly",
            "byHour": [3],
            "byMinute": list(range(60)),
            "bySecond": list(range(60)),
            "count": 10**9,
        },
    ],
)
@pytest.mark.parametrize("start", ["1000-01-01T00:00:00", "2026-10-25T01:00:00"])
def test_hostile_rules_cost_bounded_work(rule: Json, start: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also with many alerts, on the day on which the offset from UTC changes."""
    looked_at = []

    def counted(*arguments: Any) -> Any:
        looked_at.append(arguments)
        return occurrence_at(*arguments)

    monkeypatch.setattr(alert_times, "occurrence_at", counted)
    alerts = {f"a{number}": offset(f"-PT{number * number}M") for number in range(1000)}
    js = event(start=start, recurrenceRule=rule, alerts=alerts)
    try:
        found = triggers(js, datetime(2026, 10, 25), datetime(2026, 10, 25, 1))
    except ExpansionLimit:
        found = []
    assert len(found) <= 100
    assert len(looked_at) <= 10_000


def test_only_so_many_alerts_of_an_event_trigger() -> None:
    alerts = {f"a{number}": offset(f"-PT{number}M") for number in range(2 * MOST_ALERTS)}
    assert len(told(event(alerts=alerts))) == MOST_ALERTS
    assert told(event(alerts={"a": offset("-P4000D"), "b": offset("PT99999999999S")})) == []


def test_many_overrides() -> None:
    start = datetime(2026, 1, 1)
    overrides = {(start + timedelta(minutes=n)).isoformat(): {"title": str(n)} for n in range(20_000)}
    js = event(start="2026-01-01T00:00:00", recurrenceOverrides=overrides, timeZone="Etc/UTC")
    found = told(js, (datetime(2026, 1, 5), datetime(2026, 1, 5, 0, 3)))
    assert [key for _, key, _ in found] == [f"2026-01-05T00:{minute}:00" for minute in (15, 16, 17)]
