"""The sample account's calendars and address book, generated; the same day gives the same objects."""

from datetime import datetime, timedelta

from gateway.demo.sample_mail import DOMAIN

ZONE = "Europe/Berlin"
PAST_WEEKS = 24
_TIME_ZONE = """\
BEGIN:VTIMEZONE
TZID:Europe/Berlin
BEGIN:DAYLIGHT
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
TZNAME:CEST
DTSTART:19810329T020000
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU
END:DAYLIGHT
BEGIN:STANDARD
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
TZNAME:CET
DTSTART:19961027T030000
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU
END:STANDARD
END:VTIMEZONE
"""

# Days from the sample's day, hour, minutes long, summary, further lines.
WORK = (
    (-70, 9, 15, "Stand-up", "RRULE:FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR\n"),
    (-63, 14, 60, "Planning", "RRULE:FREQ=WEEKLY;INTERVAL=2\nLOCATION:Small room\n"),
    (-60, 10, 90, "Board meeting", "RRULE:FREQ=MONTHLY;BYDAY=1TH;COUNT=12\nCLASS:CONFIDENTIAL\n"),
    (2, 10, 60, "Agenda meeting", "@carol bob alice\nLOCATION:Small room\n"),
    (3, 15, 30, "Talk with Judy", "@alice judy\nSTATUS:TENTATIVE\n"),
    (5, 11, 45, "Call about the figures", "@erin alice\nURL:https://example.org/call/figures\n"),
    (9, 13, 120, "Workshop: accessibility", "CATEGORIES:TRAINING\nDESCRIPTION:Bring a laptop\\, please.\n"),
    (16, 9, 240, "Moving the archive", "PRIORITY:1\nTRANSP:OPAQUE\n"),
)
PERSONAL = (
    (-20, 18, 90, "Choir", "RRULE:FREQ=WEEKLY\nLOCATION:Town hall\n"),
    (-1, 8, 45, "Dentist", "BEGIN:VALARM\nACTION:DISPLAY\nTRIGGER:-PT1H\nDESCRIPTION:Dentist\nEND:VALARM\n"),
    (2, 12, 75, "Lunch by the bridge", "LOCATION:The new place by the bridge\nGEO:52.5;13.4\n"),
    (4, 7, 300, "Hike", "CATEGORIES:OUTDOORS,FRIENDS\n"),
    (12, 19, 150, "Concert", "TRANSP:OPAQUE\n"),
)
ALL_DAY = ((-130, "Grandmother's birthday", "RRULE:FREQ=YEARLY\n"), (20, "Holiday", ""), (33, "Spring cleaning", ""))
NAMES = (
    "Bob Baker", "Carol Carter", "Dave Dyer", "Erin Earl", "Frank Fuller", "Grace Glover", "Heidi Hooper",
    "Ivan Ironside", "Judy Joiner", "Ken Kitchen", "Laura Lister", "Mallory Mason", "Niaj Naylor", "Olivia Ostler",
    "Peggy Potter", "Quentin Quarrier", "Rupert Roper", "Sybil Sawyer", "Trent Turner", "Ursula Usher",
    "Victor Vintner", "Wendy Wheeler", "Xavier Yeoman", "Zoë Zimmer",
)  # fmt: skip


def work_calendar(until: datetime) -> dict[str, str]:
    """Meetings: recurring ones, invitations, a confidential one, past ones. File name to iCalendar object."""
    events = {f"work-{number}.ics": _event(until, "work", number, *row) for number, row in enumerate(WORK)}
    for week in range(PAST_WEEKS):
        summary = f"Review {PAST_WEEKS - week}"
        events[f"past-{week}.ics"] = _event(until, "past", week, -7 * week - 1, 16, 30, summary, "")
    return {name: _calendar(event) for name, event in events.items()}


def personal_calendar(until: datetime) -> dict[str, str]:
    """Appointments and whole days. File name to iCalendar object."""
    events = {f"personal-{number}.ics": _event(until, "personal", number, *row) for number, row in enumerate(PERSONAL)}
    events |= {f"day-{number}.ics": _all_day(until, number, *row) for number, row in enumerate(ALL_DAY)}
    return {name: _calendar(event) for name, event in events.items()}


def address_book() -> dict[str, str]:
    """Contacts. File name to vCard 3.0."""
    return {f"card-{number}.vcf": _card(number, name) for number, name in enumerate(NAMES)}


def _calendar(event: str) -> str:
    zone = _TIME_ZONE if ZONE in event else ""
    return _crlf(f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//jmap-gateway//sample//EN\n{zone}{event}END:VCALENDAR\n")


def _event(
    until: datetime, calendar: str, number: int, days: int, hour: int, minutes: int, summary: str, more: str
) -> str:
    start = (until + timedelta(days=days)).replace(hour=hour, minute=0, second=0)
    lines = "".join(_people(line) if line.startswith("@") else line for line in more.splitlines(keepends=True))
    return (
        f"BEGIN:VEVENT\nUID:{calendar}-{number}@{DOMAIN}\nDTSTAMP:{until:%Y%m%dT%H%M%SZ}\nSUMMARY:{summary}\n"
        f"DTSTART;TZID={ZONE}:{start:%Y%m%dT%H%M%S}\nDURATION:PT{minutes}M\n{lines}END:VEVENT\n"
    )


def _all_day(until: datetime, number: int, days: int, summary: str, more: str) -> str:
    start = until + timedelta(days=days)
    return (
        f"BEGIN:VEVENT\nUID:day-{number}@{DOMAIN}\nDTSTAMP:{until:%Y%m%dT%H%M%SZ}\nSUMMARY:{summary}\n"
        f"DTSTART;VALUE=DATE:{start:%Y%m%d}\nDTEND;VALUE=DATE:{start + timedelta(days=1):%Y%m%d}\n{more}END:VEVENT\n"
    )


def _people(line: str) -> str:
    """`@organizer attendee ...` as properties."""
    organizer, *attendees = line[1:].split()
    lines = [f"ORGANIZER;CN={organizer.capitalize()}:mailto:{organizer}@{DOMAIN}\n"]
    lines += [
        f"ATTENDEE;CN={name.capitalize()};PARTSTAT=ACCEPTED:mailto:{name}@{DOMAIN}\n"
        for name in [organizer, *attendees]
    ]
    return "".join(lines)


def _card(number: int, name: str) -> str:
    given, family = name.split()
    address = f"{given.lower()}@{DOMAIN}" if given.isascii() else f"zoe@{DOMAIN}"
    return _crlf(
        f"BEGIN:VCARD\nVERSION:3.0\nUID:card-{number}@{DOMAIN}\nFN:{name}\nN:{family};{given};;;\n"
        f"EMAIL;TYPE=WORK:{address}\nTEL;TYPE=CELL:+49 30 5550{number:03}\n"
        f"ADR;TYPE=HOME:;;Harbour Street {number + 1};Port;;10{number:03};Germany\n"
        f"BDAY:19{60 + number}-0{number % 9 + 1}-15\nEND:VCARD\n"
    )


def _crlf(text: str) -> str:
    return text.replace("\n", "\r\n")
