"""What a property of a Card must be (RFC 9553 §1, §2), and what is preserved."""

from typing import Any

import pytest

from gateway.jmap.errors import SetError
from gateway.objects.contacts.card_properties import PROPERTIES, faults
from gateway.objects.contacts.card_rules import check

VALID: list[dict[str, Any]] = [
    {"name": {"components": [{"kind": "given", "value": "Vincent"}, {"kind": "surname", "value": "van Gogh"}]}},
    {"name": {"full": "Mr. John Q. Public, Esq."}},
    {
        "name": {
            "components": [
                {"kind": "given", "value": "Robert"},
                {"kind": "given2", "value": "Pau"},
                {"kind": "separator", "value": "-"},
                {"kind": "surname", "value": "Shou Chang"},
            ],
            "sortAs": {"surname": "Pau Shou Chang", "given": "Robert"},
            "isOrdered": True,
            "defaultSeparator": " ",
        }
    },
    {"name": {"components": [{"kind": "given", "value": "J", "phonetic": "/d/"}], "phoneticSystem": "ipa"}},
    {"nicknames": {"k391": {"name": "Johnny", "contexts": {"private": True}, "pref": 1}}},
    {"organizations": {"o1": {"name": "ABC, Inc.", "units": [{"name": "Marketing"}], "sortAs": "ABC"}}},
    {"organizations": {"o1": {"units": [{"name": "Marketing", "@type": "OrgUnit"}]}}},
    {"speakToAs": {"grammaticalGender": "neuter", "pronouns": {"k19": {"pronouns": "they/them", "pref": 2}}}},
    {"titles": {"k2": {"kind": "role", "name": "Project Leader", "organizationId": "o2"}}},
    {"emails": {"e1": {"contexts": {"work": True}, "address": "jqpublic@xyz.example.com", "label": "x"}}},
    {"onlineServices": {"x1": {"uri": "xmpp:alice@example.com"}, "x2": {"user": "@alice", "service": "Mastodon"}}},
    {"phones": {"tel0": {"number": "tel:+1-555-555-5555;ext=5555", "features": {"voice": True}, "pref": 100}}},
    {"phones": {"tel0": {"number": "0123", "features": {"example.com:hologram": True}}}},
    {"preferredLanguages": {"l1": {"language": "en", "contexts": {"work": True}, "pref": 1}}},
    {"calendars": {"calA": {"kind": "calendar", "uri": "webcal://calendar.example.com/calA.ics"}}},
    {"schedulingAddresses": {"sched1": {"uri": "mailto:janedoe@example.com"}}},
    {
        "addresses": {
            "k23": {
                "contexts": {"work": True, "billing": True},
                "components": [{"kind": "number", "value": "54321"}, {"kind": "name", "value": "Oak St"}],
                "countryCode": "US",
                "coordinates": "geo:46.772673,-71.282945",
                "timeZone": "America/New_York",
            }
        }
    },
    {"addresses": {"k": {"timeZone": "Europe/Berlin"}}},
    {"cryptoKeys": {"mykey1": {"uri": "https://www.example.com/keys/jdoe.cer"}}},
    {"directories": {"dir1": {"kind": "entry", "uri": "ldap://ldap.example/o=Tech", "listAs": 1}}},
    {"links": {"link3": {"kind": "contact", "uri": "mailto:contact@example.com", "pref": 1}}},
    {"media": {"res45": {"kind": "sound", "uri": "CID:JOHNQ.part8.19960229T080000.xyzMail@example.com"}}},
    {"media": {"p": {"kind": "photo", "blobId": "uabc", "mediaType": "image/png"}}},  # RFC 9610 §3
    {"anniversaries": {"k8": {"kind": "birth", "date": {"year": 1953, "month": 4, "day": 15}}}},
    {"anniversaries": {"k8": {"kind": "birth", "date": {"month": 2, "day": 29}, "place": {"full": "Here"}}}},
    {"anniversaries": {"k8": {"kind": "wedding", "date": {"year": 1953, "calendarScale": "hebrew"}}}},
    {"anniversaries": {"k9": {"kind": "death", "date": {"@type": "Timestamp", "utc": "2019-10-15T23:10:00Z"}}}},
    {"keywords": {"internet": True, "IETF": True}},
    {"notes": {"n1": {"note": "Open", "created": "2022-11-23T15:01:32Z", "author": {"name": "John"}}}},
    {"personalInfo": {"pi2": {"kind": "expertise", "value": "chemistry", "level": "high", "listAs": 2}}},
    {"relatedTo": {"urn:uuid:f81d": {"relation": {"friend": True}}, "8cac@example.com": {"relation": {}}}},
    {"kind": "group", "members": {"urn:uuid:03a0": True}},
    {"kind": "example.com:baz", "language": "de-AT", "prodId": "x", "created": "2010-10-10T10:10:10.003Z"},
    {"vCardProps": [["x-foo", {"x-bar": "Hello", "group": "item1"}, "unknown", "World!"]]},
    {"emails": {"e": {"address": "a@b", "vCardParams": {"x-foo": "Bar", "x": ["1", "2"]}, "vCardName": "email"}}},
    {"emails": {"e": {"address": "a@b", "example.com:x": {"any": [1]}, "notYetRegistered": 1}}},  # §1.7.4, §1.8.1
]
WRONG: list[dict[str, Any]] = [
    {"name": {}},  # §2.2.1.1: full or components
    {"name": "Jane"},
    {"name": {"full": 1}},
    {"name": {"components": [{"kind": "separator", "value": ","}], "isOrdered": True}},
    {"name": {"components": [{"kind": "given", "value": "J"}, {"kind": "separator", "value": ","}]}},
    {"name": {"components": [{"kind": "given", "value": "J"}], "defaultSeparator": ","}},
    {"name": {"full": "J", "defaultSeparator": ",", "isOrdered": True}},
    {
        "name": {
            "components": [
                {"kind": "given", "value": "J"},
                {"kind": "separator", "value": ","},
                {"kind": "separator", "value": ","},
            ],
            "isOrdered": True,
        }
    },
    {"name": {"components": [{"kind": "given", "value": "J", "phonetic": "/d/"}]}},  # §1.5.4
    {"name": {"components": [{"kind": "Given", "value": "J"}]}},  # §1.7.1
    {"name": {"components": [{"kind": "given"}]}},
    {"name": {"full": "J", "sortAs": {"given": "J"}}},
    {"name": {"components": [{"kind": "given", "value": "J"}], "sortAs": {"surname": "J"}}},
    {"name": {"@type": "Address", "full": "J"}},
    {"name": {"full": "J", "Full": "J"}},  # §1.7.1: only the case differs
    {"name": {"full": "J", "extra": 1}},  # §1.7.3.1
    {"nicknames": {"k": {"name": "J", "pref": 0}}},
    {"nicknames": {"k": {"name": "J", "pref": 101}}},
    {"nicknames": {"k": {"name": "J", "contexts": {"private": False}}}},
    {"nicknames": {"not an id": {"name": "J"}}},
    {"nicknames": {"": {"name": "J"}}},
    {"nicknames": [{"name": "J"}]},
    {"organizations": {"o": {"sortAs": "x"}}},
    {"organizations": {"o": {"units": []}}},
    {"speakToAs": {}},
    {"speakToAs": {"grammaticalGender": "other"}},
    {"titles": {"t": {"kind": "role"}}},
    {"emails": {"e": {"address": "nobody"}}},
    {"emails": {"e": {"label": "x"}}},
    {"onlineServices": {"x": {"service": "Mastodon"}}},
    {"onlineServices": {"x": {"uri": "not a uri"}}},
    {"phones": {"t": {"number": "1", "features": {"telepathy": True}}}},
    {"preferredLanguages": {"l": {"language": "not a tag"}}},
    {"calendars": {"c": {"uri": "webcal://x.example/"}}},
    {"schedulingAddresses": {"s": {}}},
    {"addresses": {"a": {"contexts": {"work": True}}}},
    {"addresses": {"a": {"countryCode": "DEU"}}},
    {"addresses": {"a": {"coordinates": "https://example.org/"}}},
    {"addresses": {"a": {"timeZone": "Mars/Olympus"}}},
    {"cryptoKeys": {"k": {}}},
    {"directories": {"d": {"kind": "entry", "uri": "ldap://x/", "listAs": 0}}},
    {"links": {"l": {"kind": "photo", "uri": "https://x/"}}},
    {"media": {"m": {"uri": "https://x/"}}},
    {"media": {"m": {"kind": "photo"}}},
    {"media": {"m": {"kind": "photo", "uri": "https://x/", "blobId": "u1"}}},
    {"anniversaries": {"a": {"kind": "birth", "date": {"day": 1}}}},
    {"anniversaries": {"a": {"kind": "birth", "date": {"month": 1}}}},
    {"anniversaries": {"a": {"kind": "birth", "date": {"year": 2023, "month": 2, "day": 29}}}},
    {"anniversaries": {"a": {"kind": "birth", "date": {"month": 4, "day": 31}}}},
    {"anniversaries": {"a": {"kind": "birth", "date": {}}}},
    {"anniversaries": {"a": {"kind": "birth", "date": {"utc": "2019-10-15T23:10:00Z"}}}},  # §1.3.4: needs @type
    {"anniversaries": {"a": {"date": {"year": 1}}}},
    {"keywords": {"x": False}},
    {"keywords": ["x"]},
    {"notes": {"n": {"note": "x", "author": {}}}},
    {"notes": {"n": {"note": "x", "created": "2022-11-23"}}},
    {"personalInfo": {"p": {"kind": "hobby"}}},
    {"relatedTo": {"x": {"relation": {"nemesis": True}}}},
    {"members": {"x": 1}},
    {"kind": "person"},
    {"language": ""},
    {"prodId": ""},
    {"created": "2010-10-10T10:10:10.000Z"},  # §1.4.5
    {"created": "2010-10-10T10:10:10.10Z"},
    {"created": "2010-10-10T12:10:10+02:00"},
    {"updated": 1},
    {"version": "2.0"},
    {"@type": "Event"},
    {"uid": ""},
    {"localizations": {"de": "x"}},
    {"vCardProps": [["x-foo", "World!"]]},
]


@pytest.mark.parametrize("card", VALID, ids=str)
def test_valid(card: dict[str, Any]) -> None:
    assert faults(card, {}, card.keys()) == {}


@pytest.mark.parametrize("card", WRONG, ids=str)
def test_wrong(card: dict[str, Any]) -> None:
    """RFC 9553 §1.7.2: MUST reject invalid IANA-registered properties."""
    assert faults(card, {}, card.keys()).keys() == card.keys()


def test_what_others_wrote_need_not_be_mended() -> None:
    stored = {"emails": {"e": {"address": "nobody"}, "f": {"address": "me@example.org"}}}
    changed = {"emails": {**stored["emails"], "f": {"address": "you@example.org"}}}
    assert faults(changed, stored, ["emails"]) == {}
    assert faults({"emails": {"e": {"address": "somebody"}}}, stored, ["emails"]).keys() == {"emails"}


@pytest.mark.parametrize("name", ["Emails", "UID", "extra", "blobId", "no name", "example.com/x:y", "ID", "x-y", "9"])
def test_names_that_no_property_may_have(name: str) -> None:
    assert PROPERTIES.find(name) is None  # §1.7.1, §1.7.3, RFC 9610 §7.5


@pytest.mark.parametrize("name", ["example.com:foo", "notYetRegistered", "bücher.example:x y"])
def test_names_that_are_preserved(name: str) -> None:
    assert PROPERTIES.find(name) is not None  # §1.7.4, §1.8.1


def refusal(card: dict[str, Any]) -> list[str] | None:
    with pytest.raises(SetError) as caught:
        check(card, {}, card.keys())
    return caught.value.properties


def test_only_a_group_has_members() -> None:
    assert refusal({"members": {"x": True}}) == ["members"]  # §2.1.6
    assert refusal({"kind": "org", "members": {"x": True}}) == ["members"]
    check({"kind": "group", "members": {"x": True}}, {}, {"kind", "members"})


@pytest.mark.parametrize(
    "patch",
    [
        {"titles/t2/name": "x"},  # §1.4.3: the parent must exist
        {"titles/t1/name": "x", "titles/t1": {"name": "x"}},
        {"localizations": {}},  # §2.7.1
        {"localizations/en/titles": {}},
        {"uid": "x"},
        {"titles/t1/name": 1},
        {"titles": [1]},
    ],
    ids=str,
)
def test_localizations_that_are_no_patch_of_the_card(patch: dict[str, Any]) -> None:
    card = {"titles": {"t1": {"name": "novelist"}}, "localizations": {"es": patch}}
    assert refusal(card) == ["localizations/es"]


def test_localizations() -> None:
    card = {
        "titles": {"t1": {"name": "novelist"}},
        "name": {"components": [{"kind": "given", "value": "中山"}]},
        "localizations": {
            "es": {"titles/t1/name": "escritor"},
            "yue": {"name/phoneticSystem": "jyut", "name/components/0/phonetic": "zung1saan1"},
        },
    }
    check(card, {}, card.keys())
