"""What a user of the library `calendaring-jmap` does; run by the Python of its own environment.

Arguments: URL, user, password. Prints as JSON what was seen. The library writes alarms and rules in the names of
RFC 8984, which JMAP Calendars doesn't know any more: the event here has none.
"""

import json
import sys
from typing import Any

from calendaring_jmap import JMAPClient
from calendaring_jmap.error import JMAPMethodError

EVENT = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//Example//Scenario//EN
BEGIN:VEVENT
UID:scenario@example.org
DTSTAMP:20260101T000000Z
DTSTART;TZID=Europe/Berlin:20261201T100000
DURATION:PT1H
SUMMARY:Written by calendaring
LOCATION:Room 5
CATEGORIES:a,b
{}END:VEVENT
END:VCALENDAR
"""


def main(url: str, user: str, password: str) -> dict[str, Any]:
    """Create, read, change, find, follow and delete an event."""
    client = JMAPClient(url=f"{url}/.well-known/jmap", username=user, password=password)
    (calendar,) = (one for one in client.get_calendars() if one.name == "Scenario")
    token = client.get_sync_token()
    event_id = client.create_event(calendar.id, EVENT.format(""))
    created = client.get_event(event_id).data
    client.update_event(event_id, EVENT.format("").replace("Written by", "Changed by"))
    found = client.search_events(start="2026-12-01T00:00:00", end="2026-12-02T00:00:00")
    added, changed, gone, _ = client.get_objects_by_sync_token(token)
    try:
        client.create_event(calendar.id, EVENT.format("RRULE:FREQ=DAILY\n").replace("scenario@", "daily@"))
        refused = None
    except JMAPMethodError as error:
        refused = str(error)
    client.delete_event(event_id)
    return {
        "created": created,
        "found": [one.data["title"] for one in found],
        "changes": [[one.data["title"] for one in added], len(changed), list(gone)],
        "refused": refused,
        "left": len(client.search_events()),
    }


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
