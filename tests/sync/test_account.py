"""An account on a model server: what is announced, and what is not."""

import asyncio
import json
from typing import Any

import pytest

from adapters.errors import Forbidden, Unavailable
from adapters.ports.mail import FolderDelta, FolderStatus, KnownMessages
from gateway.sync.account import MailAccount
from gateway.sync.committer import Superseded
from gateway.sync.journal import COUNTS, PUSHED, CannotCalculateChanges
from tests.sync.clients import check_against_server, view
from tests.sync.conftest import ShakyStore, open_account
from tests.sync.model import ModelPort, ModelServer


async def changed(account: MailAccount, type_name: str, since: str) -> tuple[list[str], list[str], list[str]]:
    await account.refresh()
    changes = account.changes(type_name, since)
    return changes.created, changes.updated, changes.destroyed


def only_email(account: MailAccount) -> str:
    (row,) = account.emails.all_rows()
    return account.emails.id(row)


async def test_first_pass_shows_everything(account: MailAccount, server: ModelServer, port: ModelPort) -> None:
    for number in range(7):
        server.append("INBOX", ["$seen"] if number % 2 else [])
    server.create("Empty")
    await account.refresh()
    check_against_server(account, port)
    inbox = account.mailboxes.by_path("INBOX")
    assert inbox is not None
    assert (inbox.total_emails, inbox.unread_emails, inbox.role) == (7, 4, "inbox")
    assert account.emails.row(account.emails.id(3)) == 3
    assert account.emails.row("m" + "0" * 26) is None


async def test_a_move_is_an_update(account: MailAccount, server: ModelServer) -> None:
    server.create("Work")
    uid = server.append("INBOX")
    await account.refresh()
    email, state, threads = only_email(account), account.state("Email"), account.state("Thread")
    server.move("INBOX", uid, "Work")
    assert await changed(account, "Email", state) == ([], [email], [])
    await account.threads.ready()
    with pytest.raises(CannotCalculateChanges):
        account.changes("Thread", threads)  # nothing was known of Threads then
    work = account.mailboxes.by_path("Work")
    assert work is not None
    assert account.emails.mailbox_ids(0) == [work.id]


async def test_unceasing_moves_destroy_nothing(account: MailAccount, server: ModelServer, port: ModelPort) -> None:
    server.create("Read first")
    server.create("Read then")
    uids = [server.append("Read then") for _ in range(12)]
    await account.refresh()
    emails, state = {account.emails.id(row) for row in account.emails.all_rows()}, account.state("Email")

    def move_and_flag(call: str) -> None:
        if call == "folders" and uids:
            server.flag("Read then", uids[0], [f"look{len(uids)}"])
        if call == "changes Read then" and uids:  # to where the pass has looked already
            server.move("Read then", uids.pop(), "Read first")

    port.meddle = move_and_flag
    created, updated, destroyed = await changed(account, "Email", state)
    assert 0 < len(uids) < 10
    assert (created, destroyed) == ([], [])
    assert set(updated) < emails
    port.meddle = lambda _call: None
    await account.refresh()
    check_against_server(account, port)


async def test_several_copies(account: MailAccount, server: ModelServer) -> None:
    server.create("Work")
    uid = server.append("INBOX", ["$seen", "a"])
    other = server.copy("INBOX", uid, "Work")
    twin = server.copy("INBOX", uid, "INBOX")
    server.flag("Work", other, ["b"])
    await account.refresh()
    email = only_email(account)
    assert account.emails.keywords(0) == {"a", "b"}  # $seen only where every copy is seen
    assert len(account.emails.copies(0)) == 3
    assert len(account.emails.mailbox_ids(0)) == 2
    assert [box.unread_emails for box in account.mailboxes.values()] == [1, 1]
    state = account.state("Email")
    server.flag("Work", other, ["$seen"])
    assert await changed(account, "Email", state) == ([], [email], [])
    assert account.emails.keywords(0) == {"a", "$seen"}
    state = account.state("Email")
    server.expunge("INBOX", twin)
    assert await changed(account, "Email", state) == ([], [], [])  # one copy less is no change to a client
    server.expunge("INBOX", uid)
    assert await changed(account, "Email", state) == ([], [email], [])
    server.expunge("Work", other)
    state = account.state("Email")
    assert await changed(account, "Email", state) == ([], [], [email])
    assert account.emails.row(email) is None


async def test_drafts_are_not_unread(account: MailAccount, server: ModelServer) -> None:
    server.append("INBOX", ["$draft"])
    await account.refresh()
    assert next(iter(account.mailboxes.values())).unread_emails == 0
    assert account.emails.unread_rows() == b"\0"
    assert account.emails.keyword_rows("$draft") == b"\1"


@pytest.mark.parametrize("mailbox_ids", [True, False])
async def test_uid_validity_change_announces_nothing(server: ModelServer, store: ShakyStore, mailbox_ids: bool) -> None:
    account = open_account(ModelPort(server, mailbox_ids=mailbox_ids), store)
    for _ in range(3):
        server.append("INBOX", ["work"])
    await account.refresh()
    await account.threads.ready()
    states = {name: account.state(name) for name in ("Email", "Mailbox", "Thread")}
    server.renumber("INBOX")
    await account.refresh()
    assert {name: account.state(name) for name in states} == states
    assert [copy.uid for row in account.emails.all_rows() for copy in account.emails.copies(row)] == [1, 2, 3]
    await account.close()


@pytest.mark.parametrize("mailbox_ids", [True, False])
async def test_rename_and_recreate(server: ModelServer, store: ShakyStore, mailbox_ids: bool) -> None:
    port = ModelPort(server, mailbox_ids=mailbox_ids)
    account = open_account(port, store)
    server.create("Work")
    server.create("Gone")
    server.append("Work")
    await account.refresh()
    work, gone = account.mailboxes.by_path("Work"), account.mailboxes.by_path("Gone")
    assert work is not None
    assert gone is not None
    email, state = account.state("Email"), account.state("Mailbox")
    server.rename("Work", "Play")
    server.delete("Gone")
    server.create("Gone")
    created, updated, destroyed = await changed(account, "Mailbox", state)
    assert (updated, destroyed) == ([work.id], [gone.id])
    assert len(created) == 1
    assert account.mailboxes[work.id].path == "Play"
    assert account.state("Email") == email
    await account.close()


async def test_another_mailbox_in_the_place_of_one(server: ModelServer, store: ShakyStore) -> None:
    """Without native ids a new UIDVALIDITY with other messages is a new Mailbox, counted from nothing."""
    port = ModelPort(server, mailbox_ids=False)
    account = open_account(port, store)
    server.create("Work")
    server.append("Work")
    await account.refresh()
    mailboxes, emails = account.state("Mailbox"), account.state("Email")
    server.delete("Work")
    server.create("Work")
    server.append("Work")
    created, updated, destroyed = await changed(account, "Mailbox", mailboxes)
    assert (len(created), updated, len(destroyed)) == (1, [], 1)
    created, updated, destroyed = await changed(account, "Email", emails)
    assert (len(created), updated, len(destroyed)) == (1, [], 1)
    check_against_server(account, port)
    await account.close()


async def test_only_counts_changed(account: MailAccount, server: ModelServer) -> None:
    uid = server.append("INBOX")
    await account.refresh()
    state = account.state("Mailbox")
    server.flag("INBOX", uid, ["$seen"])
    await account.refresh()
    assert account.changes("Mailbox", state).updated_properties == COUNTS
    server.folders["INBOX"].subscribed = False
    await account.refresh()
    assert account.changes("Mailbox", state).updated_properties is None


async def test_threads_change_with_their_members(account: MailAccount, server: ModelServer) -> None:
    server.create("Sent", role="sent")
    root = server.append("INBOX", ["$seen"], headers=("<a@x>", "", "", "Plan"))
    await account.refresh()
    (thread,) = await view(account, "Thread")
    mailboxes, state = account.state("Mailbox"), account.state("Thread")
    reply = server.append("Sent", headers=("<b@x>", "", "<a@x>", "Re: Plan"))
    assert await changed(account, "Thread", state) == ([], [thread], [])
    # RFC 8621 §2: the unread reply makes the thread unread in the inbox as well
    assert len(account.changes("Mailbox", mailboxes).updated) == 2
    inbox = account.mailboxes.by_path("INBOX")
    assert inbox is not None
    assert await account.threads.counts(inbox.id) == (1, 1)
    state = account.state("Thread")
    alone = server.append("INBOX", headers=("<c@x>", "", "", "Plan"))
    created, updated, destroyed = await changed(account, "Thread", state)
    assert (len(created), updated, destroyed) == (1, [], [])
    state = account.state("Thread")
    for path, uid in (("INBOX", root), ("Sent", reply), ("INBOX", alone)):
        server.expunge(path, uid)
    assert sorted((await changed(account, "Thread", state))[2]) == sorted([thread, *created])
    assert await account.threads.members(thread) is None


async def test_the_trash_rule(account: MailAccount, server: ModelServer) -> None:
    """RFC 8621 §2: the example of unreadThreads."""
    server.create("Trash")
    server.append("INBOX", ["$seen"], headers=("<a@x>", "", "", "Plan"))
    server.append("Trash", [], headers=("<b@x>", "", "<a@x>", "Re: Plan"))
    await account.refresh()
    counts = {box.path: await account.threads.counts(box.id) for box in account.mailboxes.values()}
    assert counts == {"INBOX": (1, 0), "Trash": (1, 1)}


async def test_thread_ids_before_the_index_is_built(account: MailAccount, server: ModelServer) -> None:
    for number in range(9):
        server.append(
            "INBOX", headers=(f"<{number}@x>", "", f"<{number - number % 3}@x>" if number % 3 else "", "Plan")
        )
    await account.refresh()
    assert not account.snapshot.threads.complete
    newest = account.emails.all_rows()[-2:]
    early = await account.threads.thread_ids(newest)
    assert early[0] == early[1]
    await account.threads.ready()
    assert await account.threads.thread_ids(newest) == early
    members = await account.threads.members(early[0])
    assert members is not None
    assert [account.emails.received_at[row] for row in members] == sorted(
        account.emails.received_at[row] for row in members
    )
    assert len(await view(account, "Thread")) == 3


def move_once(port: ModelPort, call: str, uid: int, path: str, target: str) -> None:
    """Move a message right before the first such call."""
    calls = iter([call])

    def meddle(name: str) -> None:
        if name == call and next(calls, None):
            port.server.move(path, uid, target)

    port.meddle = meddle


REPLY = ("<b@x>", "", "<a@x>", "Re: Plan")


async def test_a_reply_that_is_moved_before_its_headers_are_read(
    account: MailAccount, server: ModelServer, port: ModelPort
) -> None:
    """As a client does that stores a draft, sends it, and files it: its Thread is for good (RFC 8621 §3)."""
    server.create("Drafts")
    server.create("Sent")
    server.append("INBOX", headers=("<a@x>", "", "", "Plan"))
    await account.refresh()
    await account.threads.ready()
    move_once(port, "headers Drafts", server.append("Drafts", headers=REPLY), "Drafts", "Sent")
    await account.refresh()
    await account.refresh()
    assert len(await view(account, "Thread")) == 1


async def test_a_thread_id_that_is_asked_for_while_the_email_is_moved(
    account: MailAccount, server: ModelServer, port: ModelPort
) -> None:
    server.create("Sent")
    server.append("INBOX", headers=("<a@x>", "", "", "Plan"))
    uid = server.append("INBOX", headers=REPLY)
    await account.refresh()
    move_once(port, "headers INBOX", uid, "INBOX", "Sent")
    early = await account.threads.thread_ids(account.emails.all_rows()[-1:])
    await account.threads.ready()
    assert early == list(await view(account, "Thread"))


async def test_threads_that_are_complete_when_a_pass_is_half_done(server: ModelServer, store: ShakyStore) -> None:
    """The pass began when threading was not its business."""

    class Waiting(ModelPort):
        async def changes(self, path: str, since: FolderStatus | None, known: KnownMessages) -> FolderDelta:
            await account.threads.ready()
            return await super().changes(path, since, known)

    account = open_account(Waiting(server), store)
    server.append("INBOX", headers=("<a@x>", "", "", "Plan"))
    await account.refresh()
    assert not account.snapshot.threads.complete
    server.append("INBOX", headers=REPLY)
    await account.refresh()
    assert len(await view(account, "Thread")) == 1
    await account.close()


async def test_native_threads(server: ModelServer, store: ShakyStore) -> None:
    account = open_account(ModelPort(server, thread_ids=True), store)
    server.append("INBOX", headers=("<a@x>", "", "", "T1"))
    server.append("INBOX", headers=("<b@x>", "", "", "T1"))
    await account.refresh()
    state = account.state("Thread")
    assert len(await view(account, "Thread")) == 1
    assert "headers INBOX" not in account.port.calls  # type: ignore[attr-defined]
    server.append("INBOX", headers=("<c@x>", "", "", "T2"))
    assert len((await changed(account, "Thread", state))[0]) == 1
    await account.close()


async def test_equal_messages_on_a_plain_server(server: ModelServer, store: ShakyStore) -> None:
    """Two messages that look alike are two Emails; moving one keeps both ids."""
    account = open_account(ModelPort(server, source="fingerprint", condstore=False, mailbox_ids=False), store)
    server.create("Work")
    for _ in range(2):
        server.append("INBOX", fingerprint="same", received=5)
    await account.refresh()
    ids = account.emails.ids(account.emails.all_rows())
    assert len(set(ids)) == 2
    state = account.state("Email")
    server.move("INBOX", 1, "Work")
    created, updated, destroyed = await changed(account, "Email", state)
    assert (created, len(updated), destroyed) == ([], 1, [])
    assert sorted(account.emails.ids(account.emails.all_rows())) == sorted(ids)
    await account.close()


async def test_flag_changes_without_condstore(server: ModelServer, store: ShakyStore) -> None:
    account = open_account(ModelPort(server, condstore=False), store)
    uid = server.append("INBOX")
    await account.refresh()
    state = account.state("Email")
    server.flag("INBOX", uid, ["$flagged"])
    assert len((await changed(account, "Email", state))[1]) == 1
    await account.close()


async def test_only_folders_that_moved_are_looked_into(
    account: MailAccount, server: ModelServer, port: ModelPort, store: ShakyStore
) -> None:
    server.create("Work")
    server.append("INBOX")
    server.append("Work")
    await account.refresh()
    await account.threads.ready()
    port.calls.clear()
    commits = len(store.commits)
    await account.refresh()
    assert port.calls == ["folders"]
    assert len(store.commits) == commits
    server.flag("Work", 1, ["$seen"])
    await account.refresh()
    assert port.calls == ["folders", "folders", "changes Work"]


async def test_a_failed_pass_leaves_the_old_state(account: MailAccount, server: ModelServer, port: ModelPort) -> None:
    server.create("Work")
    server.append("INBOX")
    await account.refresh()
    await account.threads.ready()
    before = account.snapshot
    server.append("Work")
    server.append("INBOX")
    for calls in range(4):
        port.failing = calls
        with pytest.raises(Unavailable):
            await account.refresh()
        assert account.snapshot is before
    port.failing = None
    await account.refresh()
    check_against_server(account, port)


async def test_a_folder_that_closes_costs_only_itself(
    account: MailAccount, server: ModelServer, port: ModelPort
) -> None:
    """Rights may go between the listing and the look."""

    def close(call: str) -> None:
        if call.endswith(" Work"):
            raise Forbidden("NOPERM")

    server.create("Work")
    await account.refresh()
    server.append("Work")
    server.append("INBOX")
    port.meddle = close
    await account.refresh()
    boxes = {box.path: box.total_emails for box in account.mailboxes.values()}
    assert boxes == {"INBOX": 1, "Work": 0}
    server.create("Play")
    port.meddle = lambda _: None
    await account.refresh()
    check_against_server(account, port)


async def test_a_new_folder_that_is_closed_waits(account: MailAccount, server: ModelServer, port: ModelPort) -> None:
    def close(call: str) -> None:
        if call == "facts Work":
            raise Forbidden("NOPERM")

    server.create("Work")
    server.append("Work")
    port.meddle = close
    await account.refresh()
    assert len(account.emails) == 0
    port.meddle = lambda _: None
    await account.refresh()
    check_against_server(account, port)


async def test_passes_are_shared_honestly(account: MailAccount, server: ModelServer, port: ModelPort) -> None:
    await account.refresh()
    await account.threads.ready()
    port.calls.clear()
    await asyncio.gather(*(account.refresh() for _ in range(10)))
    assert port.calls == ["folders"]
    running = asyncio.create_task(account.refresh())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    server.append("INBOX")
    port.calls.clear()
    await asyncio.gather(*(account.refresh() for _ in range(10)))  # came after the pass began: the next one is theirs
    assert account.emails.alive == 1
    await running


async def test_others_may_be_first_several_times(
    account: MailAccount, server: ModelServer, port: ModelPort, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two gateways that write the same account are no reason for serverUnavailable."""
    await account.refresh()
    commit, forestalled = account._current.committer.commit, 5

    async def contended(*arguments: Any, **how: Any) -> None:
        nonlocal forestalled
        if forestalled:
            forestalled -= 1
            raise Superseded
        await commit(*arguments, **how)

    monkeypatch.setattr(account._current.committer, "commit", contended)
    server.append("INBOX")
    await account.refresh()
    assert not forestalled
    check_against_server(account, port)


async def test_a_cancelled_caller_harms_nobody(account: MailAccount, server: ModelServer) -> None:
    first, second = asyncio.create_task(account.refresh()), asyncio.create_task(account.refresh())
    await asyncio.sleep(0)
    first.cancel()
    await second
    assert len(account.mailboxes) == 1


async def test_readers_keep_their_view(account: MailAccount, server: ModelServer) -> None:
    uid = server.append("INBOX", ["$seen"])
    await account.refresh()
    emails, mailboxes = account.emails, account.mailboxes
    server.flag("INBOX", uid, [])
    server.append("INBOX")
    await account.refresh()
    assert emails.keywords(0) == {"$seen"}
    assert (emails.alive, len(emails.all_rows()), [box.total_emails for box in mailboxes.values()]) == (1, 1, [1])
    assert account.emails.keywords(0) == frozenset()


async def test_states_are_published(account: MailAccount, server: ModelServer, store: ShakyStore) -> None:
    await account.refresh()
    await account.threads.ready()
    store.published.clear()
    server.append("INBOX")
    await account.refresh()
    ((channel, message),) = store.published
    assert channel == "account/a1"
    assert all(account.state(name) in message.decode() for name in ("Email", "Mailbox", "Thread"))


async def test_the_first_states_are_told(account: MailAccount, server: ModelServer, store: ShakyStore) -> None:
    """RFC 8620 §7.3: who listened before anything was seen is told of what came before the first pass."""
    server.append("INBOX")
    await account.refresh()
    (_, message), *_ = store.published
    told = json.loads(message)
    assert told.keys() == set(PUSHED)
    assert told["Email"] == account.state("Email")


async def test_search_results_become_rows(account: MailAccount, server: ModelServer) -> None:
    for _ in range(40):
        server.append("INBOX")
    await account.refresh()
    inbox = account.mailboxes.by_path("INBOX")
    assert inbox is not None
    for uids in ([3, 1, 99], list(range(40, 0, -1))):
        rows = account.emails.uids_to_rows(inbox.id, uids)
        assert [account.emails.best_copy(row).uid for row in rows] == [uid for uid in uids if uid <= 40]
    assert list(account.emails.uids_to_rows("unknown", [1])) == []


async def test_more_than_256_keyword_sets(account: MailAccount, server: ModelServer) -> None:
    for number in range(300):
        server.append("INBOX", [f"k{number}"])
    await account.refresh()
    assert account.emails.keyword_rows("k299").count(1) == 1
    assert account.emails.unread_rows().count(1) == 300


async def test_the_end_of_the_trash_counts_in_all_mailboxes(account: MailAccount, server: ModelServer) -> None:
    server.create("Trash")
    server.append("INBOX", ["$seen"], headers=("<1@x>", "", "", "Plan"))
    server.append("Trash", headers=("<2@x>", "", "<1@x>", "Plan"))
    await account.refresh()
    inbox = account.mailboxes.by_path("INBOX")
    assert inbox is not None
    assert await account.threads.counts(inbox.id) == (1, 0)
    state = account.state("Mailbox")
    server.rename("Trash", "Plans")
    _, updated, _ = await changed(account, "Mailbox", state)
    assert await account.threads.counts(inbox.id) == (1, 1)
    assert inbox.id in updated
