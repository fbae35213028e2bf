"""The index of address books on a model server: what passes find, what the journal says, what survives."""

from collections.abc import AsyncIterator, Collection, Mapping

import pytest

from adapters.errors import Forbidden, Unavailable
from adapters.ports.contacts import CardResource
from gateway.store.base import Store
from gateway.sync.contacts import entries
from gateway.sync.contacts.account import ContactsAccount
from gateway.sync.contacts.entries import media_data, media_digest, read_card, read_entry
from gateway.sync.contacts.index import ADDRESS_BOOK, CARD, Place, Resource, default_of, is_subscribed
from tests.sync.conftest import ShakyStore
from tests.sync.contacts.model import Home, ModelPort, card

ACCOUNT = "acard"


@pytest.fixture
def home() -> Home:
    home = Home()
    home.add_book("work/", "Work")
    home.add_book("private/", "Private")
    return home


@pytest.fixture
def store() -> ShakyStore:
    return ShakyStore()


def open_account(home: Home, store: Store, **options: float) -> ContactsAccount:
    return ContactsAccount(ACCOUNT, "ns", ModelPort(home), store, store_retry_seconds=0.0, **options)  # type: ignore[arg-type]


@pytest.fixture
async def account(home: Home, store: ShakyStore) -> ContactsAccount:
    return open_account(home, store)


def view(account: ContactsAccount) -> dict[str, tuple[frozenset[str], bytes]]:
    return {key: (one.address_book_ids, one.entry.json) for key, one in account.index.cards.items()}


def changed(account: ContactsAccount, type_name: str, since: str) -> tuple[list[str], list[str], list[str]]:
    found = account.changes(type_name, since)
    return found.created, found.updated, found.destroyed


async def test_a_pass_finds_what_others_did(account: ContactsAccount, home: Home) -> None:
    home.write("work/", "1.vcf", card("u1"))
    await account.refresh()
    state, books = account.state(CARD), account.state(ADDRESS_BOOK)
    one, two = account.ids.card("u1"), account.ids.card("u2")
    assert account.index.cards.keys() == {one}
    home.write("work/", "1.vcf", card("u1", "Later"))
    home.write("private/", "2.vcf", card("u2"))
    await account.refresh()
    assert changed(account, CARD, state) == ([two], [one], [])
    assert account.state(ADDRESS_BOOK) == books  # nothing that a client sees of an address book is new
    state = account.state(CARD)
    home.remove("work/", "1.vcf")
    await account.refresh()
    assert changed(account, CARD, state) == ([], [], [one])


async def test_nothing_is_fetched_where_nothing_moved(account: ContactsAccount, home: Home) -> None:
    home.write("work/", "1.vcf", card("u1"))
    await account.refresh()
    home.calls.clear()
    await account.refresh()
    assert home.calls == ["address_books"]
    home.write("work/", "2.vcf", card("u2"))
    home.calls.clear()
    await account.refresh()
    assert home.calls == ["address_books", "changes work/", "fetch work/"]


async def test_a_change_of_form_only_is_no_change(account: ContactsAccount, home: Home) -> None:
    home.write("work/", "1.vcf", card("u1"))
    await account.refresh()
    state = account.state(CARD)
    home.write("work/", "1.vcf", card("u1").replace("FN:Alice\r\n", "FN:Al\r\n ice\r\n"))
    await account.refresh()
    assert account.state(CARD) == state


async def test_address_books_come_change_and_go(account: ContactsAccount, home: Home) -> None:
    home.write("private/", "1.vcf", card("u1"))
    home.add_book("hidden/", privileges=frozenset({"read-acl"}))
    await account.refresh()
    ids = account.ids.book
    assert account.index.books.keys() == {ids("work/"), ids("private/")}
    state, cards = account.state(ADDRESS_BOOK), account.state(CARD)
    home.add_book("new/", "New")
    await ModelPort(home).update_address_book("work/", {"description": "All of them"})
    del home.shelves["private/"]
    await account.refresh()
    created, updated, destroyed = changed(account, ADDRESS_BOOK, state)
    assert (created, destroyed) == ([ids("new/")], [ids("private/")])
    assert ids("work/") in updated
    assert changed(account, CARD, cards) == ([], [], [account.ids.card("u1")])


async def test_an_address_book_that_is_made_anew(account: ContactsAccount, home: Home) -> None:
    home.write("work/", "1.vcf", card("u1"))
    home.write("work/", "2.vcf", card("u2"))
    await account.refresh()
    state, books = account.state(CARD), account.state(ADDRESS_BOOK)
    home.add_book("work/", "Work")
    home.write("work/", "2.vcf", card("u2", "Anew"))
    await account.refresh()
    assert changed(account, CARD, state) == ([], [account.ids.card("u2")], [account.ids.card("u1")])
    assert account.state(ADDRESS_BOOK) == books


async def test_one_uid_in_two_address_books_with_different_content(account: ContactsAccount, home: Home) -> None:
    home.write("work/", "1.vcf", card("u1", more="REV:2026-12-01T10:00:00Z\r\n"))
    await account.refresh()
    state = account.state(CARD)
    home.write("private/", "x.vcf", card("u1", "Revised", more="REV:2026-12-01T10:00:00.5Z\r\n"))
    await account.refresh()
    one = account.ids.card("u1")
    assert changed(account, CARD, state) == ([], [one], [])
    shown = account.index.cards[one]
    assert shown.address_book_ids == {account.ids.book("work/"), account.ids.book("private/")}
    assert shown.entry.card()["name"]["full"] == "Revised"
    assert shown.places[0] == Place(account.ids.book("private/"), "x.vcf")
    home.remove("private/", "x.vcf")
    await account.refresh()
    assert account.index.cards[one].entry.card()["name"]["full"] == "Alice"


async def test_a_copy_of_a_sharer_does_not_hide_ones_own(account: ContactsAccount, home: Home) -> None:
    home.add_book("a-shared/", owner="/bob/")
    home.write("a-shared/", "x.vcf", card("u1", "Bob's", more="REV:2026-12-03T10:00:00Z\r\n"))
    await account.refresh()
    one = account.ids.card("u1")

    def full() -> str:
        return str(account.index.cards[one].entry.card()["name"]["full"])

    assert full() == "Bob's"
    home.write("work/", "1.vcf", card("u1", "Old"))
    home.write("private/", "1.vcf", card("u1", "Mine", more="REV:2026-12-01T10:00:00Z\r\n"))
    await account.refresh()
    assert full() == "Mine"
    shown = account.index.cards[one]
    assert shown.places[0] == Place(account.ids.book("private/"), "1.vcf")
    assert len(shown.address_book_ids) == 3  # RFC 9610 §3
    state = account.state(CARD)
    home.write("a-shared/", "x.vcf", card("u1", "Bob's again", more="REV:2026-12-04T10:00:00Z\r\n"))
    await account.refresh()
    assert (full(), changed(account, CARD, state)) == ("Mine", ([], [], []))
    home.remove("work/", "1.vcf")
    home.remove("private/", "1.vcf")
    await account.refresh()
    assert full() == "Bob's again"


async def test_a_move_by_others_is_an_update(account: ContactsAccount, home: Home) -> None:
    etag = home.write("work/", "1.vcf", card("u1"))
    await account.refresh()
    state = account.state(CARD)
    await ModelPort(home).move("work/", "1.vcf", "private/", etag)
    await account.refresh()
    one = account.ids.card("u1")
    assert changed(account, CARD, state) == ([], [one], [])
    assert account.index.cards[one].address_book_ids == {account.ids.book("private/")}


async def test_a_card_without_uid_is_told_by_its_place(account: ContactsAccount, home: Home) -> None:
    home.write("work/", "1.vcf", card(None))
    home.write("private/", "1.vcf", card(None))
    await account.refresh()
    assert len(account.index.cards) == 2
    state, before = account.state(CARD), set(account.index.cards)
    home.write("work/", "1.vcf", card(None, "Renamed"))
    await account.refresh()
    assert account.index.cards.keys() == before
    assert len(account.changes(CARD, state).updated) == 1


@pytest.mark.parametrize("data", [b"", b"\xff\xfe\x00\x01", b"BEGIN:VCARD\r\n", (card("a") + card("b")).encode()])
async def test_what_cannot_be_read_is_not_shown_but_held(account: ContactsAccount, home: Home, data: bytes) -> None:
    home.write("work/", "broken.vcf", data)
    await account.refresh()
    assert not account.index.cards
    assert account.index.books[account.ids.book("work/")].names.keys() == {"broken.vcf"}
    home.calls.clear()
    await account.refresh()
    assert home.calls == ["address_books"]


async def test_an_address_book_that_cannot_be_read_costs_only_itself(account: ContactsAccount, home: Home) -> None:
    home.write("work/", "1.vcf", card("u1"))
    await account.refresh()
    state = account.state(CARD)
    home.failing["changes work/"] = Forbidden("no")
    home.write("work/", "2.vcf", card("u2"))
    home.write("private/", "3.vcf", card("u3"))
    await account.refresh()
    assert changed(account, CARD, state) == ([account.ids.card("u3")], [], [])
    home.failing.clear()
    await account.refresh()
    assert account.ids.card("u2") in account.index.cards


@pytest.mark.parametrize("verb", ["address_books", "changes work/", "fetch work/"])
async def test_a_server_that_is_away_deletes_nothing(account: ContactsAccount, home: Home, verb: str) -> None:
    home.write("work/", "1.vcf", card("u1"))
    await account.refresh()
    before, state = view(account), account.state(CARD)
    home.write("work/", "2.vcf", card("u2"))
    home.failing[verb] = Unavailable("away")
    with pytest.raises(Unavailable):
        await account.refresh()
    assert (view(account), account.state(CARD)) == (before, state)


async def test_own_writes_are_entered_and_found_again_without_a_change(account: ContactsAccount, home: Home) -> None:
    await account.refresh()
    state = account.state(CARD)
    etag = home.write("work/", "1.vcf", card("u1"))
    place = Place(account.ids.book("work/"), "1.vcf")
    await account.advance({place: Resource(etag, read_entry(card("u1").encode(), "work/", "1.vcf"))})
    one = account.ids.card("u1")
    assert changed(account, CARD, state) == ([one], [], [])
    state = account.state(CARD)
    home.calls.clear()
    await account.refresh()
    assert account.state(CARD) == state
    assert "fetch work/" not in home.calls
    await account.advance({place: None})
    assert changed(account, CARD, state) == ([], [], [one])


async def test_address_books_of_others(account: ContactsAccount, home: Home) -> None:
    """RFC 9610 §2: not subscribed to by default; the default is one of one's own."""
    home.shelves.clear()
    home.add_book("/bob/a/", owner="/bob/")
    await account.refresh()
    theirs, mine = account.ids.book("/bob/a/"), account.ids.book("work/")
    assert default_of(account.index) == theirs
    home.add_book("work/", "Work")
    await account.refresh()
    assert [is_subscribed(account.index, key) for key in (theirs, mine)] == [False, True]
    assert default_of(account.index) == mine
    state = account.state(ADDRESS_BOOK)
    await account.set_settings(lambda settings: settings.update({theirs: {"isSubscribed": True, "isDefault": True}}))
    assert is_subscribed(account.index, theirs)
    assert default_of(account.index) == theirs
    assert set(account.changes(ADDRESS_BOOK, state).updated) == {theirs, mine}


async def test_pictures_are_told_by_a_digest(account: ContactsAccount, home: Home) -> None:
    """RFC 9610 §3: blobId and mediaType, and no data: URI."""
    text = card("u1", more="PHOTO:data:image/png;base64,iVBORw0KGgo=\r\n")
    home.write("work/", "1.vcf", text)
    await account.refresh()
    (shown,) = account.index.cards.values()
    (medium,) = shown.entry.card()["media"].values()
    png = b"\x89PNG\r\n\x1a\n"
    assert (medium["blobId"], medium["mediaType"], "uri" in medium) == (media_digest(png), "image/png", False)
    whole = read_card(text.encode(), "work/", "1.vcf")
    assert media_data(whole, medium["blobId"]) == ("image/png", png)
    assert media_data(whole, media_digest(b"")) is None


async def test_what_is_entered_where_the_address_book_is_gone(account: ContactsAccount, home: Home) -> None:
    home.write("work/", "1.vcf", card("u1"))
    await account.refresh()
    place = Place(account.ids.book("work/"), "1.vcf")
    del home.shelves["work/"]
    await account.refresh()
    await account.advance({place: Resource('"x"', read_entry(card("u1").encode(), "work/", "1.vcf"))})
    await account.advance({place: None})
    assert not account.index.cards


async def test_what_is_listed_and_cannot_be_fetched_is_held(account: ContactsAccount, home: Home) -> None:
    """An address book with nothing else is not empty; the next pass tries again, and finds it gone where it is."""

    class Refusing(ModelPort):
        async def fetch(self, path: str, names: Collection[str]) -> AsyncIterator[Mapping[str, CardResource]]:
            async for batch in super().fetch(path, set(names) - {"monster.vcf"}):
                yield batch

    account.port = Refusing(home)
    home.write("work/", "1.vcf", card("u1"))
    home.write("work/", "monster.vcf", card("u2"))
    work = account.ids.book("work/")
    for _ in range(2):
        await account.refresh()
        assert account.index.books[work].names.keys() == {"1.vcf", "monster.vcf"}
        assert account.index.cards.keys() == {account.ids.card("u1")}
    account.port = ModelPort(home)
    await account.refresh()
    assert account.ids.card("u2") in account.index.cards
    account.port = Refusing(home)
    home.write("work/", "monster.vcf", card("u2", "Later"))
    await account.refresh()
    assert account.ids.card("u2") in account.index.cards  # as it was known
    home.remove("work/", "monster.vcf")
    await account.refresh()
    assert account.index.books[work].names.keys() == {"1.vcf"}


async def test_faults_are_logged_once_by_kind(
    account: ContactsAccount, home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    entries._note.cache_clear()
    for number in range(3):
        home.write("work/", f"{number}.vcf", b"BEGIN:VCARD\r\nsecret")
    await account.refresh()
    (record,) = caplog.records
    assert "cards that cannot be read are left out" in record.getMessage()
    assert "secret" not in caplog.text
