"""Keys of JSCalendar and JSContact maps, derived from the data so that they are the same at every conversion.

draft-ietf-calext-jscalendar-icalendar-25 §2.1.3: the JSID parameter or property where it is set, else UUIDv5 of the
property value; with PROP-ID the same of vCard (RFC 9555 §2.1.2). Two elements with the same value get different keys by
counting.
"""

import hashlib
import re
from collections.abc import Container
from functools import lru_cache

_NAMESPACE = bytes.fromhex("7f1e1965ae734454b088232c90730ce2")
_ID = re.compile(r"[A-Za-z0-9_-]{1,255}")


def is_id(value: str) -> bool:
    """Whether a string is an Id (jscalendarbis §1.5.1, RFC 9553 §1.4.1)."""
    return _ID.fullmatch(value) is not None


@lru_cache(maxsize=4096)
def value_key(raw: str) -> str:
    """UUIDv5 of a raw property value (RFC 9562 §5.5), put together here because `uuid.UUID` costs ten times as much."""
    digest = hashlib.sha1(_NAMESPACE + raw.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(digest[16], 16) & 3]
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"


def free_key(wanted: str, taken: Container[str]) -> str:
    """`wanted`, or where `taken` (a map or set of keys) has it, a key derived from it by counting.

    The first free number is looked for by halving: data may have thousands of elements with one value.
    """
    if wanted not in taken:
        return wanted
    free = 2
    while _numbered(wanted, free) in taken:
        free *= 2
    used = free // 2
    while free - used > 1:
        middle = (used + free) // 2
        if _numbered(wanted, middle) in taken:
            used = middle
        else:
            free = middle
    return _numbered(wanted, free)


def _numbered(wanted: str, number: int) -> str:
    return value_key(f"{wanted}\n{number}")


def property_key(raw: str, jsid: str | None, taken: Container[str]) -> str:
    """The key of an element that converts from a property."""
    return free_key(jsid if jsid and is_id(jsid) else value_key(raw), taken)


def component_key(jsid: str | None, uid: str | None, content: str, taken: Container[str]) -> str:
    """The key of an element that converts from a component: JSID, UID, else derived from the content."""
    if jsid and is_id(jsid):
        return free_key(jsid, taken)
    if uid:
        return free_key(uid if is_id(uid) else value_key(uid), taken)
    return free_key(value_key(content), taken)
