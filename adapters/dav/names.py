"""Namespaces and names of DAV elements, in Clark notation."""

from typing import Final

DAV: Final = "DAV:"
CALDAV: Final = "urn:ietf:params:xml:ns:caldav"
CARDDAV: Final = "urn:ietf:params:xml:ns:carddav"
CALENDARSERVER: Final = "http://calendarserver.org/ns/"
APPLE: Final = "http://apple.com/ns/ical/"

PREFIXES: Final = {"D": DAV, "C": CALDAV, "A": CARDDAV, "CS": CALENDARSERVER, "I": APPLE}


def dav(name: str) -> str:
    """A name of RFC 4918, 3744, 5397 or 6578."""
    return f"{{{DAV}}}{name}"


def caldav(name: str) -> str:
    """A name of RFC 4791 or RFC 6638."""
    return f"{{{CALDAV}}}{name}"


def carddav(name: str) -> str:
    """A name of RFC 6352."""
    return f"{{{CARDDAV}}}{name}"


def calendarserver(name: str) -> str:
    """A name of Apple's calendar server, which others took up."""
    return f"{{{CALENDARSERVER}}}{name}"


def apple(name: str) -> str:
    """A name of Apple's calendar client."""
    return f"{{{APPLE}}}{name}"


def local(tag: str) -> str:
    """The name without its namespace."""
    return tag.rpartition("}")[2]
