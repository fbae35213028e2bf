"""What DAV servers do otherwise than the text says, as data: one row per server, found by what it says of itself.

Measured on Cyrus 3.6.1, Radicale 3.9.0, Xandikos 0.4.10, DAViCal 1.1.12, sabre/dav 4.7.1 and SOGo 5.8.0 (2026-11);
docs/quirks.md tells the stories. A server that is not in the table is taken at its word.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from adapters.dav.names import caldav

CursorProperty = Literal["token", "ctag"]


@dataclass(frozen=True, slots=True)
class Quirks:
    """One server.

    marks: (header name in lower case, or "path" for the path of the home; pattern); any of them is enough.
    cursor: what a listing asks to see whether a collection moved; what costs the server least.
    reads_all: that makes it read every resource, so it is asked of the collections that are wanted, not of the home.
    settles: its tokens and ctags count seconds (and it lists everything for an unknown one): the token is not used,
    and a ctag is believed once it is so many seconds old.
    overwrites: If-None-Match: * does not keep it from replacing. deletes_stale: nor If-Match from deleting;
    moves_stale: nor from moving.
    alters: stores something else than it was given, and answers with an ETag all the same (RFC 4791 §5.3.4).
    alters_cards: the same of vCards.
    prefers_3: gives 3.0 of what is stored as 4.0, without the octets of data: URIs, to all who ask for no version; it
    refuses a name in two forms (RFC 6350 §5.4).
    one_text: takes most values of vCards for one text, and loses what follows a bare comma.
    moves: MOVE between collections works.
    lends: the home may list calendars of others.
    invites: what others share is listed in the home only once it was taken up; a notification tells of it.
    per_user: JSCalendar properties that it keeps apart for each user of a shared calendar.
    hides_principals: it lists nobody else, but finds whom a search asks for (RFC 3744 §9.4).
    keeps_grants: an ACL request leaves to those whom it does not name what they had; an empty grant takes it away.
    acls: takes the ACL method for calendars (RFC 3744 §8.1) where it speaks of access-control.
    days_have_no_length: a time-range takes an all-day event without DTEND for one without length (RFC 4791 §9.9).
    all_or_nothing: one refused property spoils a PROPPATCH, without 424 to tell which (RFC 4918 §9.2.1).
    no_remove: DAV:remove is answered with 500; an empty element does it.
    loses: properties (Clark names) that it takes, says 200, and does not keep.
    drops: iCalendar properties that it does not keep; drops_components: the same of components. X- properties it keeps.
    schedules: what it says of calendar-auto-schedule is true (RFC 6638 §2).
    silence: header fields that keep a write from sending scheduling messages. RFC 6638 §8.1 has one, for an attendee's
    DELETE; keeps_quiet: here they hold for every write.
    mails_alerts: it may send the mail of VALARMs with ACTION:EMAIL by itself, always or where its operator had it so.
    """

    server: str
    marks: tuple[tuple[str, str], ...] = ()
    cursor: tuple[CursorProperty, ...] = ("token", "ctag")
    reads_all: bool = False
    settles: int = 0
    overwrites: bool = False
    deletes_stale: bool = False
    moves_stale: bool = False
    alters: bool = False
    alters_cards: bool = False
    prefers_3: bool = False
    one_text: bool = False
    moves: bool = True
    lends: bool = True
    invites: bool = False
    per_user: tuple[str, ...] = ()
    hides_principals: bool = False
    keeps_grants: bool = False
    acls: bool = True
    days_have_no_length: bool = False
    all_or_nothing: bool = False
    no_remove: bool = False
    loses: frozenset[str] = frozenset()
    drops: frozenset[str] = frozenset()
    drops_components: frozenset[str] = frozenset()
    schedules: bool = True
    silence: tuple[tuple[str, str], ...] = (("Schedule-Reply", "F"),)
    keeps_quiet: bool = False
    mails_alerts: bool = True


OTHER: Final = Quirks("other")

SERVERS: Final = (
    Quirks(
        "cyrus",
        marks=(("server", r"^Cyrus-HTTP\b"),),
        invites=True,
        per_user=("alerts", "freeBusyStatus"),
        days_have_no_length=True,
        alters=True,  # its libical drops what it does not know, and the ETag says nothing of it
        alters_cards=True,
        prefers_3=True,
        drops=frozenset({"JSPROP", "JSID", "CONCEPT", "LINK", "REFID", "STYLED-DESCRIPTION", "SHOW-WITHOUT-TIME"}),
        drops_components=frozenset({"VLOCATION", "PARTICIPANT", "VRESOURCE"}),
        silence=(("Scheduling-Enabled", "F"), ("Schedule-Reply", "F")),
        keeps_quiet=True,
    ),
    Quirks(
        "radicale",
        marks=(("dav", r"^1, ?2, ?3, ?calendar-access, ?addressbook, ?extended-mkcol$"),),
        lends=False,
        moves_stale=True,
        alters_cards=True,  # its vobject keeps five components of a name and seven of an address
        one_text=True,
        cursor=("ctag",),  # both make it read every item: 0.1 s for the ctag, 0.2 s for the token of 2,000 events
        reads_all=True,
        loses=frozenset({caldav("schedule-calendar-transp")}),  # it keeps text, not elements
        mails_alerts=False,
    ),
    Quirks(
        "xandikos",
        marks=(("dav", r"\badd-member, ?sync-collection\b"),),
        moves=False,
        no_remove=True,
        lends=False,
        schedules=False,
        mails_alerts=False,
    ),
    Quirks(
        "davical",
        marks=(("x-davical-version", r""),),
        hides_principals=True,
        keeps_grants=True,
        loses=frozenset({caldav("schedule-calendar-transp"), caldav("calendar-timezone")}),  # no listing shows them
        mails_alerts=False,
    ),
    Quirks(
        "nextcloud",
        marks=(("dav", r"\b(nextcloud-|nc-|oc-)"), ("path", r"^(/.*)?/remote\.php/dav/")),
        moves=False,
        acls=False,
        keeps_quiet=True,
    ),
    Quirks(
        "sabre",
        marks=(("x-sabre-version", r""), ("dav", r"\bcalendarserver-subscribed\b")),
        moves=False,
        acls=False,
        keeps_quiet=True,
        mails_alerts=False,
    ),
    Quirks(
        "sogo",
        marks=(("path", r"^/SOGo/dav/"),),
        cursor=("ctag",),
        acls=False,
        settles=2,
        overwrites=True,
        deletes_stale=True,
        alters=True,
        alters_cards=True,
        all_or_nothing=True,
    ),
)


def recognise(headers: Mapping[str, str], path: str) -> Quirks:
    """The row of a server. headers: of its answer to OPTIONS, names in lower case; path: of the home."""
    facts = {**headers, "path": path}
    for row in SERVERS:
        if any(name in facts and re.search(pattern, facts[name]) for name, pattern in row.marks):
            return row
    return OTHER
