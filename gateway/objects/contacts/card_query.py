"""ContactCard/query (RFC 9610 §3.3)."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import orjson

from gateway.jmap.arguments import Argument
from gateway.jmap.checks import Check, id_, string, utc_date
from gateway.jmap.collations import sort_key
from gateway.jmap.datatype import Query, QueryResult
from gateway.jmap.filters import Comparator, Filter, evaluate
from gateway.objects import text_match
from gateway.objects.contacts import card_texts
from gateway.objects.results import ListResult
from gateway.sync.contacts.account import ContactsAccount
from gateway.sync.contacts.index import CARD, Card, Index
from gateway.sync.pace import aside

_KIND: Final = "individual"
"""What a card is that does not say (RFC 9553 §2.1.4)."""

FILTER_CONDITIONS: Final[Mapping[str, Check]] = {
    "inAddressBook": id_,
    "uid": string,
    "hasMember": string,
    "kind": string,
    **dict.fromkeys(("createdBefore", "createdAfter", "updatedBefore", "updatedAfter"), utc_date),
    **dict.fromkeys(card_texts.CONDITIONS, text_match.condition),
}
SORTABLE: Final[Mapping[str, tuple[Argument, ...]]] = dict.fromkeys(
    ("created", "updated", "name/given", "name/surname", "name/surname2"), ()
)


class _Row:
    """A card of the index, and what queries looked at of its texts: as objects it would take eight times more."""

    __slots__ = ("_entry", "_texts", "books", "id")

    def __init__(self, card: Card) -> None:
        self.id = card.id
        self.books = card.address_book_ids
        self._entry = card.entry
        self._texts: dict[str, tuple[str, ...]] = {}

    @property
    def uid(self) -> str:
        """Of the card."""
        return self._entry.uid

    @property
    def content(self) -> dict[str, Any]:
        """The card, read anew."""
        return self._entry.card()

    def has_all(self, condition: str, wanted: str) -> bool:
        """Whether every word and phrase stands in one of the texts that the condition looks at."""
        if condition not in self._texts:
            self._texts[condition] = tuple(map(text_match.folded, card_texts.texts_of(self.content, condition)))
        return all(any(term in text for text in self._texts[condition]) for term in text_match.terms(wanted))

    def moment(self, name: str) -> str:
        """created or updated in a form that sorts, fractions of seconds included; empty where there is none."""
        return _moment(self.content.get(name) or "")


def _moment(text: str) -> str:
    return text.removesuffix("Z")


async def run(contacts: ContactsAccount, query: Query) -> QueryResult:
    """The complete result; kept until the contacts change."""
    index, state = contacts.index, contacts.state(CARD)
    key = orjson.dumps([query.filter, [repr(step) for step in query.sort]])
    known: QueryResult | None = index.derived.get(key)
    if known is not None:
        return known
    rows: list[_Row] | None = index.derived.get("rows")
    size = sum(len(card.entry.json) for card in index.cards.values())
    rows, result = await aside(size, partial(_run, index, rows, query, state))
    index.derived.pop("rows", None)  # so that it is the newest
    index.keep("rows", rows)
    index.keep(key, result)
    return result


def _run(index: Index, rows: list[_Row] | None, query: Query, state: str) -> tuple[list[_Row], ListResult]:
    rows = [_Row(card) for card in index.cards.values()] if rows is None else rows
    found = [row for row in rows if evaluate(query.filter, partial(_matches, row))]
    found.sort(key=lambda row: row.id)
    for step in reversed(query.sort):
        found.sort(key=_sort_key(step), reverse=not step.is_ascending)
    return rows, ListResult([row.id for row in found], state)


def _sort_key(step: Comparator) -> Callable[[_Row], Any]:
    name, _, kind = step.property.partition("/")
    collated = sort_key(step.collation)
    if kind:
        return lambda row: collated(card_texts.first_component(row.content, kind))
    return lambda row: row.moment(name)


def _matches(row: _Row, condition: Filter) -> bool:
    return all(_fits(row, name, value) for name, value in condition.items())


def _fits(row: _Row, name: str, value: str) -> bool:
    match name:
        case "inAddressBook":
            return value in row.books
        case "uid":
            return row.uid == value
        case "hasMember":
            return value in (row.content.get("members") or {})
        case "kind":
            return bool(row.content.get("kind", _KIND) == value)
        case _:
            return row.has_all(name, value) if name in card_texts.CONDITIONS else _is_then(row, name, value)


def _is_then(row: _Row, name: str, value: str) -> bool:
    """createdBefore, createdAfter, updatedBefore, updatedAfter."""
    moment, bound = row.moment(name[:7]), _moment(value)
    return bool(moment) and (moment < bound if name.endswith("Before") else moment >= bound)
