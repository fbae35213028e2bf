"""Header fields from JMAP values: the forms of RFC 8621 §4.1.2 in reverse, for Email/set (§4.6)."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, Final

from adapters.formats.compose_words import LONGEST_WORD, Token, Unfit, checked, fold, phrase, quoted, unstructured
from adapters.formats.header_forms import CONVENIENCE, HeaderProperty, parse_header_property

__all__ = ["Field", "header_fields_from", "in_order", "write_field"]

Field = tuple[str, bytes]
"""The name in lower case; the octets with name, value and final CRLF."""

_LONGEST_NAME: Final = 70
_LONGEST_LINE: Final = 998  # RFC 5322 §2.1.1

_ONCE: Final = frozenset(  # RFC 5322 §3.6
    [
        *("date", "from", "sender", "reply-to", "to", "cc", "bcc"),
        *("message-id", "in-reply-to", "references", "subject"),
    ]
)
_ORDER: Final = (
    *("date", "from", "sender", "reply-to", "to", "cc", "bcc"),
    *("subject", "message-id", "in-reply-to", "references"),
)
_ONE_ID: Final = frozenset(["message-id", "resent-message-id"])
_LAST: Final = len(_ORDER)

_RAW_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")
_FOLDED = re.compile(r"[^\r\n]*(?:\r\n[ \t]+[^ \t\r\n][^\r\n]*)*")
_SIMPLE_ADDRESS = re.compile(r'[^\s<>",:;()\\\[\]]+')
_QUOTED_LOCAL = re.compile(r'"(?:[ !#-\[\]-~]|\\[ -~])*"@[^\s<>",:;()\\\[\]@]+')
_LITERAL_DOMAIN = re.compile(r'[^\s<>",:;()\\\[\]@]+@\[[A-Za-z0-9.:-]+\]')
_DOMAIN = re.compile(r'[^\s<>",:;()\\\[\]@]+')
_PRINTABLE = re.compile(r"[ -~]*")
_ANGLE_ITEM = re.compile(r"[!-;=?-~]+")  # printable ASCII but < and >
_INTERNATIONAL_ANGLE_ITEM = re.compile(r"[^\s<>]+")
_DATE = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T([01]\d|2[0-3]):([0-5]\d):([0-5]\d|60)(?:\.\d+)?(?:Z|([+-])([01]\d|2[0-3]):([0-5]\d))",
    re.ASCII,
)
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def header_fields_from(record: Mapping[str, Any], path: str, faults: dict[str, str]) -> list[Field]:
    """The fields of all header properties of an Email or EmailBodyPart.

    Args:
        record: may have other properties as well.
        path: what comes before a property's name in the paths of `faults` ("" or "bodyStructure/subParts/0/").
        faults: receives path -> what is wrong, as the end of a sentence.
    """
    fields: list[Field] = []
    seen: dict[str, str] = {}
    for name, value in record.items():
        wanted = _wanted(name, at_top=not path)
        if wanted is None:
            if name.startswith("header:"):
                faults[path + name] = "is no header property, or in a form that the field can't have"
            continue
        field = wanted.name.lower()
        if field in seen:  # RFC 8621 §4.6: no two properties for the same header field
            faults[path + name] = f"represents the same header field as {seen[field]}"
            continue
        seen[field] = name
        try:
            fields += [(field, octets) for octets in _instances(wanted, value)]
        except Unfit as error:
            faults[path + name + error.path] = error.what
    return fields


def _wanted(name: str, *, at_top: bool) -> HeaderProperty | None:
    if at_top and name in CONVENIENCE:
        return HeaderProperty(*CONVENIENCE[name], all=False)
    return parse_header_property(name) if name.startswith("header:") else None


def _instances(wanted: HeaderProperty, value: Any) -> list[bytes]:
    if value is None:
        return []
    if not wanted.all:
        return _written(wanted, value)
    if not isinstance(value, list):
        raise Unfit("must be an array")
    if len(value) > 1 and wanted.name.lower() in _ONCE:
        raise Unfit("can stand in a message once only")
    found: list[bytes] = []
    for index, item in enumerate(value):
        try:
            found += _written(wanted, item)
        except Unfit as error:
            raise Unfit(error.what, f"/{index}{error.path}") from None
    return found


def _written(wanted: HeaderProperty, value: Any) -> list[bytes]:
    octets = write_field(wanted.name, wanted.form, value)
    return [] if octets is None else [octets]


def write_field(name: str, form: str, value: Any) -> bytes | None:
    """One field with its CRLF; None for an empty list, which no field can say. Raises Unfit."""
    if len(name) > _LONGEST_NAME:
        raise Unfit("has too long a name")
    if form == "asRaw":
        return _raw(name, value)
    tokens = _FORMS[form](name, value)
    return None if tokens is None else fold(name, tokens)


def in_order(fields: Sequence[Field]) -> list[bytes]:
    """The fields of a message in the usual order; those without one follow as they came."""
    places = {name: index for index, name in enumerate(_ORDER)}
    return [octets for _, octets in sorted(fields, key=lambda field: places.get(field[0], _LAST))]


def _raw(name: str, value: Any) -> bytes:
    """Raw: the octets as they are given. Folding that is there already stays, since it begins no new line of fields."""
    if not isinstance(value, str):
        raise Unfit("must be a String")
    if found := _RAW_FORBIDDEN.search(value):
        raise Unfit(f"must not contain the character U+{ord(found.group()):04X}")
    if not _FOLDED.fullmatch(value):
        raise Unfit("must not contain a line break that is no folding")
    octets = f"{name}:{value}\r\n".encode()
    if any(len(line) > _LONGEST_LINE for line in octets.split(b"\r\n")):
        raise Unfit("has a line of more than 998 octets")
    return octets


def _text(_name: str, value: Any) -> list[Token]:
    text = checked(value)
    return unstructured(text) if text else []


def _addresses(_name: str, value: Any) -> list[Token] | None:
    return _joined([_mailbox_at(item, f"/{index}") for index, item in enumerate(_list(value))])


def _groups(_name: str, value: Any) -> list[Token] | None:
    items: list[list[str]] = []
    for index, group in enumerate(_list(value)):
        path = f"/{index}"
        _members(group, {"name", "addresses"}, path)
        try:
            addresses = _list(group.get("addresses"))
        except Unfit as error:
            raise Unfit(error.what, f"{path}/addresses") from None
        members = [_mailbox_at(item, f"{path}/addresses/{n}") for n, item in enumerate(addresses)]
        name = _name_at(group.get("name"), path)
        if name is None:
            items += members
        else:
            items.append(_group(name, members))
    return _joined(items)


def _group(name: str, members: list[list[str]]) -> list[str]:
    words = phrase(name)
    words[-1] += ":"
    words += [word for _, word in _joined(members) or ()]
    words[-1] += ";"
    return words


def _joined(items: list[list[str]]) -> list[Token] | None:
    """Address list: the items with commas between them; None for an empty one (RFC 5322 §3.6.3 wants an address)."""
    if not items:
        return None
    for item in items[:-1]:
        item[-1] += ","
    return [(" ", word) for item in items for word in item]


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise Unfit("must be an array")
    return value


def _members(value: Any, known: set[str], path: str) -> None:
    if not isinstance(value, dict):
        raise Unfit("must be an object", path)
    if unknown := value.keys() - known:
        raise Unfit(f"has the unknown member {min(unknown)[:60]!r}", path)


def _name_at(value: Any, path: str) -> str | None:
    """A display name, None where there is none. Raises Unfit."""
    if value is None:
        return None
    try:
        return checked(value).strip(" ") or None
    except Unfit as error:
        raise Unfit(error.what, f"{path}/name") from None


def _mailbox_at(value: Any, path: str) -> list[str]:
    """The words of one EmailAddress (RFC 8621 §4.1.2.3)."""
    _members(value, {"name", "email"}, path)
    name = _name_at(value.get("name"), path)
    try:
        email = _address(value.get("email"), may_be_empty=name is not None)
    except Unfit as error:
        raise Unfit(error.what, f"{path}/email") from None
    if name is not None:
        return [*phrase(name), f"<{email}>"]
    return [email] if _SIMPLE_ADDRESS.fullmatch(email) else [f"<{email}>"]


def _address(value: Any, *, may_be_empty: bool) -> str:
    """An addr-spec, or what a half-finished draft has in its place, such that every reader sees one mailbox."""
    email = checked(value)
    if "=?" in email:
        raise Unfit("must not look like an encoded word")
    if len(email.encode()) > LONGEST_WORD:
        raise Unfit("is too long")
    if not email and not may_be_empty:
        raise Unfit("must not be empty where there is no name")
    if not email or any(form.fullmatch(email) for form in (_SIMPLE_ADDRESS, _QUOTED_LOCAL, _LITERAL_DOMAIN)):
        return email
    if not _PRINTABLE.fullmatch(email):
        raise Unfit("must be an address")
    local, _, domain = email.rpartition("@")
    if local and _DOMAIN.fullmatch(domain):
        return f"{quoted(local)}@{domain}"
    return quoted(email)


def _message_ids(name: str, value: Any) -> list[Token] | None:
    items = _angle_items(value, _INTERNATIONAL_ANGLE_ITEM)
    if len(items) > 1 and name.lower() in _ONE_ID:
        raise Unfit("must have one id only")  # RFC 5322 §3.6.4
    return [(" ", item) for item in items] or None


def _urls(_name: str, value: Any) -> list[Token] | None:
    return _joined([[item] for item in _angle_items(value, _ANGLE_ITEM)])  # RFC 2369 §2


def _angle_items(value: Any, form: re.Pattern[str]) -> list[str]:
    items: list[str] = []
    for index, item in enumerate(_list(value)):
        path = f"/{index}"
        try:
            text = checked(item)
        except Unfit as error:
            raise Unfit(error.what, path) from None
        if not form.fullmatch(text) or len(text.encode()) > LONGEST_WORD:
            raise Unfit("must be an id or URL without brackets and white space", path)
        items.append(f"<{text}>")
    return items


def _date(_name: str, value: Any) -> list[Token]:
    """RFC 5322 §3.3, in the zone that was given."""
    found = _DATE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise Unfit('must be a Date such as "2014-10-30T14:12:00+08:00"')
    year, month, day, hour, minute, second, sign, zone_hour, zone_minute = found.groups()
    try:
        when = date(int(year), int(month), int(day))
    except ValueError:
        raise Unfit("is no day of the calendar") from None
    if when.year < 1900:  # RFC 5322 §3.3
        raise Unfit("must not be before 1900")
    zone = f"{sign}{zone_hour}{zone_minute}" if sign else "+0000"
    text = f"{_DAYS[when.weekday()]}, {when.day} {_MONTHS[when.month - 1]} {year} {hour}:{minute}:{second} {zone}"
    return [(" ", text)]


_FORMS: Final[dict[str, Callable[[str, Any], list[Token] | None]]] = {
    "asText": _text,
    "asAddresses": _addresses,
    "asGroupedAddresses": _groups,
    "asMessageIds": _message_ids,
    "asDate": _date,
    "asURLs": _urls,
}
