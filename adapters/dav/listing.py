"""Collections as a listing tells them, and their properties both ways (pure)."""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeVar, cast

from adapters.dav.bodies import Element, element
from adapters.dav.hrefs import canonical, collection
from adapters.dav.multistatus import Entry, is_number
from adapters.dav.names import calendarserver, dav, local
from adapters.dav.privileges import privileges
from adapters.dav.quirks import Quirks
from adapters.ports.collections import Cursor, Privilege

TYPE: Final = dav("resourcetype")
PRIVILEGES: Final = dav("current-user-privilege-set")
OWNER: Final = dav("owner")
REPORTS: Final = dav("supported-report-set")
TOKEN: Final = dav("sync-token")
CTAG: Final = calendarserver("getctag")
NAME: Final = dav("displayname")


class Row(NamedTuple):
    """One property: its DAV name, how its element is read, and how its value becomes one."""

    name: str
    read: Callable[[Element], Any]
    write: Callable[[Any], tuple[Element | str, ...]]


Key = TypeVar("Key", bound=str)


def text_row(name: str) -> Row:
    """A property that is a text."""
    return Row(name, lambda value: (value.text or "").strip() or None, lambda value: (value,))


def order_row(name: str) -> Row:
    """A property that is a number to sort by."""
    return Row(name, _order, lambda value: (str(value),))


def _order(value: Element) -> int | None:
    text = (value.text or "").strip().partition(".")[0]  # some clients write "1.0"
    return int(text) if is_number(text.removeprefix("-")) and len(text) < 12 else None


def asked(rows: Mapping[Key, Row], quirks: Quirks) -> list[str]:
    """The properties that a listing asks for whatever the kind of its collections."""
    written = (row.name for row in rows.values() if row.name not in quirks.loses)
    return [TYPE, *written, *([] if quirks.reads_all else cursor_names(quirks)), PRIVILEGES, OWNER, REPORTS]


def values_of(rows: Mapping[Key, Row], entry: Entry, path: str) -> dict[Key, Any]:
    """What an entry says of the rows. path: of the collection."""
    found = {key: row.read(entry.found[row.name]) for key, row in rows.items() if row.name in entry.found}
    # Radicale's answer where nobody gave it a name
    return {key: None if key == "name" and value == path.strip("/") else value for key, value in found.items()}


def elements(rows: Mapping[Key, Row], changes: Mapping[str, object]) -> dict[str, Element | None]:
    """DAV name -> the property to write; None removes one."""
    return {
        row.name: None if changes[key] is None else element(row.name, *row.write(changes[key]))
        for key, row in rows.items()
        if key in changes
    }


def cursor_names(quirks: Quirks) -> list[str]:
    """Those that tell where a collection stands."""
    names = {"token": TOKEN, "ctag": CTAG}
    return [names[name] for name in quirks.cursor]


def read_cursor(entry: Entry) -> Cursor:
    """Where a collection stands."""
    return Cursor(entry.text(TOKEN), entry.text(CTAG))


def is_kind(entry: Entry, kind: str) -> bool:
    """Whether a response of the listing is about a collection of that resource type (Clark name)."""
    found = entry.found.get(TYPE)
    return found is not None and found.find(kind) is not None


def reports(entry: Entry) -> frozenset[str]:
    """Local names of the REPORTs that a collection supports (RFC 3253 §3.1.5)."""
    value = entry.found.get(REPORTS)
    wrapped = [] if value is None else value.iter(dav("report"))
    return frozenset(local(child.tag) for report in wrapped for child in report)


def held(entry: Entry) -> frozenset[Privilege] | None:
    """The login's privileges, None where the server does not say (RFC 3744 §5.4)."""
    value = entry.found.get(PRIVILEGES)
    return None if value is None else cast("frozenset[Privilege]", privileges(value))


def other_owner(entry: Entry, owner: str | None) -> str | None:
    """Path of the owning principal where it is not the home's owner (RFC 3744 §5.1)."""
    whose = entry.href_of(OWNER)
    return None if whose is None or same(whose, owner) else canonical(whose)


def size_of(entry: Entry, name: str) -> int | None:
    """A property that is a number of octets."""
    size = (entry.text(name) or "").strip()
    return int(size) if is_number(size) else None


def same(href: str, path: str | None) -> bool:
    """Whether both lead to one collection."""
    return path is not None and collection(href) == collection(path)
