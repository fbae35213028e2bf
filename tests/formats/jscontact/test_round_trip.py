"""Valid Cards come back as they were, from both versions of vCard; another reader reads what is written."""

import copy
from typing import Any

import pytest
import vobject
from hypothesis import given, settings

from adapters.formats.jscontact.patch import patched
from adapters.formats.jscontact.read import read_cards
from adapters.formats.jscontact.shape import faults
from adapters.formats.jscontact.write import write_card
from adapters.formats.pointer import apply_patch
from tests.formats.jscontact.cards import cards
from tests.formats.jscontact.test_corpus import without_order


def _plain(card: dict[str, Any]) -> dict[str, Any]:
    """A Card without what says nothing: @type, nulls, false, order where there is none, groups that labels need."""
    plain: dict[str, Any] = _without(without_order(card))
    return plain


def _without(value: Any) -> Any:
    if isinstance(value, list):
        return [_without(item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {name: _without(item) for name, item in value.items() if item is not None and item is not False}
    params = found.get("vCardParams")
    if isinstance(params, dict) and params.keys() <= {"group", "altid"}:
        del found["vCardParams"]
    return found


@pytest.mark.parametrize("version", ["3.0", "4.0"])
@settings(max_examples=50, deadline=None)
@given(card=cards)
def test_a_card_comes_back_as_it_was(version: Any, card: dict[str, Any]) -> None:
    before = copy.deepcopy(card)
    assert faults(card) == []
    (again,) = read_cards(write_card(card, version))
    assert card == before
    assert _plain(again) == _plain(card)
    assert read_cards(write_card(again, version)) == [again]


@settings(max_examples=30, deadline=None)
@given(card=cards, other=cards)
def test_any_card_becomes_any_other(card: dict[str, Any], other: dict[str, Any]) -> None:
    stored = write_card(card)
    (before,) = read_cards(stored)
    (after,) = read_cards(write_card({**other, "uid": card["uid"]}))
    (again,) = read_cards(patched(stored, before, after))
    assert _plain(again) == _plain(after)


@settings(max_examples=25, deadline=None)
@given(card=cards)
def test_vobject_reads_it(card: dict[str, Any]) -> None:
    """Radicale stores what it reads with it."""
    read = vobject.readOne(write_card(card, "3.0").decode())
    full = card.get("name", {}).get("full")
    if full is not None:
        assert read.fn.value == full
    assert sorted(item.value for item in read.contents.get("email", ())) == sorted(
        item["address"] for item in card.get("emails", {}).values()
    )


LOCALIZED = [
    {"titles/t1/name": "Patron"},
    {"name/components/0/phonetic": "syun1", "name/phoneticSystem": "jyut", "name/phoneticScript": "Latn"},
    {"addresses/a1": {"full": "〒100", "components": [{"kind": "region", "value": "東京都"}]}},
    {"name": {"full": "Иван", "components": [{"kind": "given", "value": "Иван"}]}},
    {"titles/t1/name": None},
    {"titles": {"t1": {"name": "Chef", "kind": "title"}}},
    {"emails/e1/label": "Bureau"},
    {"speakToAs/grammaticalGender": "feminine", "speakToAs/pronouns/p/pronouns": "elle"},
    {"titles/nowhere/name": "x"},
    {"anniversaries/b/place/full": "Vienne"},
]


@pytest.mark.parametrize("version", ["3.0", "4.0"])
@pytest.mark.parametrize("patch", LOCALIZED, ids=lambda patch: next(iter(patch)))
def test_a_localization_says_the_same(version: Any, patch: dict[str, Any]) -> None:
    card: dict[str, Any] = {
        "@type": "Card",
        "version": "1.0",
        "uid": "u",
        "name": {"full": "Ivan", "components": [{"kind": "given", "value": "Ivan"}]},
        "titles": {"t1": {"name": "Boss", "kind": "title"}},
        "emails": {"e1": {"address": "a@b", "label": "Office"}},
        "addresses": {"a1": {"full": "Tokyo", "components": [{"kind": "region", "value": "Tokyo"}]}},
        "speakToAs": {"grammaticalGender": "neuter", "pronouns": {"p": {"pronouns": "it"}}},
        "anniversaries": {"b": {"kind": "birth", "date": {"year": 1900}, "place": {"full": "Vienna"}}},
    }
    localized = {**card, "localizations": {"fr": patch}}
    (again,) = read_cards(write_card(localized, version))
    wanted, found = (
        js["localizations"]["fr"] if "nowhere" in repr(patch) else apply_patch(js, js["localizations"]["fr"])
        for js in (localized, again)
    )
    wanted.pop("localizations", None)
    found.pop("localizations", None)
    assert _plain(found) == _plain(wanted)
