"""Time zone identifiers: TZID to an IANA name (draft-ietf-calext-jscalendar-icalendar-25 §2.1.4), and local times.

A TZID that is an IANA name is taken verbatim. Other names go through the Windows table, through the IANA name that
vendors wrap ("/example.com/Tzfile/America/Chicago"), and then through the rules of the VTIMEZONE: the IANA zone with
the same offsets around the event is taken. Where there is none, the event is converted to UTC, so that a custom zone
never becomes floating time.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo, available_timezones

from adapters.formats.content_lines import Component
from adapters.formats.jscalendar.custom_zone import CustomZone, custom_zone
from adapters.formats.jscalendar.windows_zones import WINDOWS_ZONES

UTC_NAME = "Etc/UTC"
_OFFSET = re.compile(r"\(?\s*(?:UTC|GMT)?\s*([+-])\s*(\d{1,2}):?(\d\d)?\s*\)?")
_UTC_ALIASES = frozenset({"utc", "z", "gmt", "etc/utc", "coordinated universal time", "(utc)"})
_HALF_HOURS = {
    -570: "Pacific/Marquesas",
    -210: "America/St_Johns",
    210: "Asia/Tehran",
    270: "Asia/Kabul",
    330: "Asia/Kolkata",
    345: "Asia/Kathmandu",
    390: "Asia/Yangon",
    525: "Australia/Eucla",
    570: "Australia/Darwin",
    630: "Australia/Lord_Howe",
    765: "Pacific/Chatham",
}
_ENOUGH = 0.85  # share of equal samples from which a similar IANA zone is better than fixed instants


@dataclass(frozen=True, slots=True)
class Zone:
    """What a TZID means: an IANA name (None: unknown), whether its rules are exact, its own definition if any."""

    name: str | None
    exact: bool = True
    own: CustomZone | None = None


UNKNOWN = Zone(None, exact=False)


@cache
def iana_names() -> dict[str, str]:
    """Every IANA name of this installation by its lower-case form."""
    return {name.lower(): name for name in available_timezones() if name != "localtime"}


@cache
def _iana_set() -> frozenset[str]:
    return frozenset(iana_names().values())


@cache
def _cities() -> dict[str, str]:
    return {name.rpartition("/")[2].replace("_", " ").lower(): name for name in sorted(_iana_set()) if "/" in name}


def is_iana(name: str) -> bool:
    """Whether a name stands in the IANA database."""
    return name in _iana_set()


def to_utc(local: datetime, zone: str) -> datetime:
    """A naive local time as naive UTC. In a gap or overlap the offset before it counts (jscalendarbis §1.5.5)."""
    return local.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC).replace(tzinfo=None)


def from_utc(instant: datetime, zone: str) -> datetime:
    """Naive UTC as naive local time."""
    return instant.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None)


@lru_cache(maxsize=1024)
def named_zone(tzid: str) -> str | None:
    """The IANA name that a TZID says by itself, without a VTIMEZONE, or None."""
    if is_iana(tzid):
        return tzid
    name = tzid.strip().strip('"')
    lower = name.lower()
    if lower in _UTC_ALIASES:
        return UTC_NAME
    return iana_names().get(lower) or WINDOWS_ZONES.get(name) or _wrapped(lower)


def _wrapped(lower: str) -> str | None:
    """An IANA name at the end of a vendor's path."""
    parts = lower.split("/")
    for start in range(1, len(parts)):
        found = iana_names().get("/".join(parts[start:]))
        if found and "/" in found:
            return found
    return None


def guessed_zone(tzid: str) -> str | None:
    """The IANA name behind display names of Outlook and plain offsets; used where there is no VTIMEZONE."""
    text = tzid.strip().strip('"')
    label = re.sub(r"\s*\(US & Canada\)|^\(.*?\)\s*", "", text).strip()
    windows = WINDOWS_ZONES.get(label) or WINDOWS_ZONES.get(re.sub(r"\s*(Time)?$", " Standard Time", label, count=1))
    if label and windows:
        return windows
    if dashed := iana_names().get(text.lower().replace("-", "/")):
        return dashed
    for part in label.split(","):
        if city := _cities().get(part.strip().lower()):
            return city
    match = _OFFSET.match(text)
    if match is None:
        return None
    minutes = int(match[2]) * 60 + int(match[3] or 0)
    return fixed_zone(minutes if match[1] == "+" else -minutes)


def fixed_zone(minutes: int) -> str | None:
    """The IANA zone of a constant offset from UTC, or None."""
    if minutes == 0:
        return UTC_NAME
    if minutes % 60 == 0 and -12 <= minutes // 60 <= 14:
        return f"Etc/GMT{-minutes // 60:+d}"
    return _HALF_HOURS.get(minutes)


class Zones:
    """The time zones of one iCalendar object. Resolving is cached per TZID and year."""

    def __init__(self, calendar: Component | None = None) -> None:
        self._definitions: dict[str, Component] = {}
        for child in calendar.components if calendar else ():
            if child.name == "VTIMEZONE" and (tzid := child.value("TZID")) is not None:
                self._definitions.setdefault(tzid.replace("\\,", ",").replace("\\;", ";"), child)
        self._found: dict[tuple[str, str], Zone] = {}

    def definition(self, tzid: str) -> Component | None:
        """The VTIMEZONE of a TZID."""
        return self._definitions.get(tzid)

    def resolve(self, tzid: str, local: str) -> Zone:
        """What a TZID means for a time around `local` (LocalDateTime)."""
        name = named_zone(tzid)
        if name is not None:
            return Zone(name)
        key = (tzid, local[:4])
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = self._define(tzid, int(local[:4]))
        return found

    def _define(self, tzid: str, year: int) -> Zone:
        definition = self._definitions.get(tzid)
        own = custom_zone(definition) if definition is not None else None
        if own is None:
            guess = guessed_zone(tzid)
            return Zone(guess, exact=False) if guess else UNKNOWN
        return matching_zone(own, year)


@lru_cache(maxsize=512)
def matching_zone(own: CustomZone, year: int) -> Zone:
    """The IANA zone with the offsets of a custom one from the year before to three years after; else the one that its
    names hint at, else the most similar one."""
    changes = [(at, own.offset(at)) for at in _around_changes(own, year)]
    regular = [(at, own.offset(at)) for at in _regular(year)]
    similar: list[tuple[float, str]] = []
    for name in _candidates(own):
        score = _similarity(ZoneInfo(name), regular)
        if score == 1.0 and _similarity(ZoneInfo(name), changes) == 1.0:
            return Zone(name, exact=True, own=own)
        if score >= _ENOUGH:
            similar.append((score, name))
    hinted = [name for _, name in similar if name in _hinted(own)]
    best = hinted[0] if hinted else max(similar, key=lambda found: found[0], default=(0.0, None))[1]
    return Zone(best, exact=False, own=own)


def _regular(year: int) -> list[datetime]:
    first = datetime(min(max(year - 1, 1), 9990), 1, 1)  # noqa: DTZ001 - naive UTC
    return [first + timedelta(days=15 * n) for n in range(122)]


def _around_changes(own: CustomZone, year: int) -> Iterator[datetime]:
    minute = timedelta(minutes=1)
    for change in own.changes(max(year - 1, 1), min(year + 3, 9990)):
        yield change - minute
        yield change + minute


def _similarity(zone: ZoneInfo, samples: list[tuple[datetime, timedelta]]) -> float:
    """Share of equal offsets at naive UTC instants; gives up early on zones that are nowhere near."""
    wrong, allowed = 0, len(samples) * (1 - _ENOUGH)
    for instant, offset in samples:
        if instant.replace(tzinfo=UTC).astimezone(zone).utcoffset() != offset:
            wrong += 1
            if wrong > allowed:
                return 0.0
    return 1 - wrong / len(samples) if samples else 1.0


def _hinted(own: CustomZone) -> list[str]:
    found = (named_zone(hint) or guessed_zone(hint) for hint in own.hints)
    return [name for name in found if name is not None]


def _candidates(own: CustomZone) -> Iterator[str]:
    """IANA names, the likely ones first: hints of the definition, the well-known zones, then all."""
    yield from _hinted(own)
    yield from (name for name in WINDOWS_ZONES.values() if is_iana(name))
    yield from sorted(_iana_set())
