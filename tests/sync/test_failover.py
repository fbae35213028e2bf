"""What survives a store that loses the last commits, as a failover may: no state is mistaken for another."""

import pytest

from gateway.store.sqlite import SqliteStore
from gateway.sync.account import MailAccount
from gateway.sync.calendars.account import CalendarAccount
from gateway.sync.calendars.index import EVENT
from gateway.sync.journal import CannotCalculateChanges, ChangeSet
from gateway.sync.ledger import Edit, Ledger
from tests.sync.calendars.model import Home, event
from tests.sync.calendars.model import ModelPort as CalendarPort
from tests.sync.conftest import ShakyStore, open_account
from tests.sync.model import ModelPort, ModelServer


def email_changes(account: MailAccount, state: str) -> ChangeSet:
    return account.changes("Email", state)


async def test_mail(account: MailAccount, server: ModelServer, port: ModelPort, store: ShakyStore) -> None:
    """One gateway told of a commit that is lost then; the other never heard of it, and goes on in its place."""
    server.append("INBOX")
    await account.refresh()
    other = open_account(port, store)
    await other.refresh()
    old = account.state("Email")
    saved = await store.saved()
    server.append("INBOX")
    await account.refresh()
    lost = account.state("Email")
    await store.fail_over(saved, "second")
    for replica in (other, account):
        server.append("INBOX")
        await replica.refresh()
    third = open_account(port, store)
    for replica in (other, third):
        await replica.refresh()
    for replica in (account, other, third):
        assert len(email_changes(replica, old).created) == 3
        assert replica.state("Email") == account.state("Email")
        with pytest.raises(CannotCalculateChanges):  # RFC 8620 §5.2: rather than two of the three
            email_changes(replica, lost)
    await other.close()
    await third.close()


async def test_nothing_that_was_kept_is_refused(account: MailAccount, server: ModelServer, store: ShakyStore) -> None:
    server.append("INBOX")
    await account.refresh()
    states = [account.state("Email")]
    for number in range(5):
        await store.fail_over(await store.saved(), f"history {number}")
        server.append("INBOX")
        await account.refresh()
        states.append(account.state("Email"))
    assert [len(email_changes(account, state).created) for state in states] == [5, 4, 3, 2, 1, 0]


async def test_one_that_is_cut_off_knows_no_states_of_the_others(
    account: MailAccount, server: ModelServer, port: ModelPort, store: ShakyStore
) -> None:
    server.append("INBOX")
    await account.refresh()
    apart = ShakyStore(store.inner)
    other = open_account(port, apart)
    await other.refresh()
    apart.down = True
    server.append("INBOX", headers=("<1@x>", "", "", "told by one"))
    await account.refresh()
    told = account.state("Email")
    server.append("INBOX", headers=("<2@x>", "", "", "and one more"))
    await other.refresh()
    with pytest.raises(CannotCalculateChanges):  # its commit of that number has both
        email_changes(other, told)
    await other.close()


async def test_calendars() -> None:
    home, store = Home(), ShakyStore()

    def opened() -> CalendarAccount:
        return CalendarAccount("a", "dav/a", CalendarPort(home), store, store_retry_seconds=0.0)

    home.add_calendar("work/")
    one, other = opened(), opened()
    await one.refresh()
    await other.refresh()
    old = one.state(EVENT)
    saved = await store.saved()
    home.write("work/", "1.ics", event("u1"))
    await one.refresh()
    lost = one.state(EVENT)
    await store.fail_over(saved, "second")
    home.write("work/", "2.ics", event("u2"))
    await other.refresh()
    await one.refresh()
    for replica in (one, other):
        assert len(replica.changes(EVENT, old).created) == 2
        with pytest.raises(CannotCalculateChanges):
            replica.changes(EVENT, lost)
        await replica.close()


async def test_what_the_gateway_keeps() -> None:
    store = ShakyStore()
    ledger = Ledger(store, "a", ["Thing", "Other"])

    async def put(name: str) -> str:
        await ledger.commit(lambda _: Edit(put={"Thing": {name: {"id": name}}}), ["Thing"])
        return await ledger.state("Thing")

    old = await put("a")
    saved = await store.saved()
    lost = await put("b")
    await store.fail_over(saved, "second")
    with pytest.raises(CannotCalculateChanges):
        await ledger.changes("Thing", lost, None)
    await put("c")
    assert (await ledger.changes("Thing", old, None)).created == ["c"]
    with pytest.raises(CannotCalculateChanges):
        await ledger.changes("Thing", lost, None)


async def test_what_never_changed_has_one_state() -> None:
    """At each gateway, after a restart, and whatever else changes: a client that comes again is told nothing."""
    store = SqliteStore(None)
    first, second = (Ledger(store, "a", ["Thing", "Other"]) for _ in range(2))
    state = await first.state("Other")
    assert await second.state("Other") == state
    await first.commit(lambda _: Edit(put={"Thing": {"a": {"id": "a"}}}), ["Thing"])
    assert await second.state("Other") == state
    assert (await second.changes("Other", state, None)).new_state == state
    assert (await second.changes("Thing", state, None)).created == ["a"]
    await store.close()
