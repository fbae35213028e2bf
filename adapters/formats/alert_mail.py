"""An alert with the action "email" (draft-ietf-jmap-calendars-29 §6) as an Email to be composed. Pure."""

from typing import Any, Final

from adapters.formats import event_text

_MOST_LINKS: Final = 10


def email(event: dict[str, Any], address: str, zone: str | None) -> dict[str, Any]:
    """The Email (RFC 8621 §4.6) that reminds the user of an event or instance: a text and its HTML version.

    address: of the user, who gets it from himself. zone: his time zone; None where the event's own has to do.
    """
    shown = _lines(event, zone)
    return {
        "from": [{"name": "Calendar", "email": address}],
        "to": [{"name": None, "email": address}],
        "subject": f"Reminder: {event_text.title(event)}",
        "header:Auto-Submitted:asText": "auto-generated",  # RFC 3834 §5: nothing is to answer it
        "textBody": [{"partId": "text", "type": "text/plain"}],
        "htmlBody": [{"partId": "html", "type": "text/html"}],
        "bodyValues": {"text": {"value": event_text.text(shown)}, "html": {"value": event_text.html(shown)}},
    }


def _lines(event: dict[str, Any], zone: str | None) -> event_text.Lines:
    when = event_text.when(event, zone)
    found = [("", event_text.title(event)), ("When: ", when), *event_text.places(event)]
    links = [one["href"] for one in (event.get("links") or {}).values() if one.get("href")]
    # an attachment in the event itself is no address
    shown = [one for one in map(event_text.line, links) if not one.lower().startswith("data:")]
    return [*found, *(("Link: ", one) for one in shown[:_MOST_LINKS]), *event_text.description(event)]
