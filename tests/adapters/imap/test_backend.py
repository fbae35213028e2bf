"""The mail backend on every kind of server: facts, fetch, sections, streams, search, threads."""

from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest

from adapters.errors import AuthFailed, Conflict, NotFound, Unavailable, Unsupported
from adapters.imap import indexing
from adapters.imap.backend import ImapMail
from adapters.imap.connection import Credentials, Endpoint
from adapters.imap.pool import PoolSettings
from adapters.ports.mail import FetchPlan, Section
from adapters.ports.mail_search import AllOf, AnyOf, Criterion, HeaderField, NoneOf, Text
from tests.adapters.imap.mailboxes import MIXED, Index, Tier, folder_named, opened, simple
from tests.servers.imap_client import ImapClient, imap_client
from tests.servers.users import User, fresh_user

PARTS_RIGHT = ["dovecot", "without-qresync", "plain", "cyrus"]
"""All but pymap, whose parts and BINARY.SIZE include what belongs to the boundary."""

BIG = simple(50, b"\r\n".join(b"line %d" % number for number in range(60_000)))


class Account(NamedTuple):
    """A user with three messages in INBOX, the last of them deleted: a simple one, and MIXED."""

    mail: ImapMail
    client: ImapClient
    uids: list[int]
    validity: int


@pytest.fixture
async def account(tier: Tier) -> AsyncIterator[Account]:
    """An account on each kind of server."""
    user = fresh_user(tier.server)
    with imap_client(tier.server, user) as client:
        client.append("INBOX", simple(1, b"haystack"), ["\\Seen"])
        client.append("INBOX", MIXED)
        client.append("INBOX", simple(3, b"needle"), ["\\Deleted"])
        async with opened(tier, user) as mail:
            inbox = await folder_named(mail, "INBOX")
            assert inbox.status is not None
            yield Account(mail, client, client.uids("INBOX"), inbox.status.uid_validity)


async def test_what_the_server_is(tier: Tier, account: Account) -> None:
    facts = await account.mail.open()
    source = {"dovecot": "x-guid", "without-qresync": "x-guid", "plain": "fingerprint"}.get(tier.name, "emailid")
    assert facts.id_source == source
    assert facts.thread_ids is (source == "emailid")
    assert facts.personal_prefix == ""


async def test_facts(tier: Tier, account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    mail, client, uids, validity = account
    for number in range(10, 17):
        client.append("INBOX", simple(number), date='"17-Jul-2026 02:44:25 +0200"')
    monkeypatch.setattr(indexing, "FIRST_BATCH", 2)
    monkeypatch.setattr(indexing, "BATCH", 4)
    batches = [batch async for batch in mail.facts("INBOX", validity)]
    shown = [*uids[:2], *client.uids("INBOX")[3:]]
    assert [list(batch.uids) for batch in batches] == [shown[-2:], shown[-6:-2], shown[:-6]]
    assert list(batches[0].received) == [1784249065] * 2
    assert batches[0].sizes[0] == len(tier.stored(simple(16)))
    inbox = Index()
    for batch in batches:
        inbox.add(batch)
    changes = Index()
    await changes.update(mail, "INBOX")
    assert inbox == Index(None, changes.flags, changes.ids)
    assert len(set(inbox.ids.values())) == 9


async def test_an_empty_folder(account: Account) -> None:
    account.client.create("Empty")
    folder = await folder_named(account.mail, "Empty")
    assert folder.status is not None
    assert folder.status.messages == 0
    validity = folder.status.uid_validity
    assert [batch async for batch in account.mail.facts("Empty", validity)] == []
    assert list(await account.mail.search("Empty", validity, Text("text", "a"))) == []
    assert await account.mail.fetch("Empty", validity, [7], FetchPlan()) == {}
    empty = Index()
    assert (await empty.update(account.mail, "Empty")).reset
    assert not (await empty.update(account.mail, "Empty")).reset


async def test_thread_headers(account: Account) -> None:
    mail, _, uids, validity = account
    wanted = [uids[1], uids[0], 4_000_000]
    (found,) = [batch async for batch in mail.thread_headers("INBOX", validity, wanted)]
    assert list(found.uids) == uids[:2]
    assert (found.message_ids[1], found.in_reply_to[1]) == (b"<mixed@example.org>", b"")
    assert found.references[1].split() == [b"<a@example.org>", b"<b@example.org>"]
    assert found.subjects[1] == b"=?utf-8?q?caf=C3=A9?="


async def test_fetch(tier: Tier, account: Account) -> None:
    mail, _, uids, validity = account
    plan = FetchPlan(frozenset({"Subject", "to"}), structure=True, preview=True)
    found = await mail.fetch("INBOX", validity, [*uids[:2], 4_000_000], plan)
    assert found.keys() == set(uids[:2])
    header = found[uids[1]].header
    assert header is not None
    assert set(header.splitlines()) == {b"To: bob@example.org", b"Subject: =?utf-8?q?caf=C3=A9?=", b""}
    structure = found[uids[1]].structure
    assert structure is not None
    assert structure.type == "multipart/mixed"
    assert [part.part_id for part in structure.sub_parts] == ["1", "2", "3"]
    assert structure.sub_parts[1].encoding == "base64"
    assert found[uids[1]].message is None
    whole = await mail.fetch("INBOX", validity, uids[:2], FetchPlan(None, whole=True))
    assert whole[uids[1]].message == tier.stored(MIXED)
    assert whole[uids[1]].header == tier.stored(MIXED[: MIXED.index(b"\r\n\r\n") + 4])
    everything = await mail.fetch("INBOX", validity, uids[:1], FetchPlan(None))
    assert everything[uids[0]].header == tier.stored(simple(1)[: simple(1).index(b"\r\n\r\n") + 4])
    assert await mail.fetch("INBOX", validity, [], plan) == {}


async def test_preview(dovecot_tier: Tier) -> None:
    user = fresh_user(dovecot_tier.server)
    with imap_client(dovecot_tier.server, user) as client:
        client.append("INBOX", MIXED)
        async with opened(dovecot_tier, user) as mail:
            inbox = await folder_named(mail, "INBOX")
            assert inbox.status is not None
            found = await mail.fetch("INBOX", inbox.status.uid_validity, [1], FetchPlan(preview=True))
            assert found[1].preview == "The needle in the text."
            assert found[1].header is None


async def test_a_message_younger_than_the_connection(tier: Tier, account: Account) -> None:
    mail, client, uids, validity = account
    await mail.fetch("INBOX", validity, uids[:1], FetchPlan())
    client.append("INBOX", simple(77))
    young = client.uids("INBOX")[-1]
    assert young in await mail.fetch("INBOX", validity, [young], FetchPlan())
    client.append("INBOX", simple(78))
    assert await mail.sections("INBOX", validity, {young + 1: [Section("1")]}) == {
        young + 1: {Section("1"): tier.stored(simple(78).partition(b"\r\n\r\n")[2])}
    }
    client.append("INBOX", simple(79))
    streamed = [piece async for piece in mail.stream("INBOX", validity, young + 2, None)]
    assert b"".join(streamed) == tier.stored(simple(79))
    client.append("INBOX", simple(80))
    (batch,) = [batch async for batch in mail.thread_headers("INBOX", validity, [young, young + 3])]
    assert list(batch.uids) == [young, young + 3]


@pytest.mark.parametrize("tier", PARTS_RIGHT, indirect=True)
async def test_sections(tier: Tier, account: Account) -> None:
    mail, _, uids, validity = account
    one, mixed = uids[:2]
    text, start, mime = Section("1"), Section("1", limit=5), Section("1", "mime")
    wanted = {
        one: [text, start, mime, Section("x"), Section(None, "mime")],
        mixed: [text, start, mime, Section("2"), Section("3.1", "mime"), Section(None, limit=7)],
        4_000_000: [text],
    }
    found = await mail.sections("INBOX", validity, wanted)
    assert found.keys() == {one, mixed}
    header, _, body = simple(1, b"haystack").partition(b"\r\n\r\n")
    header = tier.stored(header + b"\r\n\r\n")  # RFC 9051 §6.4.5: the header of the only part is the message's
    assert found[one] == {text: tier.stored(body), start: b"hayst", mime: header, Section(None, "mime"): header}
    assert found[mixed][text] == b"The needle in the text."
    assert found[mixed][start] == b"The n"
    assert found[mixed][mime] == tier.stored(b"Content-Type: text/plain; charset=utf-8\r\n\r\n")
    assert found[mixed][Section("2")] == b"AAECAwQFBgcICQ=="
    assert found[mixed][Section(None, limit=7)] == MIXED[:7]
    assert b"X-Inner: yes" in found[mixed][Section("3.1", "mime")]
    assert await mail.sections("INBOX", validity, {}) == {}


@pytest.mark.parametrize("tier", PARTS_RIGHT, indirect=True)
async def test_decoded_sizes(tier: Tier, account: Account) -> None:
    mail, _, uids, validity = account
    sizes = await mail.decoded_sizes("INBOX", validity, uids[1], ["1", "2"])
    assert sizes == ({} if tier.name == "plain" else {"1": 23, "2": 10})
    assert await mail.decoded_sizes("INBOX", validity, uids[1], []) == {}


async def test_stream(tier: Tier, account: Account) -> None:
    mail, client, uids, validity = account
    client.append("INBOX", BIG)
    big = client.uids("INBOX")[-1]
    pieces = [piece async for piece in mail.stream("INBOX", validity, big, None)]
    assert b"".join(pieces) == tier.stored(BIG)
    assert max(map(len, pieces)) <= 64 * 1024
    part = b"".join([piece async for piece in mail.stream("INBOX", validity, uids[1], "2")])
    assert part.rstrip() == b"AAECAwQFBgcICQ=="
    for uid, part_id in [(4_000_000, None), (uids[1], "x")]:
        with pytest.raises(NotFound):
            await anext(mail.stream("INBOX", validity, uid, part_id))
    async for piece in mail.stream("INBOX", validity, big, "1"):
        assert piece
        break  # a reader that goes away leaves a working backend
    assert len(await mail.fetch("INBOX", validity, uids, FetchPlan())) == 3


@pytest.mark.parametrize(
    ("criterion", "rows"),
    [
        (Text("text", "needle"), [1]),
        (Text("subject", "message 1"), [0]),
        (HeaderField("References", ""), [1]),
        (HeaderField("Message-ID", "<1@"), [0]),
        (AnyOf((Text("body", "needle"), Text("from", "ann"))), [0, 1]),
        (AllOf((NoneOf((Text("to", "bob"),)), Text("from", "ANN@example"))), [0]),
        (AnyOf(()), []),
    ],
)
async def test_search(account: Account, criterion: Criterion, rows: list[int]) -> None:
    found = await account.mail.search("INBOX", account.validity, criterion)
    assert list(found) == [account.uids[row] for row in rows]


@pytest.mark.parametrize("tier", PARTS_RIGHT, indirect=True)  # pymap searches the encoded header
@pytest.mark.parametrize(
    ("criterion", "rows"),
    [
        (Text("subject", "café"), [1]),
    ],
)
async def test_search_beyond_ascii(account: Account, criterion: Criterion, rows: list[int]) -> None:
    found = await account.mail.search("INBOX", account.validity, criterion)
    assert list(found) == [account.uids[row] for row in rows]


async def test_a_search_sees_what_has_just_come(account: Account) -> None:
    mail, client, _, validity = account
    await mail.search("INBOX", validity, Text("subject", "fresh"))
    client.append("INBOX", simple(5).replace(b"message", b"fresh"))
    assert list(await mail.search("INBOX", validity, Text("subject", "fresh"))) == client.uids("INBOX")[-1:]


async def test_another_uid_validity(tier: Tier, account: Account) -> None:
    mail, client, uids, validity = account
    for call in (
        mail.fetch("INBOX", validity + 1, uids, FetchPlan()),
        mail.search("INBOX", validity + 1, Text("text", "a")),
        mail.sections("INBOX", validity + 1, {uids[0]: [Section("1")]}),
        anext(mail.facts("INBOX", validity + 1)),
        anext(mail.thread_headers("INBOX", validity + 1, uids)),
        anext(mail.stream("INBOX", validity + 1, uids[0], None)),
    ):
        with pytest.raises(Conflict):
            await call
    with pytest.raises(NotFound):
        await mail.fetch("Nowhere", validity, uids, FetchPlan())
    with pytest.raises(NotFound):
        await mail.changes("Nowhere", None, Index())
    if tier.name == "pymap":
        return  # a session that holds a deleted mailbox sees the new one of that name
    client.create("Work")
    client.append("Work", simple(1))
    work = Index()
    await work.update(mail, "Work")
    client.remove("Work")
    client.create("Work")
    client.append("Work", simple(2))
    assert work.status is not None
    with pytest.raises(Conflict):  # never a message of the new folder under a UID of the old one
        await mail.fetch("Work", work.status.uid_validity, [1], FetchPlan(None))


async def test_after_the_server_hung_up(dovecot_tier: Tier) -> None:
    user = fresh_user(dovecot_tier.server)
    async with opened(dovecot_tier, user) as mail:
        inbox = await folder_named(mail, "INBOX")
        dovecot_tier.server.doveadm("kick", user.name)  # type: ignore[attr-defined]
        assert await folder_named(mail, "INBOX") == inbox
        assert await folder_named(mail, "INBOX") == inbox


async def test_logging_in(dovecot_tier: Tier) -> None:
    user = fresh_user(dovecot_tier.server)
    with pytest.raises(AuthFailed):
        async with opened(dovecot_tier, User(user.name, "wrong")):
            pass
    nobody = ImapMail(Endpoint("127.0.0.1", 1, tls="none"), Credentials(*user))
    with pytest.raises(Unavailable):
        await nobody.open()
    with pytest.raises(Unavailable):
        await nobody.folders()
    with pytest.raises(Unavailable):
        await nobody.changes("INBOX", None, Index())
    await nobody.close()
    endpoint = Endpoint(dovecot_tier.server.host, dovecot_tier.server.imap, tls="none")
    forced = ImapMail(endpoint, Credentials(*user), id_source="emailid", settings=PoolSettings(maximum=1))
    with pytest.raises(Unsupported):
        await forced.open()
    await forced.close()
