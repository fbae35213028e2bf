"""Whatever the octets: a Card or ValueError, in bounded time; and nothing in a Card can begin a line of its own."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.formats.content_lines import NotWritable
from adapters.formats.jscontact import stream
from adapters.formats.jscontact.languages import MAX_LANGUAGES
from adapters.formats.jscontact.patch import patched
from adapters.formats.jscontact.read import read_cards
from adapters.formats.jscontact.shape import faults
from adapters.formats.jscontact.write import write_card
from tests.formats.jscontact.cards import vcards
from tests.formats.jscontact.corpus import card, vcard


@settings(max_examples=100, deadline=None)
@given(vcards)
def test_what_is_read_can_be_written(data: bytes) -> None:
    try:
        found = read_cards(data)
    except ValueError:
        return
    for js in found:
        assert faults(js) == []
        assert len(read_cards(write_card(js))) == len(read_cards(write_card(js, "3.0"))) == 1
        after = {**js, "emails": {"new": {"address": "a@b"}}}
        (again,) = read_cards(patched(data, js, after), uid=js["uid"])
        assert again["emails"] == after["emails"] or "jsprop" in repr(js.get("vCardProps"))


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=60), st.binary(max_size=60))
def test_any_octets(inside: bytes, around: bytes) -> None:
    for data in (inside, around + b"BEGIN:VCARD\r\n" + inside + b"\r\nEND:VCARD\r\n" + around):
        try:
            found = read_cards(data)
        except ValueError:
            continue
        assert all(faults(js) == [] for js in found)


@pytest.mark.parametrize(
    ("limit", "data"),
    [
        ("MAX_CARDS", vcard("FN:x") * 3),
        ("MAX_PROPERTIES", vcard("\n".join(["FN:x"] * 3))),
    ],
)
def test_too_much_is_refused(monkeypatch: pytest.MonkeyPatch, limit: str, data: bytes) -> None:
    monkeypatch.setattr(stream, limit, 2)
    with pytest.raises(ValueError, match="more than 2"):
        read_cards(data)


@pytest.mark.parametrize(
    "data", [b"", b"\n", b"hello", b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", b"BEGIN:VCARD\r\nFN:x"]
)
def test_what_is_no_vcard(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"vCard|BEGIN|END"):
        read_cards(data)


BREAK = "x\r\nX-INJECTED:1"
_HOLDERS: list[dict[str, Any]] = [
    {"uid": BREAK},
    {"kind": BREAK},
    {"prodId": BREAK},
    {"language": BREAK},
    {"created": f"2020-01-01T00:00:00Z{BREAK}"},
    {"keywords": {BREAK: True}},
    {"kind": "group", "members": {BREAK: True}},
    {"relatedTo": {BREAK: {"relation": {BREAK: True}}}},
    {"name": {"full": BREAK}},
    {"name": {"components": [{"kind": "given", "value": BREAK}, {"kind": BREAK, "value": "x"}]}},
    {"name": {"components": [{"kind": "given", "value": "x"}], "isOrdered": True, "defaultSeparator": BREAK}},
    {"name": {"components": [{"kind": "given", "value": "x"}], "sortAs": {"given": BREAK, BREAK: "x"}}},
    {"name": {"components": [{"kind": "given", "value": "x", "phonetic": BREAK}], "phoneticScript": BREAK}},
    {"emails": {"e": {"address": BREAK, "label": BREAK, "contexts": {BREAK: True}}}},
    {"emails": {BREAK: {"address": "x"}}},
    {"emails": {"e": {"address": "x", "vCardParams": {BREAK: "x"}}}},
    {"emails": {"e": {"address": "x", "vCardParams": {"x-a": BREAK, "type": [BREAK]}}}},
    {"emails": {"e": {"address": "x", "vCardParams": {"group": BREAK}}}},
    {"emails": {"e": {"address": "x", "vCardParams": {"altid": BREAK}}}},
    {"emails": {"e": {"address": "x", BREAK: {BREAK: BREAK}}}},
    {"phones": {"p": {"number": f"tel:{BREAK}"}}},
    {"onlineServices": {"o": {"uri": BREAK, "service": BREAK, "user": BREAK, "vCardName": BREAK}}},
    {"media": {"m": {"kind": "photo", "uri": f"data:image/png;base64,{BREAK}", "mediaType": BREAK}}},
    {"addresses": {"a": {"full": BREAK, "countryCode": BREAK}}},
    {"addresses": {"a": {"timeZone": BREAK}}},
    {"anniversaries": {"a": {"kind": "birth", "date": {"year": 1, "calendarScale": BREAK}, "place": {"full": BREAK}}}},
    {"notes": {"n": {"note": BREAK, "author": {"name": BREAK, "uri": BREAK}}}},
    {"organizations": {"o": {"name": BREAK, "units": [{"name": BREAK, "sortAs": BREAK}]}}},
    {"titles": {"t": {"name": BREAK, "organizationId": BREAK}}},
    {"localizations": {"fr": {"name/full": BREAK}, BREAK: {BREAK: BREAK}}, "name": {"full": "x"}},
    {"vCardProps": [[BREAK, {}, "text", "x"]]},
    {"vCardProps": [["x-a", {BREAK: "x"}, "text", "x"]]},
    {"vCardProps": [["x-a", {"group": BREAK}, "text", "x"]]},
    {"vCardProps": [["x-a", {"x-b": BREAK}, "text", BREAK]]},
    {"vCardProps": [["x-a", {}, BREAK, BREAK]]},
    {"vCardProps": [["x-a", {}, "unknown", BREAK]]},
    {"vCardProps": [["begin", {}, "unknown", "VCARD"]]},
    {"vCardProps": [["version", {}, "text", "9.9"]]},
    {BREAK: BREAK},
]


@pytest.mark.parametrize("version", ["3.0", "4.0"])
@pytest.mark.parametrize("given", _HOLDERS, ids=lambda given: repr(given)[:70])
def test_nothing_begins_a_line_of_its_own(given: dict[str, Any], version: Any) -> None:
    js = {"@type": "Card", "version": "1.0", "uid": "u", **given}
    try:
        written = write_card(js, version).decode().replace("\r\n ", "")
    except ValueError:
        return
    names = [line.partition(":")[0].partition(";")[0].rpartition(".")[2] for line in written.split("\r\n")]
    assert "X-INJECTED" not in names
    assert names.count("BEGIN") == names.count("END") == names.count("VERSION") == 1
    assert f"VERSION:{version}\r\n" in written
    assert len(read_cards(written.encode())) == 1


@pytest.mark.parametrize("value", ["a\x00b", "a\x1bb", "a\x7fb", "\ud800"])
def test_what_no_vcard_can_carry_is_refused(value: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of the writer or of the encoding
        write_card({"@type": "Card", "uid": "u", "name": {"full": value}})
    with pytest.raises((NotWritable, ValueError)):
        write_card({"@type": "Card", "uid": "u", "emails": {"e": {"address": "a", "vCardParams": {"x-a": value}}}})


def test_jsprop_only_as_a_valid_patch() -> None:
    """RFC 9555 §3.2.1: the whole patch or nothing of it."""
    js = card('EMAIL;PROP-ID=k:a@b\nJSPROP;JSPTR="example.com:a":1\nJSPROP;JSPTR="emails/k":5')
    assert "example.com:a" not in js
    assert [prop[0] for prop in js["vCardProps"]] == ["jsprop", "jsprop"]
    js = card('EMAIL;PROP-ID=k:a@b\nJSPROP;JSPTR="/example.com:a":1\nJSPROP;JSPTR="emails/k/label":"x"')
    assert (js["example.com:a"], js["emails"]["k"]["label"]) == (1, "x")


@pytest.mark.parametrize(
    "value", ['"\\ud800"', "1e999", "NaN", "18446744073709551616", "[" * 101 + "]" * 101, "[" * 9000]
)
def test_jsprop_of_what_no_message_can_carry_is_kept(value: str) -> None:
    """RFC 7493 §2: what could not be sent on would cost the whole card."""
    escaped = value.replace("\\", "\\\\")
    js = card(f'JSPROP;JSPTR="example.com:a":{escaped}')
    assert "example.com:a" not in js
    assert [prop[0] for prop in js["vCardProps"]] == ["jsprop"]


def test_no_more_languages_than_a_card_can_have() -> None:
    """Each costs as much as the name that it is about: the others are kept as they stand."""
    tags = [f"x-{a}{b}" for a in "abcdefghijkl" for b in "abcdefghij"]
    lines = [f"N;ALTID=1;LANGUAGE={tag}:{tag};;;;" for tag in tags]
    js = card("\n".join(["N;ALTID=1:a;;;;", *lines]))
    assert len(js["localizations"]) == MAX_LANGUAGES
    assert len(js["vCardProps"]) == len(tags) - MAX_LANGUAGES
    more = {**js, "localizations": {tag: {"name/full": tag} for tag in tags}}
    (again,) = read_cards(write_card(more))
    assert again["localizations"] == more["localizations"]


def test_a_second_phonetic_form_in_one_language_is_kept() -> None:
    """A localization has one; the other would take its place (RFC 9555 §2.3.15)."""
    forms = "N;ALTID=1;LANGUAGE=ja;PHONETIC=ipa:x;;;;\nN;ALTID=1;LANGUAGE=ja;PHONETIC=script;SCRIPT=Kana:y;;;;"
    js = card(f"N;ALTID=1;LANGUAGE=en:a;;;;\n{forms}")
    assert js["localizations"]["ja"] == {"name/components/0/phonetic": "x", "name/phoneticSystem": "ipa"}
    assert [prop[3] for prop in js["vCardProps"]] == [["y", "", "", "", ""]]


@pytest.mark.parametrize(
    "line",
    [
        "TZ;VALUE=text:",
        "TZ;VALUE=text:a\\nb",
        "SOCIALPROFILE;VALUE=text:",
        "URL;MEDIATYPE=a^nb:http://x",
        "NOTE;AUTHOR=a^nb:x",
        "HOBBY;LEVEL=a^nb:x",
        "ADR;CC=a^nb:;;x;;;;",
        "BDAY;CALSCALE=a^nb:20000101",
        "N;ALTID=1:a;;;;\nN;ALTID=1;PHONETIC=ipa;SCRIPT=a^nb:b;;;;",
    ],
)
def test_what_a_card_has_in_one_line_is_kept_where_it_has_more_or_nothing(line: str) -> None:
    """RFC 6868 §3.1: a parameter may have line breaks. A Card that is not valid could not be changed."""
    js = card(line)
    assert faults(js) == []
    (again,) = read_cards(write_card(js))
    assert again == js
