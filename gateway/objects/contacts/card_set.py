"""ContactCard/set: create, update, destroy (RFC 9610 §3.5)."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Any, Final

from adapters.errors import AdapterError, Conflict, Unsupported
from gateway.context import Account, Context
from gateway.jmap.errors import SetError
from gateway.jmap.properties import Update
from gateway.objects.collections import refusal
from gateway.objects.contacts import card_rules as rules
from gateway.objects.contacts import media
from gateway.objects.contacts.address_book_view import rights_of
from gateway.objects.contacts.card_properties import MAPS, METADATA
from gateway.objects.contacts.card_view import shown
from gateway.objects.contacts.storing import Original, Storing
from gateway.objects.difference import Change, applied, difference
from gateway.sync.contacts.account import ContactsAccount
from gateway.sync.contacts.entries import entry_of
from gateway.sync.contacts.index import Card, Index, Place

Values = dict[str, Any]

_ABSENT: Final = object()
_ONE_BOOK: Final = "The server takes a card in one address book only."


class Writer:
    """One /set or /copy on an account's cards. taken: the SetError for a uid that is there already."""

    def __init__(
        self, context: Context, account: Account, contacts: ContactsAccount, taken: str = "invalidProperties"
    ) -> None:
        self._context = context
        self._account = account
        self._contacts = contacts
        self._taken = taken
        self._storing = Storing(contacts)

    @property
    def _index(self) -> Index:
        return self._contacts.index

    # create

    async def create(
        self, records: Mapping[str, Mapping[str, Any]], originals: Mapping[str, Original] | None = None
    ) -> Mapping[str, Mapping[str, Any] | SetError]:
        """By creation id: what the server set, or why there is no card. originals: what the records are copies of."""
        answers: dict[str, Mapping[str, Any] | SetError] = {}
        for key, record in records.items():
            try:
                card_id = await self._create(record, (originals or {}).get(key))
            except (SetError, AdapterError) as error:
                answers[key] = refusal(error)
                continue
            finally:
                await self._storing.finish()
            answers[key] = {"id": card_id} | self._told(card_id, record)
        return answers

    async def _create(self, record: Mapping[str, Any], original: Original | None) -> str:
        places = self._checked(record["addressBookIds"])
        card = rules.completed(record)
        before = {} if original is None else original.card
        rules.check(card, before, card.keys())
        if "media" in card:
            card["media"] = await media.taken(self._context, self._account, card["media"], {})
            media.check_photos(card["media"], (before.get("media") or {}).values())
        card_id = self._contacts.ids.card(card["uid"])
        if card_id in self._index.cards:  # RFC 9610 §3: there is one of a uid in an account
            raise SetError(self._taken, "There is a card of this uid.", self._properties("uid"), existingId=card_id)
        for number, book_id in enumerate(places):
            try:
                await self._storing.create(Place(book_id, f"{card_id}.vcf"), card, original)
            except (AdapterError, SetError) as error:
                await self._take_back()
                if not isinstance(error, Conflict):
                    raise
                if number:
                    raise rules.invalid(_ONE_BOOK, "addressBookIds") from error
                raise rules.invalid("The server has another card of this uid.", "uid") from error
        return card_id

    def _properties(self, name: str) -> list[str] | None:
        return [name] if self._taken == "invalidProperties" else None

    async def _take_back(self) -> None:
        for place in list(self._storing.done):
            await self._storing.remove(place)

    # update

    async def update(self, updates: Mapping[str, Update]) -> Mapping[str, Mapping[str, Any] | SetError | None]:
        """By id: what changed beyond what was asked for, or why nothing was changed."""
        answers: dict[str, Mapping[str, Any] | SetError | None] = {}
        for card_id, change in updates.items():
            card = self._index.cards.get(card_id)
            if card is None:
                answers[card_id] = SetError("notFound")
                continue
            before = shown(card)
            try:
                await self._update(card, change)
            except (SetError, AdapterError) as error:
                answers[card_id] = refusal(error)
                continue
            finally:
                await self._storing.finish()
            kept = {name: value for name, value in before.items() if name not in change.changed}
            answers[card_id] = self._told(card_id, {**kept, **change.patched})
        return answers

    async def _update(self, card: Card, change: Update) -> None:
        names = change.changed - {*METADATA}
        if "addressBookIds" in change.changed:  # before anything is written
            self._checked(change.patched["addressBookIds"], card.address_book_ids)
        if names:
            self._all_writable(card.address_book_ids)
            edit = partial(self._edited, await self._changes(card, change, names))
            for place in card.places:
                await self._storing.change(place, edit)
        if "addressBookIds" in change.changed:
            await self._refile(card, change.patched["addressBookIds"])

    async def _changes(self, card: Card, change: Update, names: frozenset[str]) -> list[Change]:
        """What is to be done to the stored card."""
        content = card.entry.card()
        after = {name: change.patched[name] for name in names & change.patched.keys()}
        if "updated" not in names:
            after["updated"] = rules.now_text()
        rules.check({**_without(content, names), **after}, shown(card), {*names, *after})
        if "media" in after:
            own = content.get("media") or {}
            after["media"] = await media.taken(self._context, self._account, after["media"], own)
        before = {name: content[name] for name in {*names, *after} if name in content}
        return list(difference(before, after, MAPS))

    def _edited(self, changes: Sequence[Change], stored: Values) -> Values:
        """The stored card with the changes, as often as it takes (after a 412 to a newer version)."""
        card = applied(entry_of(stored).card(), changes, MAPS)
        names = {change.path[0] for change in changes}
        rules.check(card, entry_of(stored).card(), names - {"media"})
        if "media" in card:
            before = stored.get("media") or {}
            card["media"] = media.restored(card["media"], before)
            media.check_photos(card["media"], before.values())
        return card

    async def _refile(self, card: Card, wanted: Mapping[str, Any]) -> None:
        """Put a card into the address books that it is to be in; it is never in none."""
        gone = [place for place in card.places if place.book_id not in wanted]
        new = [book_id for book_id in wanted if book_id not in card.address_book_ids]
        source = next((place for place in card.places if place not in gone), card.places[0])
        while gone and new:
            try:
                moved = await self._storing.move(gone[0], new[0])
            except Unsupported:
                break
            source = moved if source == gone[0] else source
            del gone[0], new[0]
        for book_id in new:
            try:
                await self._storing.copy(source, book_id)
            except Conflict as error:
                raise rules.invalid(_ONE_BOOK, "addressBookIds") from error
        for place in gone:
            await self._storing.remove(place)

    # destroy

    async def destroy(self, ids: Sequence[str]) -> Mapping[str, SetError]:
        """By id: why it was not destroyed."""
        refused: dict[str, SetError] = {}
        for card_id in ids:
            try:
                await self._destroy(self._index.cards.get(card_id))
            except (SetError, AdapterError) as error:
                refused[card_id] = refusal(error)
            finally:
                await self._storing.finish()
        return refused

    async def _destroy(self, card: Card | None) -> None:
        if card is None:
            raise SetError("notFound")
        self._all_writable(card.address_book_ids)
        for place in card.places:
            await self._storing.remove(place)

    # what all of them need

    def _checked(self, wanted: Mapping[str, Any], now: AbstractSet[str] = frozenset()) -> list[str]:
        """The ids of address books that a card is to be in. now: those that it is in. Raises SetError."""
        self._all_writable(wanted.keys() ^ now)  # RFC 9610 §2: mayWrite where it is put in or taken out
        if len(wanted) > 1 and not self._contacts.facts.several:  # as maxAddressBooksPerCard says
            raise rules.invalid(_ONE_BOOK, "addressBookIds")
        return list(wanted)

    def _all_writable(self, book_ids: Iterable[str]) -> None:
        """Raises SetError where the user may not change the cards of all these address books."""
        for book_id in book_ids:
            held = self._index.books.get(book_id)
            if held is None:
                raise rules.invalid(f"There is no address book {book_id[:60]!r}.", "addressBookIds")
            if not rights_of(held.info)["mayWrite"]:
                raise SetError("forbidden")

    def _told(self, card_id: str, known: Mapping[str, Any]) -> Values:
        """What the client cannot know of a card after writing it (RFC 8620 §5.3)."""
        card = self._index.cards.get(card_id)
        if card is None:
            return {}
        now = shown(card)
        told = {name: value for name, value in now.items() if known.get(name, _ABSENT) != value}
        gone = [name for name, value in known.items() if value is not None and name not in now]
        return told | dict.fromkeys(gone)


def _without(values: Mapping[str, Any], names: frozenset[str]) -> Values:
    return {name: value for name, value in values.items() if name not in names}
