"""iMIP (RFC 6047): a scheduling message as an Email to be composed, with a text for people. Pure."""

from typing import Any, Final
from urllib.parse import unquote

from adapters.formats import event_text
from adapters.formats.itip import Message
from adapters.formats.jscalendar.vtimezone import with_time_zones
from adapters.formats.jscalendar.write import write_text

_ANSWERS: Final = {"accepted": "Accepted", "declined": "Declined", "tentative": "Tentative", "delegated": "Delegated"}


def mail_address(calendar_address: str) -> str | None:
    """The address behind a mailto: URI, None where it is no such."""
    scheme, _, rest = calendar_address.partition(":")
    address = unquote(rest.partition("?")[0])  # RFC 6068 §2
    return address if scheme.lower() == "mailto" and "@" in address else None


def calendar_text(message: Message) -> str:
    """The iCalendar object of a message, with the time zones that it names."""
    return with_time_zones(write_text(message.event))


def email(message: Message) -> dict[str, Any]:
    """The Email (RFC 8621 §4.6) to all recipients: a text, its HTML version and the calendar object as alternatives.

    All addresses of the message are mail addresses.
    """
    names = _names(message.event)
    shown = _lines(message)
    structure = {
        "type": "multipart/alternative",
        "subParts": [
            {"partId": "text", "type": "text/plain"},
            {"partId": "html", "type": "text/html"},
            # RFC 6047 §2.4: the parameter method MUST be the same as METHOD
            {
                "partId": "calendar",
                "header:Content-Type:asRaw": f" text/calendar; method={message.method.upper()}; charset=utf-8",
            },
        ],
    }
    return {
        "from": [{"name": names.get(message.sender), "email": mail_address(message.sender)}],
        "to": [{"name": names.get(one), "email": mail_address(one)} for one in message.recipients],
        "subject": subject(message),
        "bodyStructure": structure,
        "bodyValues": {
            "text": {"value": event_text.text(shown)},
            "html": {"value": event_text.html(shown)},
            "calendar": {"value": calendar_text(message)},
        },
    }


def subject(message: Message) -> str:
    """What the message is about, in English."""
    title = event_text.title(message.event)
    if message.method == "reply":
        return f"{_answer(message)}: {title}"
    if message.method == "cancel":
        return f"Cancelled: {title}"
    return f"{'Updated invitation' if message.event.get('sequence') else 'Invitation'}: {title}"


def _answer(message: Message) -> str:
    (person,) = message.event["participants"].values()
    return _ANSWERS.get(person.get("participationStatus", ""), "Answered")


def _lines(message: Message) -> event_text.Lines:
    event = message.event
    found = [("", subject(message)), ("When: ", event_text.when(event)), *event_text.places(event)]
    if message.method == "reply":
        (person,) = event["participants"].values()
        found.append(("From: ", person.get("name") or person["calendarAddress"]))
        if comment := person.get("participationComment"):
            found.append(("", comment))
    else:
        found += event_text.description(event)
    return found


def _names(event: dict[str, Any]) -> dict[str, str]:
    """Calendar address -> name of the participant."""
    people = [person for person in (event.get("participants") or {}).values() if "calendarAddress" in person]
    return {person["calendarAddress"]: person["name"] for person in people if person.get("name")}
