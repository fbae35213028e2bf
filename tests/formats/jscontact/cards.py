"""Strategies: valid Cards (RFC 9553 §2), and the octets of vCards that need not be valid at all."""

from typing import Any

from hypothesis import strategies as st

from adapters.formats.jscontact.rows import ROWS
from adapters.formats.jscontact.structured import ADDRESS_KINDS, NAME_KINDS

_text = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=12).filter(
    str.strip
)
text = st.one_of(_text, st.sampled_from(["a;b", "c,d", "e\\f", "g\nh", "^n", '"q"', "x:y", "\\n", "ends\\"]))
_key = st.from_regex(r"[A-Za-z0-9_-]{1,6}", fullmatch=True)
_uri = st.sampled_from(
    ["https://example.com/a;b,c", "mailto:a@example.com", "urn:uuid:1", "data:image/png;base64,iVBORw0KGgo="]
)
_stamp = st.sampled_from(["2020-01-01T00:00:00Z", "1999-12-31T23:59:59Z"])
_contexts = st.dictionaries(st.sampled_from(["private", "work", "example.com:x"]), st.just(True), min_size=1)
_common = {"contexts": _contexts, "pref": st.integers(1, 100)}
_labelled = {**_common, "label": text, "example.com:more": st.integers(0, 3) | st.none() | st.just({"a": [1]})}
_level = st.sampled_from(["high", "medium", "low"])


def _map(item: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.dictionaries(_key, item, min_size=1, max_size=3)


def _object(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(required, optional=optional)


def _components(kinds: tuple[str, ...]) -> st.SearchStrategy[Any]:
    part = st.fixed_dictionaries({"kind": st.sampled_from(kinds), "value": text})
    separated = st.fixed_dictionaries({"kind": st.just("separator"), "value": st.sampled_from([" ", ", ", "-", ""])})
    ordered = st.lists(st.tuples(part, st.none() | separated), min_size=1, max_size=5).map(
        lambda pairs: [item for pair in pairs for item in pair if item is not None]
    )
    return st.one_of(
        st.fixed_dictionaries({"components": st.lists(part, min_size=1, max_size=5)}),
        st.fixed_dictionaries(
            {"components": ordered, "isOrdered": st.just(True)},
            optional={"defaultSeparator": st.sampled_from([", ", ""])},
        ),
    )


_place = {"coordinates": st.just("geo:1.5,-2"), "timeZone": st.just("Europe/Vienna"), "countryCode": st.just("AT")}
_address = st.one_of(
    st.tuples(_components(tuple(dict.fromkeys(ADDRESS_KINDS))), _object({}, {**_place, **_common, "full": text})).map(
        lambda both: both[0] | both[1]
    ),
    _object({"full": text}, {**_place, **_common}),
    _object({"coordinates": st.just("geo:1,2")}, _common),
    _object({"timeZone": st.just("Etc/GMT+5")}, _common),
)
_name = st.one_of(
    st.tuples(_components(NAME_KINDS), st.fixed_dictionaries({}, optional={"full": text})).map(
        lambda both: both[0] | both[1]
    ),
    st.fixed_dictionaries({"full": text}),
)
_date = st.sampled_from(
    [
        *({"year": 1953, "month": 4, "day": 15}, {"month": 2, "day": 29}, {"year": 1953}, {"year": 1953, "month": 4}),
        {"@type": "Timestamp", "utc": "1953-10-15T23:10:00Z"},
        {"year": 1953, "month": 4, "day": 15, "calendarScale": "chinese"},
    ]
)
_anniversary = _object(
    {"kind": st.sampled_from(["birth", "death", "wedding", "example.com:x"]), "date": _date},
    {"place": _object({"full": text}, {}) | _object({"coordinates": st.just("geo:1,2")}, {})},
)


def _resource(kinds: list[str] | None, **more: Any) -> st.SearchStrategy[Any]:
    kind = {"kind": st.sampled_from(kinds)} if kinds else {}
    return _map(_object({"uri": _uri, **kind}, {"mediaType": st.just("text/x-a"), **_labelled, **more}))


cards = st.fixed_dictionaries(
    {"@type": st.just("Card"), "version": st.just("1.0"), "uid": st.sampled_from(["urn:uuid:1", "a,b;c"])},
    optional={
        "kind": st.sampled_from(["individual", "org", "example.com:robot"]),
        "created": _stamp,
        "updated": _stamp,
        "prodId": text.map(str.strip),
        "language": st.sampled_from(["en", "de-AT", "zh-Hant"]),
        "keywords": st.dictionaries(text.map(str.strip), st.just(True), min_size=1, max_size=3),
        "relatedTo": st.dictionaries(
            st.sampled_from(["urn:uuid:2", "my deputy, John", "a@b"]),
            st.fixed_dictionaries({"relation": st.dictionaries(st.sampled_from(["friend", "kin"]), st.just(True))}),
            min_size=1,
        ),
        "name": _name,
        "nicknames": _map(_object({"name": text}, _common)),
        "organizations": _map(
            _object(
                {"name": text},
                {
                    "units": st.lists(_object({"name": text}, {"sortAs": text}), min_size=1, max_size=2),
                    "sortAs": text,
                    "contexts": _contexts,
                },
            )
        ),
        "speakToAs": _object(
            {"grammaticalGender": st.just("neuter")}, {"pronouns": _map(_object({"pronouns": text}, _common))}
        ),
        "titles": _map(_object({"name": text, "kind": st.sampled_from(["title", "role"])}, {"organizationId": _key})),
        "emails": _map(_object({"address": text}, _labelled)),
        "onlineServices": _map(
            _object({"uri": _uri}, {"service": text, "user": text, **_labelled})
            | _object({"user": text, "service": text}, _labelled)
        ),
        "phones": _map(
            _object(
                {"number": text | st.just("tel:+1-555;ext=5")},
                {
                    "features": st.dictionaries(st.sampled_from(["mobile", "voice"]), st.just(True), min_size=1),
                    **_labelled,
                },
            )
        ),
        "preferredLanguages": _map(_object({"language": st.sampled_from(["en", "fr-CA"])}, _common)),
        "calendars": _resource(["calendar", "freeBusy"]),
        "schedulingAddresses": _map(_object({"uri": _uri}, _labelled)),
        "addresses": _map(_address),
        "cryptoKeys": _resource(None),
        "directories": _resource(["directory", "entry"], listAs=st.integers(1, 9)),
        "links": _resource(None),
        "media": _resource(["photo", "logo", "sound"]),
        "anniversaries": _map(_anniversary),
        "notes": _map(_object({"note": text}, {"created": _stamp, "author": _object({"name": text}, {"uri": _uri})})),
        "personalInfo": _map(
            _object(
                {"kind": st.sampled_from(["expertise", "hobby", "interest"]), "value": text},
                {"level": _level, "listAs": st.integers(1, 9), "label": text},
            )
        ),
        "example.com:extra": st.lists(st.integers(-(2**63), 2**64 - 1), max_size=2) | text,
        "vCardProps": st.just([["x-mood", {"group": "g1", "x-p": ["a", "b"]}, "unknown", "good;very,"]]),
    },
)

_NAMES = (
    *sorted(row.name for row in ROWS),
    *("N", "FN", "ADR", "GEO", "TZ", "ORG", "UID", "KIND", "MEMBER", "RELATED", "CATEGORIES", "BDAY", "BIRTHPLACE"),
    *(
        "DEATHDATE",
        "LANGUAGE",
        "REV",
        "JSPROP",
        "X-ABLABEL",
        "X-ADDRESSBOOKSERVER-KIND",
        "X-FOO",
        "GENDER",
        "GRAMGENDER",
    ),
    *("X-ADDRESSBOOKSERVER-MEMBER", "AGENT", "VERSION"),
)
_VALUES = (
    *("", "a", "b;c", "x,y", "\\n", "a\\;b\\,c", ";;;;", "Doe;Jane;Q,R;Dr.;Jr.,PhD;Doe;Jr.", "\\", "^n", " ", "é€"),
    *("http://x.com/a", "geo:1,2", "37.1;-122.2", "+0100", "-05:30", "19800102", "--0102", "1980-13-40", "0000"),
    *("20200101T000000Z", "20200101T000000+0130", "99991231T235959-2300", "group", "urn:uuid:abc", "AAAA", "=C3=A"),
    *('{"a":1}', "5", "null", "NaN", "[1]", "[" * 40, "_$!<Friend>!$_", "data:image/png;base64,AAAA"),
)
_PARAMETERS = (
    *("TYPE=home", "TYPE=cell,pref", 'TYPE="work,x"', "PREF=1", "PREF=0", "PROP-ID=k1", "PROP-ID=a b", "VALUE=text"),
    *("VALUE=uri", "LANGUAGE=en", "LANGUAGE=fr", "LANGUAGE=e$", "ALTID=1", "ENCODING=b", "ENCODING=QUOTED-PRINTABLE"),
    *("CHARSET=latin1", "HOME", "QUOTED-PRINTABLE", 'X-A="b:c', "PHONETIC=jyut", "PHONETIC=script", "SCRIPT=Latn"),
    *(
        'JSCOMPS=";1;0"',
        'JSCOMPS="s,-;0;s, ;1"',
        'SORT-AS="a,b"',
        'JSPTR="emails/k1/x"',
        'JSPTR="name"',
        "DERIVED=TRUE",
    ),
    *('LABEL="a\\nb"', "TZ=+0200", "CC=AT", "INDEX=1", "LEVEL=expert", "CREATED=x", "GROUP=zz", "X_B=", "=", ""),
)


@st.composite
def _line(draw: st.DrawFn) -> str:
    group = draw(st.sampled_from(["", "", "item1.", "ITEM1.", "é."]))
    parameters = draw(st.lists(st.sampled_from(_PARAMETERS), max_size=3))
    return f"{group}{';'.join([draw(st.sampled_from(_NAMES)), *parameters])}:{draw(st.sampled_from(_VALUES))}"


@st.composite
def _vcards(draw: st.DrawFn) -> bytes:
    version = draw(st.sampled_from(["VERSION:4.0\r\n", "VERSION:3.0\r\n", "VERSION:2.1\r\n", ""]))
    lines = draw(st.lists(_line(), max_size=7))
    return f"BEGIN:VCARD\r\n{version}{''.join(line + chr(13) + chr(10) for line in lines)}END:VCARD\r\n".encode()


vcards = _vcards()
