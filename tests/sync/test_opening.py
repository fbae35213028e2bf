"""The first sight of an account: what is shown before its index is whole, and what becomes of it."""

import asyncio
from collections.abc import Mapping

import orjson
import pytest

from adapters.errors import Unavailable
from gateway.sync import opening
from gateway.sync.account import MailAccount
from tests.sync.clients import Glimpse, check_against_server, check_partial
from tests.sync.conftest import ACCOUNT, ShakyStore, open_account
from tests.sync.model import ModelPort, ModelServer

PAGE = 4


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "PAGE", PAGE)


@pytest.fixture
def filled(server: ModelServer) -> ModelServer:
    for number in range(20):
        server.append("INBOX", ["$seen"] if number % 2 else [])
    server.create("Work")
    server.append("Work")
    return server


def partial(account: MailAccount) -> Mapping[str, int] | None:
    return account.snapshot.partial


def mailbox(account: MailAccount, path: str = "INBOX") -> str:
    found = account.mailboxes.by_path(path)
    assert found is not None
    return found.id


async def glimpse(account: MailAccount, path: str = "INBOX") -> Glimpse:
    assert await account.look()
    await account.look_into(mailbox(account, path))
    return Glimpse.of(account)


async def test_folders_are_shown_before_any_is_read(account: MailAccount, filled: ModelServer, port: ModelPort) -> None:
    assert await account.look()
    check_partial(account, port)
    inbox = account.mailboxes.by_path("INBOX")
    assert inbox is not None
    assert inbox.counts() == (20, 10)
    assert port.calls == ["open", "folders", "newest INBOX"]


async def test_the_inbox_is_read_while_nobody_waits_for_it(
    account: MailAccount, filled: ModelServer, port: ModelPort
) -> None:
    asked = asyncio.Event()
    port.meddle = lambda call: asked.set() if call == "newest INBOX" else None
    assert await account.look()
    await asked.wait()
    await account.look_into(mailbox(account))
    assert partial(account) == {mailbox(account): 20}
    assert port.calls == ["open", "folders", "newest INBOX"]
    check_partial(account, port)


async def test_an_inbox_that_could_not_be_read_ahead_is_read_when_it_is_asked_for(
    account: MailAccount, filled: ModelServer, port: ModelPort
) -> None:
    port.failing = 2
    assert await account.look()
    with pytest.raises(Unavailable):
        await account.look_into(mailbox(account))
    port.failing = None
    await account.look_into(mailbox(account))
    assert partial(account) == {mailbox(account): 20}


async def test_the_threads_of_a_page_came_with_it(account: MailAccount, filled: ModelServer, port: ModelPort) -> None:
    await glimpse(account)
    await account.threads.thread_ids(account.emails.all_rows())
    assert "headers INBOX" not in port.calls


async def test_the_newest_are_shown(account: MailAccount, filled: ModelServer, port: ModelPort) -> None:
    shown = await glimpse(account)
    check_partial(account, port)
    inbox = mailbox(account)
    assert partial(account) == {inbox: 20}
    newest = account.emails.ids(account.emails.in_mailbox(inbox))
    assert len(newest) == len(shown.emails) == PAGE
    await account.refresh()
    assert partial(account) is None
    check_against_server(account, port)
    assert account.emails.ids(account.emails.in_mailbox(inbox)[-PAGE:]) == newest


async def test_of_messages_of_one_second_all_are_shown_or_none(
    account: MailAccount, filled: ModelServer, port: ModelPort
) -> None:
    for _ in range(PAGE):
        filled.append("INBOX", received=3_000_000)
    filled.append("INBOX", received=4_000_000)
    shown = await glimpse(account)
    check_partial(account, port)
    assert len(shown.emails) == 1


async def test_a_small_folder_is_shown_whole_and_counts_an_email_once(
    account: MailAccount, filled: ModelServer, port: ModelPort
) -> None:
    (uid,) = filled.folders["Work"].entries
    filled.copy("Work", uid, "Work")
    await glimpse(account, "Work")
    check_partial(account, port)
    assert partial(account) == {mailbox(account): 20, mailbox(account, "Work"): 1}


async def test_nothing_happened_nothing_changed(account: MailAccount, filled: ModelServer) -> None:
    shown = await glimpse(account)
    boxes = account.state("Mailbox")
    await account.refresh()
    assert account.state("Email") == shown.state
    assert account.state("Mailbox") == boxes
    assert await shown.follow(account)


async def test_what_others_do_meanwhile_is_told(account: MailAccount, filled: ModelServer) -> None:
    shown = await glimpse(account)
    boxes = account.state("Mailbox")
    filled.flag("INBOX", 20, ["$flagged"])
    filled.expunge("INBOX", 19)
    filled.expunge("INBOX", 1)
    filled.move("INBOX", 18, "Work")
    filled.append("INBOX")
    await account.refresh()
    changes = account.changes("Email", shown.state)
    assert [len(changes.created), len(changes.updated), len(changes.destroyed)] == [1, 2, 1]
    assert set(account.changes("Mailbox", boxes).updated) == {mailbox(account), mailbox(account, "Work")}
    assert await shown.follow(account)


async def test_a_copy_elsewhere_is_a_correction(account: MailAccount, filled: ModelServer) -> None:
    filled.copy("INBOX", 20, "Work")
    shown = await glimpse(account)
    await account.refresh()
    changes = account.changes("Email", shown.state)
    assert (changes.created, len(changes.updated), changes.destroyed) == ([], 1, [])
    assert await shown.follow(account)


async def test_a_page_is_read_anew_when_its_folder_moved(
    account: MailAccount, filled: ModelServer, port: ModelPort
) -> None:
    shown = await glimpse(account)
    boxes = account.state("Mailbox")
    filled.append("INBOX")
    assert await account.look()
    check_partial(account, port)
    assert partial(account) == {}
    assert account.changes("Mailbox", boxes).updated == [mailbox(account)]
    again = await glimpse(account)
    check_partial(account, port)
    assert len(again.emails.keys() - shown.emails.keys()) == 1
    assert again.state != shown.state
    assert not await shown.follow(account)  # nobody knows what happened in between
    assert await again.follow(account)


async def test_without_modseqs_a_page_is_good_for_one_look(account: MailAccount, server: ModelServer) -> None:
    server.append("INBOX")
    account.port = ModelPort(server, condstore=False)
    shown = await glimpse(account)
    server.flag("INBOX", 1, ["$flagged"])  # moves no number of the folder
    again = await glimpse(account)
    assert again.state != shown.state
    assert again.emails != shown.emails


async def test_the_order_of_looks_and_pages_does_not_matter(
    account: MailAccount, filled: ModelServer, port: ModelPort
) -> None:
    """A look that ends between the look before a page and the page."""
    assert await account.look()

    def meddle(call: str) -> None:
        if call.startswith("newest"):
            filled.append("Work")

    port.meddle = meddle
    await account.look_into(mailbox(account, "Work"))
    port.meddle = lambda _call: None
    await account.look()
    assert partial(account) == {mailbox(account): 20}


async def test_a_backend_that_must_be_read_as_a_whole(account: MailAccount, filled: ModelServer) -> None:
    account.port = ModelPort(filled, source="fingerprint")
    assert not await account.look()  # ordinals need all messages
    assert partial(account) is None


async def test_a_backend_that_cannot_sort(account: MailAccount, filled: ModelServer) -> None:
    account.port = ModelPort(filled, sorts=False)
    await glimpse(account)
    assert partial(account) == {}


async def test_thread_ids_stay(account: MailAccount, server: ModelServer, store: ShakyStore) -> None:
    headers = [(f"<{n}@x>", "", f"<{n - 1}@x>" if n % 3 else "", "Plan") for n in range(12)]
    for one in headers:
        server.append("INBOX", headers=one)
    await glimpse(account)
    rows = account.emails.all_rows()
    ids = account.emails.ids(rows)
    threads = await account.threads.thread_ids(rows)
    assert not store.commits
    await account.threads.ready()
    assert partial(account) is None
    again = [row for email_id in ids if (row := account.emails.row(email_id)) is not None]
    assert await account.threads.thread_ids(again) == threads
    assert {len(await account.threads.members(thread) or ()) for thread in threads} == {3}


async def test_native_threads(account: MailAccount, filled: ModelServer) -> None:
    account.port = ModelPort(filled, thread_ids=True)
    await glimpse(account)
    rows = account.emails.all_rows()
    ids, threads = account.emails.ids(rows), await account.threads.thread_ids(rows)
    await account.refresh()
    again = [row for email_id in ids if (row := account.emails.row(email_id)) is not None]
    assert await account.threads.thread_ids(again) == threads


async def test_a_thread_id_of_an_email_that_is_not_shown_any_more(account: MailAccount, server: ModelServer) -> None:
    server.append("INBOX", headers=("<1@x>", "", "<0@x>", "Plan"))
    await glimpse(account)
    emails, rows = account.emails, account.emails.all_rows()
    server.append("INBOX")
    await account.look()
    assert not account.emails.all_rows()
    found = await account.threads.thread_ids(rows, emails)
    await account.threads.ready()
    assert found == await account.threads.thread_ids(rows, emails)
    assert partial(account) is None


async def test_a_gateway_that_ends_before_the_index_is_whole(
    account: MailAccount, filled: ModelServer, port: ModelPort, store: ShakyStore
) -> None:
    shown = await glimpse(account)
    await account.close()
    again = open_account(port, store)
    ids = (await glimpse(again)).emails.keys()
    assert ids == shown.emails.keys()
    assert not await shown.follow(again)
    await again.close()


async def test_an_index_that_fails(account: MailAccount, filled: ModelServer, port: ModelPort) -> None:
    shown = await glimpse(account)
    port.failing = 3
    with pytest.raises(Unavailable):
        await account.refresh()
    port.failing = None
    assert await account.look()
    check_partial(account, port)
    assert account.state("Email") == shown.state
    assert await shown.follow(account)
    check_against_server(account, port)


async def test_two_gateways_see_an_account_first(
    account: MailAccount, filled: ModelServer, port: ModelPort, store: ShakyStore
) -> None:
    other = open_account(port, store)
    shown = [await glimpse(one) for one in (account, other)]
    assert shown[0].emails == shown[1].emails
    await other.refresh()
    assert await account.look()  # it does not know yet
    assert not await shown[0].follow(account)
    check_against_server(account, port)
    assert account.state("Email") == other.state("Email")
    assert await shown[1].follow(other)
    await other.close()


async def test_a_store_that_is_away(account: MailAccount, filled: ModelServer, store: ShakyStore) -> None:
    store.down = True
    shown = await glimpse(account)
    assert await shown.follow(account)
    store.down = False
    assert await shown.follow(account)


async def test_what_is_stored_needs_no_first_sight(
    account: MailAccount, filled: ModelServer, port: ModelPort, store: ShakyStore
) -> None:
    await account.refresh()
    await account.threads.ready()
    again = open_account(port, store)
    assert not await again.look()
    assert partial(again) is None
    await again.close()


async def test_the_index_is_begun_by_itself(filled: ModelServer, port: ModelPort, store: ShakyStore) -> None:
    account = open_account(port, store, quiet_seconds=0)
    told = asyncio.Event()
    async with asyncio.timeout(10), store.subscribe(f"account/{ACCOUNT}", lambda _: told.set()):
        assert await account.look()
        await told.wait()
    assert partial(account) is None
    check_against_server(account, port)
    await account.close()


async def test_what_comes_between_a_look_and_its_page_is_told(
    account: MailAccount, filled: ModelServer, port: ModelPort
) -> None:
    """The whole index finds it shown already, but the state of the look was given to clients without it."""

    def meddle(call: str) -> None:
        if call == "newest Work":
            filled.append("Work")

    assert await account.look()
    before = Glimpse.of(account)
    port.meddle = meddle
    await account.look_into(mailbox(account, "Work"))
    shown = Glimpse.of(account)
    (late,) = account.changes("Email", before.state).created  # RFC 8620 §5.2
    filled.append("Work")
    await account.refresh()
    (last,) = account.changes("Email", shown.state).created
    assert set(account.changes("Email", before.state).created) == {late, last}
    assert late in shown.emails
    assert await shown.follow(account)


async def test_a_page_that_shows_another_copy_is_a_correction(
    account: MailAccount, filled: ModelServer, store: ShakyStore
) -> None:
    filled.copy("INBOX", 20, "Work")
    shown = await glimpse(account)
    again = await glimpse(account, "Work")
    assert len(account.changes("Email", shown.state).updated) == 1
    await account.refresh()
    (_, message), *_ = store.published
    assert orjson.loads(message)["Email"] == again.state  # who listens was told of no state before
    assert await shown.follow(account)
    assert await again.follow(account)
