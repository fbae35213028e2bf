"""Whatever others and this gateway do: the index is what the server holds, and /changes tells the truth of any copy."""

import asyncio
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.sync.contacts.account import ContactsAccount
from gateway.sync.contacts.entries import read_entry
from gateway.sync.contacts.index import ADDRESS_BOOK, CARD, TYPES, Place, Resource, is_default
from gateway.sync.journal import CannotCalculateChanges
from tests.sync.conftest import ShakyStore
from tests.sync.contacts.model import Home, card
from tests.sync.contacts.test_account import open_account

PATHS = ("a/", "b/")
KEEP = 12
"""Ids that the journal holds: it forgets within a run."""

paths = st.sampled_from(PATHS)
names = st.sampled_from(["1.vcf", "2.vcf"])


@st.composite
def resources(draw: st.DrawFn) -> str:
    """A card, in one of several revisions, or something else."""
    more = draw(st.sampled_from(["", "REV:2026-12-01T10:00:00Z\r\n", "REV:2026-12-02T10:00:00Z\r\n"]))
    text = card(draw(st.sampled_from(["u1", "u2", None])), draw(st.sampled_from(["A", "B"])), more=more)
    return draw(st.sampled_from([text, text, text, "broken"]))


def shown(account: ContactsAccount) -> dict[str, dict[str, Any]]:
    """What clients see."""
    index = account.index
    return {
        ADDRESS_BOOK: {
            key: (held.info.properties, index.settings.get(key), is_default(index, held))
            for key, held in index.books.items()
        },
        CARD: {key: (one.address_book_ids, one.entry.json) for key, one in index.cards.items()},
    }


class AddressBooks(RuleBasedStateMachine):
    """One home, two gateways that restart now and then, clients with copies of any age."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.home, self.store = Home(), ShakyStore()
        self.accounts = [open_account(self.home, self.store, journal_keep=KEEP) for _ in range(2)]
        self.copies: list[tuple[dict[str, str], dict[str, dict[str, Any]]]] = []

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    @initialize()
    def begin(self) -> None:
        for path in PATHS:
            self.home.add_book(path, path)

    @rule(path=paths, name=st.sampled_from(["A", "B"]))
    def add_or_rename_book(self, path: str, name: str) -> None:
        if path not in self.home.shelves:
            self.home.add_book(path, name)
        else:
            port = self.accounts[0].port
            self.run(port.update_address_book(path, {"name": name}))

    @rule(path=paths, again=st.booleans())
    def remove_book(self, path: str, again: bool) -> None:
        if self.home.shelves.pop(path, None) is not None and again:
            self.home.add_book(path, path)

    @rule(path=paths, name=names, text=resources())
    def write(self, path: str, name: str, text: str) -> None:
        if path in self.home.shelves:
            self.home.write(path, name, text)

    @rule(path=paths, name=names, into=paths, stays=st.booleans())
    def copy_or_move(self, path: str, name: str, into: str, stays: bool) -> None:
        if into in self.home.shelves and path in self.home.shelves and name in self.home.shelves[path].resources:
            text = self.home.text(path, name)
            if not stays:
                self.home.remove(path, name)
            self.home.write(into, name, text)

    @rule(path=paths, name=names)
    def remove(self, path: str, name: str) -> None:
        if path in self.home.shelves and name in self.home.shelves[path].resources:
            self.home.remove(path, name)

    @rule(which=st.integers(0, 1), path=paths, name=names, text=resources())
    def write_here(self, which: int, path: str, name: str, text: str) -> None:
        """A write of this gateway, entered without a look, whatever else happened meanwhile."""
        account = self.accounts[which]
        if path in self.home.shelves:
            etag = self.home.write(path, name, text)
            entry = read_entry(text.encode(), path, name)
            self.run(account.advance({Place(account.ids.book(path), name): Resource(etag, entry)}))

    @rule(which=st.integers(0, 1), path=paths, order=st.integers(0, 2))
    def set_order(self, which: int, path: str, order: int) -> None:
        account = self.accounts[which]
        book_id = account.ids.book(path)
        if not self.store.down and book_id in account.index.books:
            self.run(account.set_settings(lambda settings: settings.update({book_id: {"sortOrder": order}})))

    @rule(which=st.integers(0, 1))
    def restart(self, which: int) -> None:
        self.run(self.accounts[which].close())
        self.accounts[which] = open_account(self.home, self.store, journal_keep=KEEP)

    @rule(down=st.booleans())
    def store_comes_and_goes(self, down: bool) -> None:
        self.store.down = down

    @rule(which=st.integers(0, 1), pages=st.booleans())
    def follow(self, which: int, pages: bool) -> None:
        """/changes applied to any older copy, of whichever gateway, gives the truth or is refused."""
        account = self.accounts[which]
        self.run(account.refresh())
        now = shown(account)
        for states, copy in self.copies:
            for kind in TYPES:
                self.apply(account, kind, states[kind], copy[kind], now[kind], 1 if pages else None)
        self.copies = [*self.copies[-5:], ({kind: account.state(kind) for kind in TYPES}, now)]

    def apply(
        self,
        account: ContactsAccount,
        kind: str,
        state: str,
        copy: dict[str, Any],
        now: dict[str, Any],
        most: int | None,
    ) -> None:
        copy = dict(copy)
        has_more = True
        while has_more:
            try:
                changes = account.changes(kind, state, most)
            except CannotCalculateChanges:
                return
            for key in changes.destroyed:
                copy.pop(key, None)
            copy |= {key: now[key] for key in (*changes.created, *changes.updated) if key in now}
            state, has_more = changes.new_state, changes.has_more
        assert copy == now
        assert state == account.state(kind)

    @invariant()
    def the_index_is_that_of_a_gateway_that_starts_anew(self) -> None:
        other = open_account(self.home, ShakyStore())
        self.run(other.refresh())
        self.run(self.accounts[0].refresh())
        assert shown(self.accounts[0])[CARD] == shown(other)[CARD]
        assert self.accounts[0].index.books.keys() == other.index.books.keys()

    def teardown(self) -> None:
        for account in self.accounts:
            self.run(account.close())
        self.loop.close()


AddressBooks.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestAddressBooks = AddressBooks.TestCase
