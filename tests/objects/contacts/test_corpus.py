"""vCards of many programs, stored by another client, read and changed through the whole gateway."""

import contextlib
import urllib.error
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from adapters.formats.jscontact.read import read_cards
from gateway.sync.contacts.entries import entry_of
from tests.objects.contacts.conftest import Book

CORPUS = Path(__file__).parents[2] / "corpus" / "vcf"


def single_cards() -> list[tuple[bytes, dict[str, Any]]]:
    """Each vCard of the corpus that is alone in its file, those of one uid once, and what it is as a Card."""
    found: dict[str, tuple[bytes, dict[str, Any]]] = {}
    for path in sorted(CORPUS.rglob("*.vcf")):
        data = path.read_bytes()
        cards = read_cards(data)
        if len(cards) == 1:
            found.setdefault(cards[0]["uid"], (data, cards[0]))
    return list(found.values())


def content(card: Mapping[str, Any]) -> bytes:
    """What of a card does not depend on where it lies."""
    rest = {name: value for name, value in card.items() if name not in {"id", "uid", "addressBookIds", "media"}}
    return orjson.dumps(rest, option=orjson.OPT_SORT_KEYS)


async def test_everything_is_read_and_can_be_changed(book: Book, backend: str) -> None:
    stored = []
    for number, (data, card) in enumerate(single_cards()):
        with contextlib.suppress(urllib.error.HTTPError):  # servers are more or less strict
            book.other.put(f"c{number}.vcf", data)
            stored.append(card)
    assert len(stored) > (25 if backend == "xandikos" else 10)
    found = (await book.call("ContactCard/query", filter={"inAddressBook": book.id}))["ids"]
    cards = {card["id"]: card for card in (await book.call("ContactCard/get", ids=found))["list"]}
    assert len(cards) == len(stored)
    if backend == "xandikos":  # it stores what it is given
        assert sorted(map(content, cards.values())) == sorted(content(entry_of(card).card()) for card in stored)
    update = {key: {"keywords": {**card.get("keywords", {}), "seen": True}} for key, card in cards.items()}
    answer = await book.call("ContactCard/set", update=update)
    assert answer["notUpdated"] is None
    for card in (await book.call("ContactCard/get", ids=found))["list"]:
        before = cards[card["id"]]
        assert "seen" in card["keywords"]
        kept = before.keys() - {"keywords", "updated"}
        assert {name: card.get(name) for name in kept} == {name: before[name] for name in kept}
