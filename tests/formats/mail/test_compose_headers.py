"""Header fields that are written: what was asked for comes back, and nothing comes with it (trust row 17)."""

import email.policy
import itertools
import re
import unicodedata
from email import message_from_bytes
from email.utils import getaddresses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.formats.compose import InvalidEmail
from adapters.formats.compose_words import encoded_words
from adapters.formats.email import BodyOptions, email_properties
from adapters.formats.header_fields import header_fields
from adapters.formats.mime import parse_message, walk
from tests.formats.mail.writing import faults, text_email, written

ENCODED_WORD = re.compile(r"=\?utf-8\?[QB]\?[!->@-~]*\?=")


def read_back(octets: bytes, *names: str) -> dict[str, Any]:
    options = BodyOptions(fetch_all_body_values=True)
    return email_properties(parse_message(octets), names, options, blob_id_of=lambda part: part.part_id)


def round_trip(name: str, value: Any) -> Any:
    """What a property is after it was written, by the project's own reader; the lines are as they must be."""
    octets = written(text_email(**{name: value}))
    head = octets.partition(b"\r\n\r\n")[0]
    for line in head.split(b"\r\n"):
        assert line.strip(), head  # RFC 5322 §3.2.2: no line of white space alone
        assert len(line) <= 998
        words = ENCODED_WORD.findall(line.decode())
        assert all(len(word) <= 75 for word in words)  # RFC 2047 §2
        assert len(line) <= 76 or not words
    return read_back(octets, name)[name]


TEXTS = [
    "Hello",
    "",
    "  leading and trailing  ",
    "   ",
    "two  spaces   and more",
    "Grüße",
    "Re: Grüße aus Köln — 表 🎉 and more plain text behind it to be folded somewhere in the middle",
    "=?utf-8?Q?not_a_word?=",
    "a =?utf-8?Q?b?= c",
    "x" * 2000,
    "word " * 300,
    "й" * 300,
    "a" + " " * 300 + "b",
    "🎉" * 100,
    "e\u0301" * 40,
    "100% = {a}, (b) <c> \"d\" 'e' \\ ; : @",
]


@pytest.mark.parametrize("text", TEXTS)
def test_texts_come_back(text: str) -> None:
    assert round_trip("subject", text) == unicodedata.normalize("NFC", text)
    assert round_trip("header:X-Rather-Long-Name-Of-A-Header-Field:asText", text) == unicodedata.normalize("NFC", text)


def test_a_tab_becomes_a_space() -> None:
    assert round_trip("subject", "a\tb\té") == "a b é"


def test_characters_are_never_split_between_words() -> None:
    for word in encoded_words("表é🎉a" * 50):
        octets = written(text_email(**{"header:X-One": f" {word}"}))
        assert "\ufffd" not in read_back(octets, "header:X-One:asText")["header:X-One:asText"]


def test_plain_words_around_an_encoded_one_stay_readable() -> None:
    octets = written(text_email(subject="Re: [list] Grüße to you all"))
    assert b"\r\nSubject: Re: [list] =?utf-8?B?R3LDvMOfZQ==?= to you all\r\n" in octets


ADDRESSES: list[dict[str, Any]] = [
    {"name": None, "email": "a@example.org"},
    {"name": "Alice", "email": "a@example.org"},
    {"name": "Alice B. Example", "email": "a@example.org"},
    {"name": "Example, Alice", "email": "a@example.org"},
    {"name": 'The "Boss" \\ <x@y>', "email": "a@example.org"},
    {"name": "Jürgen Müller", "email": "j@example.org"},
    {"name": "=?utf-8?Q?x?=", "email": "j@example.org"},
    {"name": "山田 太郎 " * 20, "email": "y@example.org"},
    {"name": "a@b.c, d@e.f", "email": "x@y.z"},
    {"name": "Group: x@y;", "email": "x@y.z"},
    {"name": "two  spaces", "email": "x@y.z"},
    {"name": "(comment)", "email": "x@y.z"},
    {"name": None, "email": "jürgen@bücher.example"},
    {"name": None, "email": '"john doe"@example.org'},
    {"name": "x", "email": "user@[192.0.2.1]"},
    {"name": None, "email": "half"},
    {"name": None, "email": "half@"},
    {"name": "Half", "email": ""},
]


@pytest.mark.parametrize("address", ADDRESSES, ids=lambda address: str(address["email"]))
def test_addresses_come_back_as_one_each(address: dict[str, Any]) -> None:
    name = address["name"]
    expected = {"name": name.strip() if name else None, "email": address["email"]}
    assert round_trip("to", [address]) == [expected]
    assert round_trip("to", [address, address]) == [expected, expected]
    assert round_trip("header:X-To:asAddresses", [address]) == [expected]
    octets = written(text_email(to=[address]))
    if not address["email"].endswith("@"):  # on which the oracle fails
        field = message_from_bytes(octets, policy=email.policy.default)["To"]
        assert len(field.addresses) == 1, octets


@pytest.mark.parametrize(
    "trick",
    [
        "a@b.c, d@e.f",
        "a@b.c> , <d@e.f",
        "x: a@b.c;",
        "a b@c",
        "a@b (c",
        'a"b@c',
        "a@b>c",
        "<a@b>",
        "a@b c@d",
        "\\@x",
        ";",
    ],
)
def test_one_address_never_becomes_two(trick: str) -> None:
    for name in (None, "Name"):
        email_ = text_email(to=[{"name": name, "email": trick}, {"email": "last@x.y"}])
        octets = written(email_)
        found = read_back(octets, "to")["to"]
        assert len(found) == 2, octets
        assert found[1] == {"name": None, "email": "last@x.y"}
        value = str(message_from_bytes(octets)["To"]).replace("\r\n", "")
        assert len(getaddresses([value])) == 2


def test_an_encoded_word_is_no_address() -> None:
    assert faults(text_email(to=[{"email": "=?utf-8?q?victim=40x=3E?=@example.org"}])) == {"to/0/email"}


def test_groups_come_back() -> None:
    groups = [
        {"name": None, "addresses": [{"name": None, "email": "a@b.c"}]},
        {"name": "Freunde & Müller", "addresses": [{"name": "X, Y", "email": "x@y.z"}, {"name": None, "email": "q@r"}]},
        {"name": "nobody", "addresses": []},
        {"name": None, "addresses": [{"name": "Last", "email": "l@m.n"}]},
    ]
    assert round_trip("header:To:asGroupedAddresses", groups) == groups


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("references", [f"{n}.{'x' * 60}@example.org" for n in range(30)]),
        ("messageId", ["a(b)c@d"]),
        ("inReplyTo", ["ü@example.org"]),
        ("header:List-Unsubscribe:asURLs", ["mailto:a@b.c?subject=x%20y", "https://example.org/" + "u" * 500]),
        ("sentAt", "2026-11-17T09:00:00+01:00"),
        ("sentAt", "2024-02-29T23:59:60Z"),
        ("header:Resent-Date:asDate", "1999-12-31T00:00:00-11:30"),
        ("header:X-Raw", " any thing; \t (at all) é"),
        ("header:X-Raw", "nospace"),
        ("header:X-Folded", " first\r\n second\r\n\tthird"),
        ("header:X-All:all", [" one", " two"]),
        ("header:X-All:asText:all", ["eins ü", "zwei"]),
    ],
)
def test_other_forms_come_back(name: str, value: Any) -> None:
    assert round_trip(name, value) == value


def test_an_empty_list_and_null_are_no_field() -> None:
    octets = written(text_email(**{"to": [], "cc": None, "references": [], "header:X-A": None, "header:X-B:all": []}))
    names = {name for name, _ in header_fields(octets.partition(b"\r\n\r\n")[0] + b"\r\n")}
    assert names == {"Date", "Message-ID", "MIME-Version", "Content-Type", "Content-Transfer-Encoding"}


# Row 17: what a client can put anywhere

_PAYLOADS = (
    *("x\r\nX-Injected: 1", "x\nX-Injected: 1", "x\rX-Injected: 1", "x\r\n\r\nX-Injected: body", "x\r\n X-Folded: 1"),
    *("x\0y", "x\x0bX-Injected: 1", "x\x0cX-Injected: 1", "x\x85X-Injected: 1", "x\u2028X-Injected: 1", "x\x1b[0m"),
    *('x"; y="', "x; X-Injected=1", "x\\", "x>\r\nX-Injected: 1", "=?utf-8?q?=0D=0AX-Injected:_1?=", "\ud800"),
    *("\r\n", "\r\nX-Injected: 1", "x\r\n\t\r\nX-Injected: 1", "x\n\n"),
)


def _part(**members: Any) -> dict[str, Any]:
    return text_email(attachments=[{"blobId": "b", "type": "image/png", **members}])


_PLACES = {
    "subject": lambda text: text_email(subject=text),
    "raw": lambda text: text_email(**{"header:X-A": text}),
    "text": lambda text: text_email(**{"header:X-A:asText": text}),
    "all": lambda text: text_email(**{"header:X-A:asText:all": ["fine", text]}),
    "field name": lambda text: text_email(**{f"header:X{text}": " x"}),
    "email": lambda text: text_email(to=[{"email": text}]),
    "email with domain": lambda text: text_email(to=[{"email": f"{text}@example.org"}]),
    "display name": lambda text: text_email(to=[{"name": text, "email": "a@b.c"}]),
    "group": lambda text: text_email(
        **{"header:To:asGroupedAddresses": [{"name": text, "addresses": [{"name": text, "email": "a@b"}]}]}
    ),
    "message id": lambda text: text_email(messageId=[text]),
    "references": lambda text: text_email(references=["a@b", text]),
    "date": lambda text: text_email(sentAt=text),
    "url": lambda text: text_email(**{"header:List-Help:asURLs": [text]}),
    "type": lambda text: _part(type=f"image/{text}"),
    "name": lambda text: _part(name=text),
    "name, no disposition": lambda text: text_email(
        bodyStructure={"blobId": "b", "type": "image/png", "name": text}, textBody=None
    ),
    "charset": lambda text: _part(charset=text),
    "disposition": lambda text: _part(disposition=text),
    "cid": lambda text: _part(cid=text),
    "language": lambda text: _part(language=[text]),
    "location": lambda text: _part(location=text),
    "content type": lambda text: text_email(
        attachments=[{"blobId": "b", "header:Content-Type": f" image/png; x={text}"}]
    ),
    "part field": lambda text: _part(**{"header:X-A": text}),
    "part field name": lambda text: _part(**{f"header:X{text}:asText": "x"}),
    "part id": lambda text: text_email(textBody=[{"partId": text}], bodyValues={text: {"value": "x"}}),
    "body": lambda text: text_email(bodyValues={"t": {"value": text}}),
}

ALLOWED = frozenset(
    [
        *("date", "to", "subject", "message-id", "references", "list-help", "mime-version", "content-type"),
        *("content-transfer-encoding", "content-disposition", "content-id", "content-language", "content-location"),
    ]
)


def assert_nothing_injected(octets: bytes, asked: frozenset[str] = frozenset(["x-a"])) -> None:
    """No header line exists that was not asked for, to this project's reader and to another."""
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)|\0", octets)  # only CRLF stored
    names = {name.lower() for part in walk(parse_message(octets).root) for name, _ in header_fields(part.header or b"")}
    assert names <= ALLOWED | asked, octets
    oracle = message_from_bytes(octets)
    assert {name.lower() for part in oracle.walk() for name in part} <= ALLOWED | asked, octets
    assert not oracle.defects


@pytest.mark.parametrize("place", list(_PLACES))
def test_nothing_is_injected(place: str) -> None:
    written_ones = 0
    for payload in _PAYLOADS:
        email_ = _PLACES[place](payload)
        try:
            octets = written({name: value for name, value in email_.items() if value is not None}, {"b": b"x"})
        except InvalidEmail:
            pass
        else:
            written_ones += 1
            name = [name.partition(":")[2].partition(":")[0].lower() for name in email_ if name.startswith("header:")]
            part_names = [
                key.split(":")[1].lower()
                for part in email_.get("attachments") or ()
                for key in part
                if key.startswith("header:")
            ]
            assert_nothing_injected(octets, frozenset([*name, *part_names, "x-a"]))
    assert len(_PAYLOADS) > written_ones or place in ("body", "part id")


def test_there_are_enough_attempts() -> None:
    assert len(list(itertools.product(_PLACES, _PAYLOADS))) > 37


ANY_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=120) | st.sampled_from(TEXTS)
CLEAN = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn", "Co", "Zl", "Zp"]), max_size=120
) | st.sampled_from(TEXTS)


@settings(max_examples=300)
@given(CLEAN)
def test_any_text_comes_back(text: str) -> None:
    expected = unicodedata.normalize("NFC", text)
    assert round_trip("subject", text) == expected
    octets = written(text_email(subject=text))
    if text.strip() == text and "  " not in text and "=?" not in text and len(text) < 60:
        oracle = message_from_bytes(octets, policy=email.policy.default)["Subject"]
        assert unicodedata.normalize("NFC", oracle) == expected


@settings(max_examples=300)
@given(CLEAN, st.from_regex(r"[a-z.]{1,20}@[a-z]{1,10}\.org", fullmatch=True))
def test_any_name_comes_back(name: str, address: str) -> None:
    expected = {"name": unicodedata.normalize("NFC", name.strip(" ")).strip() or None, "email": address}
    found = round_trip("to", [{"name": name, "email": address}, {"email": "b@c.d"}])
    assert [found[0]["name"], found[0]["email"]] == [expected["name"], address]
    assert found[1:] == [{"name": None, "email": "b@c.d"}]


@settings(max_examples=300)
@given(st.sampled_from(sorted(set(_PLACES) - {"body", "part id"})), ANY_TEXT | st.text('x\r\n\0 \t"<>;:,@=?()\\é'))
def test_no_email_injects(place: str, text: str) -> None:
    """Row 17 of the threat model."""
    email_ = _PLACES[place](text)
    email_ = {name: value for name, value in email_.items() if value is not None}
    try:
        octets = written(email_, {"b": b"x"})
    except InvalidEmail:
        return
    asked = {
        key.split(":")[1].lower()
        for record in (email_, *(email_.get("attachments") or ()))
        for key in record
        if key.startswith("header:")
    }
    assert_nothing_injected(octets, frozenset(asked))


@settings(max_examples=200)
@given(
    st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cn", "Co"], exclude_characters="\0"), max_size=3000)
)
def test_any_body_comes_back(text: str) -> None:
    octets = written(text_email(bodyValues={"t": {"value": text}}))
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)|\0", octets)
    assert max(map(len, octets.split(b"\r\n"))) <= 998
    value = read_back(octets, "bodyValues")["bodyValues"]["1"]
    assert value["value"] == text.replace("\r\n", "\n").replace("\r", "\n")
    assert not value["isEncodingProblem"]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | ANY_TEXT,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "email", "addresses", "partId", "blobId", "type", "value", "subParts", "cid"])
            | ANY_TEXT,
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
_NAMES = st.sampled_from(
    [
        *("from", "to", "subject", "sentAt", "messageId", "bodyStructure", "textBody", "attachments", "bodyValues"),
        *(
            "header:X-A:asText",
            "header:X-A",
            "header:To:asGroupedAddresses",
            "header:X-A:asURLs:all",
            "headers",
            "size",
        ),
    ]
)


@settings(max_examples=400)
@given(st.dictionaries(_NAMES, _JSON, max_size=5))
def test_any_object_is_written_or_refused(email_: dict[str, Any]) -> None:
    if not faults(email_):
        parse_message(written(email_, _Anything()))


class _Anything(dict[str, bytes]):
    """Every blob exists."""

    def __missing__(self, key: str) -> bytes:
        return b"Subject: x\r\n\r\ny"
