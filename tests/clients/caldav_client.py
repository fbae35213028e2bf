"""Reads and changes calendars with the library `caldav`; run by the Python of its own environment.

Each line of the input is a JSON array: URL, user, password, then a verb with its words. Each line of the output is the
answer, or null where that failed; why is on standard error then.
"""

import json
import sys
import traceback
from urllib.parse import urljoin, urlsplit

from caldav import Calendar, DAVClient
from caldav.elements import dav, ical


def done(url: str, user: str, password: str, verb: str, path: str, *words: str) -> dict[str, str | None]:
    """Do one thing, and say what was found."""
    with DAVClient(url=url, username=user, password=password, timeout=60) as client:
        calendar = Calendar(client=client, url=urljoin(url, path))
        if verb == "read":
            found = calendar.search()
            return {urlsplit(str(event.url)).path.rpartition("/")[2]: event.data for event in found}
        if verb == "properties":
            wanted = {"name": dav.DisplayName(), "color": ical.CalendarColor()}
            return {key: calendar.get_property(value) for key, value in wanted.items()}
        target = urljoin(url, path + words[0])
        if verb == "put":
            client.put(target, words[1], {"Content-Type": "text/calendar; charset=utf-8"})
        if verb == "remove":
            client.delete(target)
    return {}


def main() -> None:
    """Do what is asked for, until nobody asks any more."""
    for line in sys.stdin:
        answer = None
        try:
            answer = done(*json.loads(line))
        except Exception:  # noqa: BLE001 - whatever it is, it is told
            traceback.print_exc()
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
