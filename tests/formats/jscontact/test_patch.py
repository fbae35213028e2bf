"""Updates of stored vCards in place."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from adapters.formats.content_lines import ContentLineError
from adapters.formats.jscontact.patch import patched
from adapters.formats.jscontact.read import read_cards

STORED = b"""BEGIN:VCARD\r
VERSION:3.0\r
X-FIRST:kept in its place\r
N:Here;Custom;;;\r
FN:Custom Here\r
NICKNAME:Cus,Tom\r
EMAIL;type=INTERNET;type=WORK;type=pref:custom@example.com\r
EMAIL;type=INTERNET:other@example.com\r
TEL;type=CELL;X-SPEED=7:8888\r
item1.ADR;type=WORK:;;1 Goroku St.;Mountain Top;CA;99999;USA\r
item1.X-ABADR:us\r
item2.URL:http://www.example.com/~magic\r
item2.X-ABLabel:_$!<HomePage>!$_\r
item3.X-ABDATE:1995-05-21\r
item3.X-ABLabel:_$!<Anniversary>!$_\r
CATEGORIES:a,b\r
CATEGORIES;X-SHADE=2:c,d\r
TITLE;ALTID=1:Boss\r
TITLE;ALTID=1;LANGUAGE=fr:Patron\r
PHOTO;ENCODING=b;TYPE=PNG:iVBORw0KGgo=\r
UID:AFBB77B8\r
REV:2020-01-01T00:00:00Z\r
END:VCARD\r
"""
Change = Callable[[dict[str, Any]], Any]


def _lines(stored: bytes) -> list[str]:
    return stored.decode().replace("\r\n ", "").splitlines()


def _patched(change: Change, stored: bytes = STORED) -> tuple[list[str], dict[str, Any]]:
    """The lines after a change of the Card; what they are read as is just that Card."""
    (before,) = read_cards(stored)
    after = copy.deepcopy(before)
    change(after)
    result = patched(stored, before, after)
    (again,) = read_cards(result, uid=after["uid"])
    assert again == after
    return _lines(result), again


def _changed(change: Change, stored: bytes = STORED) -> tuple[list[str], list[str]]:
    """The lines that a change takes away and those that it brings."""
    lines, _ = _patched(change, stored)
    old = [line.replace("type=", "TYPE=").replace("X-ABLabel", "X-ABLABEL") for line in _lines(stored)]
    new = [line.replace("TYPE=WORK,pref", "TYPE=WORK;TYPE=pref") for line in lines]
    old = [line.replace("INTERNET;TYPE=WORK;TYPE=pref", "INTERNET,WORK,pref") for line in old]
    return [line for line in old if line not in new], [line for line in new if line not in old]


def _key(card: dict[str, Any], member: str, n: int = 0) -> str:
    return str(list(card[member])[n])


def _item(card: dict[str, Any], member: str, n: int = 0) -> dict[str, Any]:
    item: dict[str, Any] = card[member][_key(card, member, n)]
    return item


def test_no_change_gives_the_very_same_octets() -> None:
    (card,) = read_cards(STORED)
    assert patched(STORED, card, copy.deepcopy(card)) == STORED


def test_a_new_address_keeps_its_place_and_its_parameters() -> None:
    lines, card = _patched(lambda js: _item(js, "emails", 1).update(address="new@example.com"))
    (before,) = read_cards(STORED)
    key = _key(before, "emails", 1)
    place = lines.index("EMAIL;TYPE=INTERNET,WORK,pref:custom@example.com")
    assert lines[place + 1] == f"EMAIL;PROP-ID={key};TYPE=INTERNET:new@example.com"
    assert card["emails"][key]["address"] == "new@example.com"  # RFC 9553 §1.4.1: keys stay


def test_what_is_added_stands_behind_its_like() -> None:
    gone, come = _changed(lambda js: js["phones"].update(p1={"number": "+43 1", "features": {"voice": True}}))
    assert (gone, come) == ([], ["TEL;PROP-ID=p1;TYPE=voice:+43 1"])
    lines, _ = _patched(lambda js: js["phones"].update(p1={"number": "+43 1"}))
    assert lines.index("TEL;PROP-ID=p1:+43 1") == lines.index("TEL;TYPE=CELL;X-SPEED=7:8888") + 1


def test_what_is_removed_takes_its_label_along() -> None:
    gone, come = _changed(lambda js: js.pop("links"))
    assert gone == ["item2.URL:http://www.example.com/~magic", "item2.X-ABLABEL:_$!<HomePage>!$_"]
    assert come == []


def test_a_label_changes_alone() -> None:
    gone, come = _changed(lambda js: _item(js, "links").update(label="Blog"))
    assert (gone, come) == (["item2.X-ABLABEL:_$!<HomePage>!$_"], ["item2.X-ABLABEL:Blog"])


def test_a_new_label_gets_a_group_of_its_own() -> None:
    (before,) = read_cards(STORED)
    after = copy.deepcopy(before)
    _item(after, "phones")["label"] = "Boat"
    lines = _lines(patched(STORED, before, after))
    key = _key(before, "phones")
    assert f"item4.TEL;PROP-ID={key};TYPE=cell;X-SPEED=7:8888" in lines
    assert "item4.X-ABLABEL:Boat" in lines


def test_parts_of_the_name_change_by_themselves() -> None:
    assert _changed(lambda js: js["name"].update(full="Other")) == (["FN:Custom Here"], ["FN:Other"])
    gone, come = _changed(lambda js: js["name"]["components"][1].update(value="Other"))
    assert (gone, come) == (["N:Here;Custom;;;"], ["N:Here;Other;;;;;"])


def test_one_nickname_of_a_line() -> None:
    gone, come = _changed(lambda js: js["nicknames"].pop(_key(js, "nicknames", 0)))
    (before,) = read_cards(STORED)
    assert gone == ["NICKNAME:Cus,Tom"]
    assert come == [f"NICKNAME;PROP-ID={_key(before, 'nicknames', 1)}:Tom"]


def test_keywords_come_and_go() -> None:
    gone, come = _changed(lambda js: js["keywords"].update(e=True))
    assert (gone, come) == (["CATEGORIES:a,b"], ["CATEGORIES:a,b,e"])  # the line with a parameter stays


def test_localizations_stay_with_what_they_localize() -> None:
    gone, come = _changed(lambda js: js["localizations"]["fr"].update({f"titles/{_key(js, 'titles')}/name": "Chef"}))
    (before,) = read_cards(STORED)
    assert gone == ["TITLE;ALTID=1;LANGUAGE=fr:Patron"]
    assert come == [f"TITLE;PROP-ID={_key(before, 'titles')};ALTID=1;LANGUAGE=fr:Chef"]


def test_a_language_that_version_3_has_no_form_for_can_be_taken_away() -> None:
    """RFC 2426 §3.1.1 has one FN: of stored ones in other languages a writer makes JSPROP, or nothing."""
    stored = b"BEGIN:VCARD\r\nVERSION:3.0\r\nUID:u\r\nFN:A\r\nFN;LANGUAGE=fr:B\r\nFN;LANGUAGE=de:C\r\nEND:VCARD\r\n"
    (card,) = read_cards(stored)
    assert card["localizations"].keys() == {"fr", "de"}
    for left in ({}, {"localizations": {"de": {"name/full": "C"}}}):
        after = {**card, "localizations": {}} | left
        (again,) = read_cards(patched(stored, card, after))
        assert again.get("localizations", {}) == after["localizations"]
    assert b"FN;LANGUAGE=fr:B\r\n" in patched(stored, card, card | {"notes": {"n": {"note": "x"}}})


def test_a_picture_that_nobody_touched_is_not_touched() -> None:
    lines, _ = _patched(lambda js: js.update(updated="2026-01-01T00:00:00Z"))
    assert "PHOTO;ENCODING=b;TYPE=PNG:iVBORw0KGgo=" in lines
    assert "REV:2026-01-01T00:00:00Z" in lines


def test_what_vcard_has_no_place_for() -> None:
    stored = patched(STORED, *_with(STORED, lambda js: js.update({"example.com:a": {"b": 1}})))
    assert 'JSPROP;JSPTR="example.com:a":{"b":1}' in _lines(stored)
    stored = patched(stored, *_with(stored, lambda js: js["example.com:a"].update(c=2)))
    assert [line for line in _lines(stored) if line.startswith("JSPROP")] == [
        'JSPROP;JSPTR="example.com:a":{"b":1\\,"c":2}'
    ]
    assert patched(stored, *_with(stored, lambda js: js.pop("example.com:a"))) == patched(
        STORED, *_with(STORED, lambda js: js.update(kind="individual"))
    ).replace(b"KIND:individual\r\n", b"")


def _with(stored: bytes, change: Change) -> tuple[dict[str, Any], dict[str, Any]]:
    (before,) = read_cards(stored)
    after = copy.deepcopy(before)
    change(after)
    return before, after


@pytest.mark.parametrize(
    ("stored", "name"),
    [
        (
            "VERSION:3.0\r\nX-ADDRESSBOOKSERVER-KIND:group\r\nX-ADDRESSBOOKSERVER-MEMBER:urn:uuid:a",
            "X-ADDRESSBOOKSERVER-",
        ),
        ("VERSION:4.0\r\nKIND:group\r\nMEMBER:a", ""),
        ("VERSION:3.0\r\nKIND:group\r\nMEMBER:a", ""),
    ],
)
def test_groups_stay_as_their_program_writes_them(stored: str, name: str) -> None:
    data = f"BEGIN:VCARD\r\n{stored}\r\nFN:Group\r\nN:;;;;\r\nUID:g\r\nEND:VCARD\r\n".encode()
    (before,) = read_cards(data)
    assert (before["kind"], before["members"]) == ("group", {"a": True})
    lines = _lines(patched(data, before, {**before, "members": {"a": True, "b": True}}))
    value = "urn:uuid:b" if name else "b"
    assert f"{name}MEMBER:{value}" in lines
    assert sum("MEMBER" in line for line in lines) == 2


def test_a_derived_key_stays_although_its_twin_goes() -> None:
    stored = b"BEGIN:VCARD\r\nVERSION:4.0\r\nUID:u\r\nFN:x\r\nEMAIL:a@b\r\nEMAIL:a@b\r\nEND:VCARD\r\n"
    before, after = _with(stored, lambda js: js["emails"].pop(_key(js, "emails", 0)))
    (again,) = read_cards(patched(stored, before, after))
    assert again == after


def test_a_card_without_uid_gets_the_one_that_it_is_known_by() -> None:
    stored = b"BEGIN:VCARD\r\nVERSION:4.0\r\nFN:x\r\nEND:VCARD\r\n"
    (before,) = read_cards(stored, uid="urn:uuid:place")
    assert before["uid"] == "urn:uuid:place"
    assert b"\r\nUID:urn:uuid:place\r\n" in patched(stored, before, {**before, "kind": "org"})


def test_vcard_2_1_becomes_3_0() -> None:
    stored = (
        b"BEGIN:VCARD\r\nVERSION:2.1\r\nUID:u\r\n"
        b"N;CHARSET=ISO-8859-1;ENCODING=QUOTED-PRINTABLE:M=FCller;J\r\nEND:VCARD\r\n"
    )
    before, after = _with(stored, lambda js: js.update(kind="org"))
    lines = _lines(patched(stored, before, after))
    assert lines[1] == "VERSION:3.0"
    assert "N:Müller;J" in lines


def test_only_one_card_is_a_resource() -> None:
    (card,) = read_cards(STORED)
    with pytest.raises(ContentLineError):
        patched(STORED * 2, card, card)
    with pytest.raises(ValueError, match="/emails/e/address"):
        patched(STORED, card, {**card, "emails": {"e": {}}})
