"""Properties that are a member of the Card, or of a set in it (RFC 9555 §2.4.2, §2.5.4, §2.7.4, §2.9.3, §2.9.5, §2.11).

A line of these that has further parameters is kept in vCardProps beside, since a member has no vCardParams of its own.
Writing, such a line stands for the member as long as it says the same, and goes with it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from adapters.formats.content_lines import ContentLine
from adapters.formats.jscontact.dates import read_timestamp, write_long_timestamp, write_timestamp
from adapters.formats.jscontact.jcard import vcard_params
from adapters.formats.jscontact.state import Reading, Writing
from adapters.formats.jscontact.values import canonical_tag, is_uri
from adapters.formats.pointer import escape
from adapters.formats.values import Json, JsonObject, read_text, split_raw, write_text

APPLE = "X-ADDRESSBOOKSERVER-"
"""Before KIND and MEMBER: groups as Apple and Cyrus have them in vCard 3.0."""

_URN = "urn:uuid:"
_ADDRESS = re.compile(r"(?:mailto|tel|sip|xmpp|https?):", re.IGNORECASE)
_RELATION = re.compile(r"[A-Za-z0-9-]+")
_VALUE = frozenset({"VALUE"})


def _text(raw: str) -> str:
    value = read_text(raw).strip()
    if not value:
        raise ValueError("no value")
    return value


def _lower(raw: str) -> str:
    return _text(raw).lower()


@dataclass(frozen=True, slots=True)
class Single:
    """Property `name` <-> `member` of the Card."""

    name: str
    member: str
    read: Callable[[str], str]
    write: Callable[[Json], str] = write_text
    write_3: Callable[[Json], str] = write_text


_SINGLES = (
    Single("KIND", "kind", _lower),
    Single("UID", "uid", _text),
    Single("PRODID", "prodId", _text),
    Single("LANGUAGE", "language", canonical_tag),
    Single("CREATED", "created", read_timestamp, write_timestamp, write_long_timestamp),
    Single("REV", "updated", read_timestamp, write_timestamp, write_long_timestamp),
)


def read_singles(r: Reading) -> None:
    """KIND, UID, PRODID, LANGUAGE, CREATED and REV."""
    for single in _SINGLES:
        lines = r.take(single.name) + (r.take(APPLE + "KIND") if single.name == "KIND" else [])
        for line in lines:
            try:
                if single.member in r.js:
                    raise ValueError("said before")  # noqa: TRY301 - kept like a value that does not convert
                r.js[single.member] = single.read(line.value)
                r.came(line, single.member)
                if line.parameters.keys() - _VALUE or line.group:
                    r.keep(line)
            except ValueError:
                r.keep(line)


def write_singles(w: Writing) -> None:
    """The reverse."""
    for single in _SINGLES:
        value = w.pop(single.member)
        if value is None:
            continue
        write = single.write if w.version == "4.0" else single.write_3
        name = APPLE + "KIND" if single.name == "KIND" and value == "group" and w.apple else single.name
        if not _stands(w, single, value):
            w.add(single.member, name, write(value))


def _stands(w: Writing, single: Single, value: str) -> bool:
    """Whether a kept line says the value already; kept lines that say another one are left out."""
    stands = False
    for path, line in list(w.kept.items()):
        if line.name.removeprefix(APPLE) != single.name or not (line.parameters.keys() - _VALUE or line.group):
            continue
        try:
            same = single.read(line.value) == value
        except ValueError:
            continue
        stands |= same
        if not same:
            del w.kept[path]
    return stands


# ----------------------------------------------------------------------------------------------------------- sets


def read_sets(r: Reading) -> None:
    """CATEGORIES, MEMBER and RELATED."""
    for line in r.take("CATEGORIES"):
        words = [word for raw in split_raw(line.value) if (word := read_text(raw).strip())]
        if not words:
            r.keep(line)
            continue
        r.js.setdefault("keywords", {}).update(dict.fromkeys(words, True))
        r.came(line, "keywords")
        if line.parameters.keys() - _VALUE or line.group:
            r.keep(line)
    for line in r.take("MEMBER") + r.take(APPLE + "MEMBER"):
        uid = member_uid(line)
        if r.js.get("kind") != "group" or not uid or uid in r.js.get("members", {}):  # RFC 9553 §2.1.6
            r.keep(line)
            continue
        r.js.setdefault("members", {})[uid] = True
        r.came(line, f"members/{escape(uid)}")
        if line.parameters.keys() - _VALUE or line.group:
            r.keep(line)
    for line in r.take("RELATED"):
        _read_related(r, line)


def member_uid(line: ContentLine) -> str:
    """The uid of a member. Apple's property has it behind "urn:uuid:", whatever it is."""
    value = read_text(line.value).strip()
    return value.removeprefix(_URN) if line.name.startswith(APPLE) else value


def _read_related(r: Reading, line: ContentLine) -> None:
    given = (line.parameter("VALUE") or "").lower()
    uid = read_text(line.value).strip()
    related: JsonObject = r.js.get("relatedTo", {})
    if not uid or uid in related or given not in {"", "uri", "text"}:
        r.keep(line)
        return
    types = [name for value in line.parameters.get("TYPE", ()) for name in value.split(",") if name]
    relation = {name.lower(): True for name in types if _RELATION.fullmatch(name)}
    params = vcard_params(line, frozenset({"VALUE", "TYPE", "PROP-ID"}))
    if given == "text" and is_uri(uid):
        params["value"] = "text"
    related[uid] = {"relation": relation} | ({"vCardParams": params} if params else {})
    r.js["relatedTo"] = related
    r.came(line, f"relatedTo/{escape(uid)}")


def write_sets(w: Writing) -> None:
    """The reverse."""
    keywords: JsonObject = dict(w.pop("keywords") or {})
    _filter_kept(w, "CATEGORIES", lambda line: [read_text(raw).strip() for raw in split_raw(line.value)], keywords)
    if keywords:
        w.add("keywords", "CATEGORIES", ",".join(map(write_text, keywords)))
    members: JsonObject = dict(w.pop("members") or {})
    name = APPLE + "MEMBER" if w.apple else "MEMBER"
    if members:
        _filter_kept(w, "MEMBER", lambda line: [member_uid(line)], members)
    for uid in members:
        w.add(f"members/{escape(uid)}", name, _member_value(uid, apple=w.apple))
    for uid, item in (w.pop("relatedTo") or {}).items():
        _write_related(w, uid, dict(item))


def _filter_kept(w: Writing, name: str, read: Callable[[ContentLine], list[str]], wanted: JsonObject) -> None:
    """Let kept lines say what they say of a set, and leave out those that say more than it has."""
    whole = dict(wanted)
    for path, line in list(w.kept.items()):
        if line.name.removeprefix(APPLE) != name or not (line.parameters.keys() - _VALUE or line.group):
            continue
        said = [word for word in read(line) if word]
        if all(word in whole for word in said):
            for word in said:
                wanted.pop(word, None)
        else:
            del w.kept[path]


def _member_value(uid: str, *, apple: bool) -> str:
    if apple:
        return uid if _ADDRESS.match(uid) else _URN + uid
    return uid if is_uri(uid) else write_text(uid)


def _write_related(w: Writing, uid: str, item: JsonObject) -> None:
    path = f"relatedTo/{escape(uid)}"
    relation = item.pop("relation", {})
    params = item.pop("vCardParams", None)
    types = tuple(name for name in relation if _RELATION.fullmatch(name) and name == name.lower())
    parameters: dict[str, tuple[str, ...]] = {"TYPE": types} if types else {}
    if not is_uri(uid) or (params or {}).get("value") == "text":
        parameters["VALUE"] = ("text",)
    w.add(path, "RELATED", uid if is_uri(uid) and "VALUE" not in parameters else write_text(uid), parameters, params)
    left = {name: True for name in relation if name not in types}
    for name in left:
        w.leave(f"{path}/relation/{escape(name)}", True)
    w.leave_rest(path, item)


# ---------------------------------------------------------------------------------------------------- speakToAs


def read_gender(r: Reading) -> None:
    """GRAMGENDER to speakToAs (§2.5.4)."""
    for line in r.take("GRAMGENDER"):
        item = gender_of(line)
        speak: JsonObject = r.js.get("speakToAs", {})
        if item is None or "grammaticalGender" in speak:
            r.keep(line)
            continue
        r.js["speakToAs"] = speak | item
        r.came(line, "speakToAs/grammaticalGender")


def gender_of(line: ContentLine) -> JsonObject | None:
    """The members of SpeakToAs that a GRAMGENDER is."""
    value = read_text(line.value).strip().lower()
    params = vcard_params(line, frozenset({"VALUE", "PROP-ID"}))
    return {"grammaticalGender": value} | ({"vCardParams": params} if params else {}) if value else None


def write_gender(w: Writing) -> None:
    """The reverse; pronouns have been taken by their row."""
    speak = dict(w.pop("speakToAs") or {})
    params = speak.pop("vCardParams", None)
    if "grammaticalGender" in speak:
        value = write_text(speak.pop("grammaticalGender"))
        w.add("speakToAs/grammaticalGender", "GRAMGENDER", value, {}, params)
    w.leave_rest("speakToAs", speak)
