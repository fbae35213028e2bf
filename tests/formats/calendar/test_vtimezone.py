"""VTIMEZONE of IANA names: what they say is what the zone does."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import icalendar
import pytest

from adapters.formats.content_lines import parse
from adapters.formats.jscalendar.custom_zone import custom_zone
from adapters.formats.jscalendar.timezones import iana_names
from adapters.formats.jscalendar.vtimezone import time_zone_text, vtimezone, with_time_zones

ALL = sorted(set(iana_names().values()))


@pytest.mark.parametrize("part", range(8))
def test_every_zone_says_what_it_does_for_some_years(part: int) -> None:
    for name in ALL[part::8]:
        own, zone = custom_zone(vtimezone(name)), ZoneInfo(name)
        assert own is not None
        for day in range(0, 4 * 365, 5):
            moment = datetime(2026, 1, 1) + timedelta(days=day)  # noqa: DTZ001 - naive UTC
            assert own.offset(moment) == moment.replace(tzinfo=UTC).astimezone(zone).utcoffset(), (name, moment)


@pytest.mark.parametrize("name", ["Europe/Berlin", "America/New_York", "Asia/Tokyo", "Africa/Casablanca"])
def test_another_reader_understands_it(name: str) -> None:
    calendar = icalendar.Calendar.from_ical(time_zone_text(name))
    (component,) = calendar.walk("VTIMEZONE")
    assert isinstance(component, icalendar.Timezone)
    zone = component.to_tz()
    for month in range(1, 13):
        local = datetime(2027, month, 15, 12)  # noqa: DTZ001 - local time
        assert zone.utcoffset(local) == ZoneInfo(name).utcoffset(local)


def test_what_is_no_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no IANA"):
        vtimezone("Nowhere/Town")


def test_only_what_is_missing_is_added() -> None:
    text = (
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART;TZID=Europe/Berlin:20260101T100000\r\n"
        "DTEND;TZID=Custom:20260101T100000\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
    once = with_time_zones(text)
    (calendar,) = parse(once).components
    assert [child.value("TZID") for child in calendar.components if child.name == "VTIMEZONE"] == ["Europe/Berlin"]
    assert with_time_zones(once) == once
    assert with_time_zones(text.replace("Europe/Berlin", "Etc/UTC")) == text.replace("Europe/Berlin", "Etc/UTC")
