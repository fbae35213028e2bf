"""What the versions of vCard say in forms of their own, read and written."""

from typing import Any

import pytest

from adapters.formats.jscontact.read import read_cards
from adapters.formats.jscontact.write import write_card
from tests.formats.jscontact.corpus import card, vcard


def _only(js: dict[str, Any], member: str) -> dict[str, Any]:
    (item,) = js[member].values()
    assert isinstance(item, dict)
    return item


def _written(js: dict[str, Any], version: Any) -> list[str]:
    data = write_card({"@type": "Card", "version": "1.0", "uid": "u", **js}, version)
    return data.decode().replace("\r\n ", "").splitlines()[2:-1]  # without BEGIN, VERSION and END


def test_vcard_2_1() -> None:
    js = card(
        "N:M=FCller;J;;Dr.\nTEL;WORK;VOICE;PREF:1, 2\n"
        "NOTE;CHARSET=ISO-8859-1;ENCODING=QUOTED-PRINTABLE:gr=FC=DF=\n=0Adich\n"
        "PHOTO;JPEG;BASE64:\n /9j/\n 4AAQ\n\nLABEL;HOME;QUOTED-PRINTABLE:Box=0AUme=C3=A5\n"
        "AGENT:\nBEGIN:VCARD\nVERSION:2.1\nFN:Sub\nEND:VCARD",
        "2.1",
    )
    assert js["name"]["components"][0] == {"kind": "surname", "value": "M=FCller"}
    phone = _only(js, "phones")
    assert (phone["number"], phone["contexts"], phone["features"]) == ("1, 2", {"work": True}, {"voice": True})
    assert phone["pref"] == 1
    assert _only(js, "notes")["note"] == "grüß\ndich"
    assert _only(js, "media") == {"kind": "photo", "uri": "data:image/jpeg;base64,/9j/4AAQ"}
    props = {prop[0]: prop[3] for prop in js["vCardProps"]}
    assert props["label"] == "Box\\nUmeå"
    assert "BEGIN:VCARD\\nVERSION:2.1\\nFN:Sub\\nEND:VCARD" in props["agent"]


@pytest.mark.parametrize(
    ("line", "member", "item"),
    [
        ("BDAY:1996-04-15", "anniversaries", {"kind": "birth", "date": {"year": 1996, "month": 4, "day": 15}}),
        (
            "BDAY;X-APPLE-OMIT-YEAR=1604:1604-02-29",
            "anniversaries",
            {"kind": "birth", "date": {"month": 2, "day": 29}},
        ),
        ("GEO:37.386013;-122.082932", "addresses", {"coordinates": "geo:37.386013,-122.082932"}),
        ("TZ:-05:00", "addresses", {"timeZone": "Etc/GMT+5"}),  # RFC 9555 §2.8.2
        ("TZ;VALUE=text:Europe/Vienna", "addresses", {"timeZone": "Europe/Vienna"}),
        ("PHOTO;ENCODING=b;TYPE=GIF:R0lGOD==", "media", {"kind": "photo", "uri": "data:image/gif;base64,R0lGOD=="}),
        ("PHOTO;VALUE=uri:https://example.com/a.jpg", "media", {"kind": "photo", "uri": "https://example.com/a.jpg"}),
        ("KEY;ENCODING=b;TYPE=PGP:AAAA", "cryptoKeys", {"uri": "data:application/pgp-keys;base64,AAAA"}),
        ("URL:http\\://example.com/a\\,b", "links", {"uri": "http://example.com/a,b"}),
    ],
)
def test_vcard_3_0_there_and_back(line: str, member: str, item: dict[str, Any]) -> None:
    js = card(line, "3.0")
    assert _only(js, member) == item
    (again,) = read_cards(write_card(js, "3.0"))
    assert _only(again, member) == item
    (again,) = read_cards(write_card(js, "4.0"))
    assert _only(again, member) == item


@pytest.mark.parametrize(
    ("js", "old", "new"),
    [
        ({"updated": "2020-01-02T03:04:05Z"}, "REV:2020-01-02T03:04:05Z", "REV:20200102T030405Z"),
        (
            {"anniversaries": {"a": {"kind": "birth", "date": {"month": 4, "day": 15}}}},
            "BDAY;PROP-ID=a;X-APPLE-OMIT-YEAR=1604:1604-04-15",
            "BDAY;PROP-ID=a:--0415",
        ),
        (
            {"emails": {"e": {"address": "a@b", "pref": 1, "contexts": {"private": True}}}},
            "EMAIL;PROP-ID=e;TYPE=home,pref:a@b",
            "EMAIL;PROP-ID=e;PREF=1;TYPE=home:a@b",
        ),
        (
            {"media": {"m": {"kind": "photo", "uri": "data:image/png;base64,AAAA"}}},
            "PHOTO;PROP-ID=m;ENCODING=b;TYPE=PNG:AAAA",
            "PHOTO;PROP-ID=m:data:image/png;base64,AAAA",
        ),
        ({"kind": "group"}, "X-ADDRESSBOOKSERVER-KIND:group", "KIND:group"),
        (
            {"addresses": {"a": {"components": [{"kind": "name", "value": "Oak St"}]}}},
            "ADR;PROP-ID=a:;;Oak St;;;;",
            "ADR;PROP-ID=a:;;Oak St;;;;;;;;;Oak St;;;;;;",  # RFC 9555 §2.6.1
        ),
        ({}, "N:;;;;", "FN:"),  # RFC 2426 §3.1.2; RFC 9555 §3.1
    ],
)
def test_each_version_in_its_own_form(js: dict[str, Any], old: str, new: str) -> None:
    assert old in _written(js, "3.0")
    assert new in _written(js, "4.0")


def test_members_of_apples_groups() -> None:
    """The value is "urn:uuid:" and the UID, whatever that is."""
    lines = "X-ADDRESSBOOKSERVER-KIND:group\nX-ADDRESSBOOKSERVER-MEMBER:urn:uuid:AB-C"
    assert card(lines, "3.0")["members"] == {"AB-C": True}
    for uid in ("AB-C", "urn:uuid:ab-c", "mailto:a@b"):
        (again,) = read_cards(write_card({"@type": "Card", "uid": "u", "kind": "group", "members": {uid: True}}, "3.0"))
        assert again["members"] == {uid: True}


def test_a_title_is_held_where_its_group_says() -> None:
    """RFC 9555 §2.9.6: only if exactly one ORG is in the group."""
    js = card("a.ROLE:Lead\na.ORG:One\nb.ROLE:Head\nb.ORG:Two\nb.ORG:Three")
    lead, head = js["titles"].values()
    assert js["organizations"][lead["organizationId"]]["name"] == "One"
    assert "organizationId" not in head
    del lead["organizationId"]
    (again,) = read_cards(write_card(js))
    assert all("organizationId" not in title for title in again["titles"].values())
    lead["organizationId"] = "nowhere"
    assert 'JSPROP;JSPTR="titles/' in write_card(js).decode().replace("\r\n ", "")


def test_geo_joins_the_address_of_its_group() -> None:
    """RFC 9555 §2.8.3."""
    js = card("a.ADR:;;x;;;;\nADR:;;y;;;;\na.GEO:geo:1,2\nTZ:Europe/Vienna")
    one, two = js["addresses"].values()
    assert (one["coordinates"], two["timeZone"]) == ("geo:1,2", "Europe/Vienna")


def test_some_values_do_not_convert() -> None:
    """RFC 9555 §2.2.2, §2.8.2."""
    lines = ["BDAY:---12", "BDAY:--04", "BDAY:19531222T0600", "TZ:+0530", "KEY;VALUE=text:abc", "BIRTHPLACE:Vienna"]
    js = card("\n".join(lines))
    assert [prop[0] for prop in js["vCardProps"]] == ["bday", "bday", "bday", "tz", "key", "birthplace"]
    assert write_card(js).count(b"BDAY") == 3


def test_several_cards_keep_their_order() -> None:
    data = vcard("FN:a", "3.0") + vcard("FN:b", "4.0") + vcard("FN:c", "2.1")
    assert [js["name"]["full"] for js in read_cards(data)] == ["a", "b", "c"]
    first, second = (read_cards(vcard("FN:a"))[0] for _ in range(2))
    assert first["uid"] == second["uid"] != read_cards(vcard("FN:b"))[0]["uid"]  # RFC 9555 §2.1.1


def test_a_card_in_another_case_is_not_valid() -> None:
    """RFC 9553 §1.7.1."""
    with pytest.raises(ValueError, match="/Name must be name"):
        write_card({"@type": "Card", "Name": {"full": "x"}})


def test_what_type_says_of_an_organization_comes_back() -> None:
    """An Organization has contexts and no preference (RFC 9553 §2.2.3)."""
    (js,) = read_cards(vcard("ORG;TYPE=work,pref:Acme"))
    (organization,) = js["organizations"].values()
    assert organization == {"name": "Acme", "contexts": {"work": True}, "vCardParams": {"type": "pref"}}
    assert b"ORG;" in (written := write_card(js, "3.0"))
    assert list(read_cards(written)[0]["organizations"].values()) == [organization]
