"""Reads and changes a calendar with the library `caldav`; run by the Python of its own environment.

Arguments: URL, user, password, then a verb with its words. Prints JSON.
"""

import json
import sys
from urllib.parse import urljoin, urlsplit

from caldav import Calendar, DAVClient
from caldav.elements import dav, ical


def main(url: str, user: str, password: str, verb: str, path: str, *words: str) -> dict[str, str | None]:
    """Do one thing, and say what was found."""
    with DAVClient(url=url, username=user, password=password) as client:
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


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
