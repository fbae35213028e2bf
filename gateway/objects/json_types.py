"""What the types of JSCalendar (jscalendarbis-17 §1) and JSContact (RFC 9553 §1) have in common, as checks."""

import re
from collections.abc import Mapping
from typing import Any, Final

from gateway.jmap.checks import Check, map_of, string, true

VENDOR: Final = re.compile(r'[^\W_](?:[\w.-]*[^\W_])?:[^\x00-\x1f"/~\x7f]+')
_REGISTERED: Final = re.compile(r"[a-z][A-Za-z0-9]{0,254}", re.ASCII)
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\x00-\x1f\x7f]+")
_ADDRESS: Final = re.compile(r"[^\s<>\x00-\x1f\x7f]+@[^\s<>\x00-\x1f\x7f]+")


def is_extension(name: str, reserved: frozenset[str] = frozenset()) -> bool:
    """Whether a name that is not known may stand in an object (§1.7.4, §1.8.1). reserved: names that may not."""
    return VENDOR.fullmatch(name) is not None or (_REGISTERED.fullmatch(name) is not None and name not in reserved)


def typed_object(
    type_name: str,
    members: Mapping[str, Check],
    required: frozenset[str] = frozenset(),
    reserved: frozenset[str] = frozenset(),
) -> Check:
    """An object of a type: known members are checked, vendors' and unknown ones preserved (§1.7)."""
    known = {"@type": exactly(type_name), **members}
    lower = {name.lower() for name in known}

    def check(value: Any) -> str | None:
        if not isinstance(value, dict):
            return "must be an object"
        for name, item in value.items():
            if name in known:
                if wrong := known[name](item):
                    return f"/{name} {wrong}"
            elif name.lower() in lower or not is_extension(name, reserved):  # §1.7.1
                return f"has the unknown member {name[:60]!r}"
        missing = required - value.keys()
        return f"lacks {', '.join(sorted(missing))}" if missing else None

    return check


def exactly(wanted: str) -> Check:
    """One value."""
    return lambda value: None if value == wanted else f"must be {wanted!r}"


def enum(*values: str) -> Check:
    """One of the registered values, or a vendor's (§1.7.5, §1.8.2)."""

    def check(value: Any) -> str | None:
        fits = isinstance(value, str) and (value in values or VENDOR.fullmatch(value))
        return None if fits else f"must be one of {', '.join(values)}"

    return check


def flags(keys: Check = string) -> Check:
    """A set as an object whose values are true."""
    return map_of(keys, true)


def some(check: Check) -> Check:
    """At least one member."""
    return lambda value: check(value) or (None if value else "must not be empty")


def uri(value: Any) -> str | None:
    """A URI (RFC 3986)."""
    return None if isinstance(value, str) and _URI.fullmatch(value) else "must be a URI"


def address(value: Any) -> str | None:
    """An addr-spec (RFC 5322 §3.4.1)."""
    return None if isinstance(value, str) and _ADDRESS.fullmatch(value) else "must be an e-mail address"


def uid(value: Any) -> str | None:
    """A uid that a line of iCalendar or vCard can hold."""
    fits = isinstance(value, str) and 0 < len(value.encode("utf-8", "replace")) <= 255 and value.isprintable()
    return None if fits else "must be a String of at most 255 octets without control characters"
