"""The types of JSContact (RFC 9553 §1.4 to §2.8) as checks of what clients write."""

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Final

from adapters.formats.jscalendar.timezones import is_iana
from gateway.jmap.checks import Check, array_of, boolean, id_, integer, map_of, string, unsigned_int, utc_date
from gateway.objects.json_types import VENDOR, address, enum, flags, some, typed_object, uri

_LANGUAGE: Final = re.compile(r"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*", re.ASCII)
_SCRIPT: Final = re.compile(r"[A-Za-z]{4}", re.ASCII)
_COUNTRY: Final = re.compile(r"[A-Za-z]{2}", re.ASCII)
_SCALE: Final = re.compile(r"[a-z][a-z0-9-]*", re.ASCII)
_VCARD_NAME: Final = re.compile(r"[A-Za-z0-9-]+", re.ASCII)

RESERVED: Final = frozenset({"extra"})  # §1.7.3.1


def date_time(value: Any) -> str | None:
    """UTCDateTime (§1.4.5): a fraction of a second only where it is not zero, without zeros at its end."""
    wrong = utc_date(value)
    if wrong is None and "." in value and value.endswith("0Z"):
        return "must have no zeros at the end of its fraction"
    return wrong


def _matching(pattern: re.Pattern[str], what: str) -> Check:
    def check(value: Any) -> str | None:
        return None if isinstance(value, str) and pattern.fullmatch(value) else f"must be {what}"

    return check


language: Final = _matching(_LANGUAGE, "a language tag")
_SYSTEM: Final = enum("ipa", "jyut", "piny")


def vcard_property(value: Any) -> str | None:
    """A property in the form of RFC 7095 §3.3."""
    fits = isinstance(value, list) and len(value) >= 4 and isinstance(value[1], dict)
    return None if fits and all(isinstance(value[at], str) for at in (0, 2)) else "must be a property of jCard"


def _parameter(value: Any) -> str | None:
    return string(value) and array_of(string)(value) and "must be a String or an array of Strings"


_OF_VCARD: Final[Mapping[str, Check]] = {  # RFC 9555 §2.15
    "vCardProps": array_of(vcard_property),
    "vCardParams": map_of(string, _parameter),
    "vCardName": _matching(_VCARD_NAME, "the name of a property of vCard"),
}
_PREF: Final = integer(1, 100)  # §1.5.3
_CONTEXTS: Final = flags(enum("private", "work"))  # §1.5.1


def _type(name: str, members: Mapping[str, Check], required: str = "", *, one_of: str = "") -> Check:
    """An object of a type. required, one_of: the names of members that must be there, all or at least one of them."""
    check = typed_object(name, {**members, **_OF_VCARD}, frozenset(required.split()), RESERVED)
    alternatives = one_of.split()

    def checked(value: Any) -> str | None:
        wrong = check(value)
        if wrong is None and alternatives and not any(item in value for item in alternatives):
            return f"must have one of {', '.join(alternatives)}"
        return wrong

    return checked


_USE: Final[Mapping[str, Check]] = {"contexts": _CONTEXTS, "pref": _PREF}
_LABELLED: Final[Mapping[str, Check]] = {**_USE, "label": string}
_LIST_AS: Final = integer(1)


def _resource(name: str, kind: Check, required: str, **members: Check) -> Check:
    """A Resource (§1.4.4)."""
    return _type(name, {"kind": kind, "uri": uri, "mediaType": string, **_LABELLED, **members}, required)


_MEDIA_OBJECT: Final = _resource("Media", enum("photo", "sound", "logo"), "kind", blobId=id_)


def media(value: Any) -> str | None:
    """Media (§2.6.4), with uri or a blobId in its place (RFC 9610 §3)."""
    wrong = _MEDIA_OBJECT(value)
    if wrong is None and ("uri" in value) == ("blobId" in value):
        return "must have either uri or blobId"
    return wrong


def _in_parts(check: Check) -> Check:
    """A Name or an Address: what its components say must fit the other members (§2.2.1.1, §2.5.1.1)."""

    def checked(value: Any) -> str | None:
        if wrong := check(value):
            return wrong
        kinds = [component["kind"] for component in value.get("components") or ()]
        if "components" in value and not {*kinds} - {"separator"}:
            return "/components must have one that is no separator"
        is_ordered = value.get("isOrdered") is True
        if not is_ordered and "separator" in kinds:
            return "/components must have no separator unless isOrdered is true"
        if "defaultSeparator" in value and not (is_ordered and kinds):
            return "/defaultSeparator needs components, and isOrdered to be true"
        if any(pair == ("separator", "separator") for pair in pairwise(kinds)):
            return "/components must not have two separators in a row"
        return _phonetics_fault(value)

    return checked


def _phonetics_fault(value: Mapping[str, Any]) -> str | None:
    spoken = any("phonetic" in component for component in value.get("components") or ())
    if spoken and not value.keys() & {"phoneticScript", "phoneticSystem"}:
        return "needs phoneticScript or phoneticSystem"  # §1.5.4
    return None


def _component(name: str, kinds: Check) -> Check:
    return _type(name, {"value": string, "kind": kinds, "phonetic": string}, "value kind")


_PARTS: Final[Mapping[str, Check]] = {
    "isOrdered": boolean,
    "defaultSeparator": string,
    "full": string,
    "phoneticScript": _matching(_SCRIPT, "a script subtag"),
    "phoneticSystem": _SYSTEM,
}
_NAME_KIND: Final = enum(*("title", "given", "given2", "surname", "surname2", "credential", "generation", "separator"))
_NAME_OBJECT: Final = _in_parts(
    _type(
        "Name",
        {
            **_PARTS,
            "components": array_of(_component("NameComponent", _NAME_KIND)),
            "sortAs": map_of(_NAME_KIND, string),
        },
        one_of="components full",
    )
)


def name(value: Any) -> str | None:
    """Name (§2.2.1.1)."""
    wrong = _NAME_OBJECT(value)
    if wrong is None and "sortAs" in value:
        kinds = {component["kind"] for component in value.get("components") or ()}
        if "components" not in value or not value["sortAs"].keys() <= kinds:
            return "/sortAs must name kinds of the components"
    return wrong


_ADDRESS_KIND: Final = enum(
    *("room", "apartment", "floor", "building", "number", "name", "block", "subdistrict", "district", "locality"),
    *("region", "postcode", "country", "direction", "landmark", "postOfficeBox", "separator"),
)


def _time_zone(value: Any) -> str | None:
    return None if isinstance(value, str) and is_iana(value) else "must be the name of an IANA time zone"


def _geo(value: Any) -> str | None:
    return uri(value) or (None if value[:4].lower() == "geo:" else 'must be a "geo:" URI')


ADDRESS: Final = _in_parts(
    _type(
        "Address",
        {
            **_PARTS,
            "components": array_of(_component("AddressComponent", _ADDRESS_KIND)),
            "countryCode": _matching(_COUNTRY, "a country code of two letters"),
            "coordinates": _geo,
            "timeZone": _time_zone,
            "contexts": flags(enum("private", "work", "billing", "delivery")),
            "pref": _PREF,
        },
        one_of="components coordinates countryCode full timeZone",
    )
)

_PARTIAL_DATE: Final = _type(
    "PartialDate",
    {
        "year": unsigned_int,
        "month": integer(1, 12),
        "day": integer(1, 31),
        "calendarScale": lambda value: (
            None
            if isinstance(value, str) and (_SCALE.fullmatch(value) or VENDOR.fullmatch(value))
            else "must be a calendar system in lower case"
        ),
    },
    one_of="year month",
)
_TIMESTAMP: Final = _type("Timestamp", {"utc": date_time}, "@type utc")
_DAYS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def _date(value: Any) -> str | None:
    """PartialDate or Timestamp (§2.8.1)."""
    if isinstance(value, dict) and value.get("@type") == "Timestamp":
        return _TIMESTAMP(value)
    if wrong := _PARTIAL_DATE(value):
        return wrong
    year, month, day = (value.get(part) for part in ("year", "month", "day"))
    if day is not None and month is None:
        return "/day needs a month"
    if month is not None and year is None and day is None:
        return "/month needs a year or a day"
    leap = year is None or (year % 4 == 0 and (year % 100 != 0 or year % 400 == 0))
    is_there = day is None or (day <= _DAYS[month - 1] and (leap or (month, day) != (2, 29)))
    return None if is_there else "/day is not in the month"


_ORGANIZATION: Final = _type(
    "Organization",
    {
        "name": string,
        "units": some(array_of(_type("OrgUnit", {"name": string, "sortAs": string}, "name"))),
        "sortAs": string,
        "contexts": _CONTEXTS,
    },
    one_of="name units",
)
_SPEAK_TO_AS: Final = _type(
    "SpeakToAs",
    {
        "grammaticalGender": enum("animate", "common", "feminine", "inanimate", "masculine", "neuter"),
        "pronouns": map_of(id_, _type("Pronouns", {"pronouns": string, **_USE}, "pronouns")),
    },
    one_of="grammaticalGender pronouns",
)
_PHONE: Final = _type(
    "Phone",
    {
        "number": string,
        "features": flags(enum("mobile", "voice", "text", "video", "main-number", "textphone", "fax", "pager")),
        **_LABELLED,
    },
    "number",
)
_RELATION: Final = _type(
    "Relation",
    {
        "relation": flags(
            enum(
                *("acquaintance", "agent", "child", "co-resident", "co-worker", "colleague", "contact", "crush"),
                *("date", "emergency", "friend", "kin", "me", "met", "muse", "neighbor", "parent", "sibling"),
                *("spouse", "sweetheart"),
            )
        )
    },
)
_NOTE: Final = _type(
    "Note",
    {
        "note": string,
        "created": date_time,
        "author": _type("Author", {"name": string, "uri": uri}, one_of="name uri"),
    },
    "note",
)
_PERSONAL_INFO: Final = _type(
    "PersonalInfo",
    {
        "kind": enum("expertise", "hobby", "interest"),
        "value": string,
        "level": enum("high", "medium", "low"),
        "listAs": _LIST_AS,
        "label": string,
    },
    "kind value",
)

MEMBERS: Final[Mapping[str, Check]] = {
    "nicknames": _type("Nickname", {"name": string, **_USE}, "name"),
    "organizations": _ORGANIZATION,
    "titles": _type("Title", {"name": string, "kind": enum("title", "role"), "organizationId": id_}, "name"),
    "emails": _type("EmailAddress", {"address": address, **_LABELLED}, "address"),
    "onlineServices": _type(
        "OnlineService", {"service": string, "uri": uri, "user": string, **_LABELLED}, one_of="uri user"
    ),
    "phones": _PHONE,
    "preferredLanguages": _type("LanguagePref", {"language": language, **_USE}, "language"),
    "calendars": _resource("Calendar", enum("calendar", "freeBusy"), "kind uri"),
    "schedulingAddresses": _type("SchedulingAddress", {"uri": uri, **_LABELLED}, "uri"),
    "addresses": ADDRESS,
    "cryptoKeys": _resource("CryptoKey", enum(), "uri"),
    "directories": _resource("Directory", enum("directory", "entry"), "kind uri", listAs=_LIST_AS),
    "links": _resource("Link", enum("contact"), "uri"),
    "media": media,
    "anniversaries": _type(
        "Anniversary", {"kind": enum("birth", "death", "wedding"), "date": _date, "place": ADDRESS}, "kind date"
    ),
    "notes": _NOTE,
    "personalInfo": _PERSONAL_INFO,
}
"""Properties that are maps: their keys are Ids, what their values must be."""
OTHER_MAPS: Final[Mapping[str, tuple[Check, Check]]] = {
    "relatedTo": (string, _RELATION),
    "members": (string, lambda value: None if value is True else "must be true"),
    "keywords": (string, lambda value: None if value is True else "must be true"),
}
SPEAK_TO_AS: Final = _SPEAK_TO_AS
KIND: Final = enum("individual", "group", "org", "location", "device", "application")
