"""ContactCard: the hooks of its standard methods (RFC 9610 §3)."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from adapters.errors import AdapterError
from gateway.context import Account, Context
from gateway.jmap.datatype import (
    Changeable,
    Changes,
    Copy,
    Copyable,
    Fetched,
    Query,
    QueryChangeable,
    QueryResult,
    Settable,
)
from gateway.jmap.errors import MethodError, SetError
from gateway.jmap.properties import Update
from gateway.objects.changes import change_set, changes_of
from gateway.objects.collections import refusal
from gateway.objects.contacts import card_query
from gateway.objects.contacts.capability import CONTACTS, contacts_of
from gateway.objects.contacts.card_properties import PROPERTIES
from gateway.objects.contacts.card_set import Writer
from gateway.objects.contacts.card_view import shown
from gateway.objects.contacts.storing import Original, original_of
from gateway.sync.contacts.index import CARD, Card


class ContactCardType(Settable, Copyable, Changeable, QueryChangeable):
    """The hooks of the standard methods for ContactCard."""

    name = CARD
    capability = CONTACTS
    methods = ("get", "changes", "set", "copy", "query", "queryChanges")
    properties = PROPERTIES
    filter_conditions = card_query.FILTER_CONDITIONS
    sort_properties = card_query.SORTABLE

    async def state(self, context: Context, account: Account) -> str:
        """The state of all ContactCards, true as of this request."""
        return (await contacts_of(context, account)).state(CARD)

    async def get(
        self,
        context: Context,
        account: Account,
        ids: list[str] | None,
        properties: tuple[str, ...],
        arguments: Mapping[str, Any],
    ) -> Fetched:
        """ContactCard/get (RFC 9610 §3.1)."""
        cards = (await contacts_of(context, account)).index.cards
        if ids is None:
            ids = list(cards)
            if len(ids) > context.limits.max_objects_in_get:
                raise MethodError("requestTooLarge")  # RFC 8620 §5.1
        names = None if properties is PROPERTIES.default else properties
        found = [_shown(context, cards[card_id], names) for card_id in ids if card_id in cards]
        return Fetched(found, [card_id for card_id in ids if card_id not in cards])

    async def changes(self, context: Context, account: Account, since_state: str, max_changes: int | None) -> Changes:
        """ContactCard/changes (RFC 9610 §3.2)."""
        return changes_of(await contacts_of(context, account), CARD, since_state, max_changes)

    async def create(
        self, context: Context, account: Account, records: Mapping[str, Mapping[str, Any]], arguments: Mapping[str, Any]
    ) -> Mapping[str, Mapping[str, Any] | SetError]:
        """ContactCard/set create (RFC 9610 §3.5)."""
        return await Writer(context, account, await contacts_of(context, account)).create(records)

    async def update(
        self, context: Context, account: Account, updates: Mapping[str, Update], arguments: Mapping[str, Any]
    ) -> Mapping[str, Mapping[str, Any] | SetError | None]:
        """ContactCard/set update (RFC 9610 §3.5)."""
        return await Writer(context, account, await contacts_of(context, account)).update(updates)

    async def destroy(
        self, context: Context, account: Account, ids: Sequence[str], arguments: Mapping[str, Any]
    ) -> Mapping[str, SetError]:
        """ContactCard/set destroy (RFC 9610 §3.5)."""
        return await Writer(context, account, await contacts_of(context, account)).destroy(ids)

    async def copy(
        self, context: Context, from_account: Account, account: Account, copies: Mapping[str, Copy]
    ) -> Mapping[str, Mapping[str, Any] | SetError]:
        """ContactCard/copy (RFC 9610 §3.6)."""
        source = await contacts_of(context, from_account)
        records: dict[str, Mapping[str, Any]] = {}
        originals: dict[str, Original] = {}
        answers: dict[str, Mapping[str, Any] | SetError] = {}
        for key, one in copies.items():
            card = source.index.cards.get(one.id)
            if card is None:
                answers[key] = SetError("notFound")
            elif "addressBookIds" not in one.overrides:  # those of the one account mean nothing in the other
                answers[key] = SetError("invalidProperties", "is missing", ["addressBookIds"])
            else:
                try:
                    originals[key] = await original_of(source, card.places[0])
                except AdapterError as error:
                    answers[key] = refusal(error)
                else:
                    records[key] = {**originals[key].card, **one.overrides}
        writer = Writer(context, account, await contacts_of(context, account), taken="alreadyExists")  # RFC 8620 §5.4
        return answers | dict(await writer.create(records, originals))

    async def query(self, context: Context, account: Account, query: Query) -> QueryResult:
        """ContactCard/query (RFC 9610 §3.3)."""
        return await card_query.run(await contacts_of(context, account), query)

    async def touched_since(
        self, context: Context, account: Account, query: Query, since_query_state: str
    ) -> set[str] | None:
        """For ContactCard/queryChanges (RFC 9610 §3.4)."""
        changed = change_set(await contacts_of(context, account), CARD, since_query_state)
        return {*changed.created, *changed.updated, *changed.destroyed}


def _shown(context: Context, card: Card, names: tuple[str, ...] | None) -> orjson.Fragment:
    """The card as JSON, made once for each version of it."""
    key = (CARD, names, card.id, card.version)
    known = context.cache.get(key)
    if known is None:
        known = orjson.dumps(shown(card, names))
        context.cache.put(key, known)
    return orjson.Fragment(known)
