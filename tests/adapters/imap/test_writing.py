"""Changing mail on real servers (RFC 9051 §6.3, §6.4; RFC 4315, RFC 6851)."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from adapters.errors import AdapterError, Conflict, Forbidden, InvalidData, NotFound, Unsupported
from adapters.imap import utf7
from adapters.imap.backend import ImapMail
from adapters.imap.keywords import storable
from adapters.imap.stores import STREAMED
from adapters.ports.mail import FolderStatus
from adapters.ports.mail_write import FlagDelta, MailWritePort, Octets
from tests.adapters.imap.mailboxes import Tier, folder_named, opened, simple
from tests.servers.imap_client import ImapClient, imap_client
from tests.servers.users import User, fresh_user

pytestmark = pytest.mark.parametrize("tier", ["dovecot", "plain", "cyrus"], indirect=True)


@pytest.fixture
def user(tier: Tier) -> User:
    return fresh_user(tier.server)


@pytest.fixture
def imap(tier: Tier, user: User) -> Iterator[ImapClient]:
    with imap_client(tier.server, user) as client:
        yield client


@pytest.fixture
async def mail(tier: Tier, user: User) -> AsyncIterator[ImapMail]:
    async with opened(tier, user) as backend:
        yield backend


async def status(mail: ImapMail, path: str) -> FolderStatus:
    found = (await folder_named(mail, path)).status
    assert found is not None
    return found


def octets(message: bytes) -> Octets:
    async def read() -> AsyncIterator[bytes]:
        for start in range(0, len(message), 1000):
            yield message[start : start + 1000]

    return Octets(len(message), read)


def fill(imap: ImapClient, path: str, count: int) -> list[int]:
    for number in range(count):
        imap.append(path, simple(number))
    return imap.uids(path)


async def test_flags_change_by_deltas_and_leave_the_others_alone(mail: ImapMail, imap: ImapClient) -> None:
    assert isinstance(mail, MailWritePort)
    one, two, three = fill(imap, "INBOX", 3)
    imap.flag("INBOX", one, "+FLAGS", "\\Answered", "kept")
    imap.flag("INBOX", two, "+FLAGS", "old")
    validity = (await status(mail, "INBOX")).uid_validity
    add, none = frozenset({"$seen", "$forwarded"}), frozenset[str]()
    await mail.change_flags(
        "INBOX", validity, [FlagDelta((one, two), add, none), FlagDelta((two, three), none, frozenset({"old"}))]
    )
    assert {flag.lower() for flag in imap.flags("INBOX", one)} == {"\\answered", "kept", "\\seen", "$forwarded"}
    assert {flag.lower() for flag in imap.flags("INBOX", two)} == {"\\seen", "$forwarded"}
    assert imap.flags("INBOX", three) == set()


async def test_many_are_flagged_and_what_another_client_changed_meanwhile_is_not_told(
    mail: ImapMail, imap: ImapClient
) -> None:
    """RFC 7162 §3.1.3. So many that the answer is read as a stream."""
    uids = fill(imap, "INBOX", STREAMED + 2)
    seen = await status(mail, "INBOX")
    imap.flag("INBOX", uids[5], "+FLAGS", "other")
    delta = FlagDelta(tuple(uids), frozenset({"$flagged"}), frozenset())
    told = await mail.change_flags("INBOX", seen.uid_validity, [delta], seen.highest_modseq)
    for uid in uids:
        assert {flag.lower() for flag in imap.flags("INBOX", uid)} - {"other"} == {"\\flagged"}
    assert told.keys() == (set(uids) - {uids[5]} if seen.highest_modseq else set())
    assert all(modseq > seen.highest_modseq for modseq in told.values())


async def test_a_uid_of_another_life_of_the_folder_is_never_touched(mail: ImapMail, imap: ImapClient) -> None:
    imap.create("Life")
    (uid,) = fill(imap, "Life", 1)
    validity = (await status(mail, "Life")).uid_validity
    delta = FlagDelta((uid,), frozenset({"$flagged"}), frozenset())
    await mail.change_flags("Life", validity, [delta])
    with pytest.raises(Conflict):
        await mail.change_flags("Life", validity + 1, [delta])
    with pytest.raises(Conflict):
        await mail.copy("Life", validity + 1, [uid], "INBOX")
    with pytest.raises(NotFound):
        await mail.change_flags("Nowhere", 1, [delta])


async def test_permanent_keywords(mail: ImapMail) -> None:
    assert await mail.permanent_keywords("INBOX") is None  # all these servers take any


def test_permanentflags_are_read_as_keywords(tier: Tier) -> None:
    del tier
    assert storable(None) is None
    assert storable([[b"\\Seen", b"\\*"]]) is None
    assert storable([[b"\\Seen", b"\\Deleted", b"Work"]]) == frozenset({"$seen", "work"})
    assert storable([[]]) == frozenset()


async def test_copy_keeps_flags_and_tells_new_uids(tier: Tier, mail: ImapMail, imap: ImapClient) -> None:
    imap.create("Target")
    uids = fill(imap, "INBOX", 3)
    imap.flag("INBOX", uids[0], "+FLAGS", "\\Flagged")
    validity = (await status(mail, "INBOX")).uid_validity
    told = await mail.copy("INBOX", validity, uids[:2], "Target")
    copies = imap.uids("Target")
    assert (imap.uids("INBOX"), len(copies)) == (uids, 2)
    assert imap.flags("Target", copies[0]) == {"\\Flagged"}
    assert dict(told) in ({}, dict(zip(uids[:2], copies, strict=True)))
    assert told or tier.name == "plain"
    with pytest.raises(NotFound):
        await mail.copy("INBOX", validity, uids, "Nowhere")


async def test_move_and_expunge_remove_exactly_what_was_meant(tier: Tier, mail: ImapMail, imap: ImapClient) -> None:
    imap.create("Target")
    one, two, three, four = fill(imap, "INBOX", 4)
    imap.flag("INBOX", four, "+FLAGS", "\\Deleted")  # another client's, which must not go
    validity = (await status(mail, "INBOX")).uid_validity
    if tier.name == "plain":
        with pytest.raises(Unsupported):
            await mail.move("INBOX", validity, [one], "Target")
        with pytest.raises(Unsupported):
            await mail.expunge("INBOX", validity, [one])
        assert (imap.uids("INBOX"), imap.uids("Target")) == ([one, two, three, four], [])
        return
    told = await mail.move("INBOX", validity, [one], "Target")
    assert list(told) == [one]
    await mail.expunge("INBOX", validity, [two])
    assert imap.uids("INBOX") == [three, four]
    assert imap.uids("Target") == [told[one]]


async def test_append_is_stored_as_it_is(tier: Tier, mail: ImapMail, imap: ImapClient) -> None:
    message = simple(1, size=200_000)
    received_at = 1_700_000_000
    where = await mail.append("INBOX", octets(message), frozenset({"$draft", "$seen", "todo"}), received_at)
    (uid,) = imap.uids("INBOX")
    assert where.uid in (uid, 0)
    assert where.uid or tier.name == "plain"
    assert {flag.lower() for flag in imap.flags("INBOX", uid)} == {"\\draft", "\\seen", "todo"}
    validity = (await status(mail, "INBOX")).uid_validity
    assert b"".join([piece async for piece in mail.stream("INBOX", validity, uid, None)]) == message
    async for arrivals in mail.facts("INBOX", validity):
        assert list(arrivals.received) == [received_at]
    with pytest.raises(NotFound):
        await mail.append("Nowhere", octets(message), frozenset(), None)


async def test_folders_come_move_with_all_below_and_go(mail: ImapMail, imap: ImapClient) -> None:
    for path in ("Projects", "Projects/Übersicht", "Projects/Übersicht/2026", "Projectsold"):
        await mail.create_folder(path, None)
    for path in ("Projects", "Projects/Übersicht", "Projectsold"):
        await mail.subscribe(path, True)
    with pytest.raises(Conflict):
        await mail.create_folder("Projects", None)
    await mail.rename_folder("Projects", "Work")
    found = {folder.path: folder.subscribed for folder in await mail.folders() if folder.path[:1] in "PW"}
    assert found == {"Projectsold": True, "Work": True, "Work/Übersicht": True, "Work/Übersicht/2026": False}
    with pytest.raises(Conflict):
        await mail.rename_folder("Work", "Projectsold")
    await mail.subscribe("Work/Übersicht", False)
    await mail.delete_folder("Work/Übersicht/2026")
    await mail.delete_folder("Projectsold")
    await mail.create_folder("Projectsold", None)
    found = {folder.path: folder.subscribed for folder in await mail.folders() if folder.path[:1] in "PW"}
    assert found == {"Projectsold": False, "Work": True, "Work/Übersicht": False}
    with pytest.raises(NotFound):
        await mail.rename_folder("Nowhere", "Somewhere")
    for work in (mail.rename_folder("INBOX", "Old"), mail.delete_folder("inbox")):
        with pytest.raises(Forbidden):
            await work


async def test_a_folder_that_is_open_here_can_go(mail: ImapMail, imap: ImapClient) -> None:
    await mail.create_folder("Open", None)
    (uid,) = fill(imap, "Open", 1)
    validity = (await status(mail, "Open")).uid_validity
    await mail.change_flags("Open", validity, [FlagDelta((uid,), frozenset({"$seen"}), frozenset())])
    await mail.rename_folder("Open", "Opened")
    await mail.change_flags("Opened", validity, [FlagDelta((uid,), frozenset({"$flagged"}), frozenset())])
    assert imap.flags("Opened", uid) == {"\\Seen", "\\Flagged"}
    await mail.delete_folder("Opened")
    assert not {folder.path for folder in await mail.folders()} & {"Open", "Opened"}


HOSTILE_NAMES = (
    *("a\r\nA9 DELETE canary", "{3}", "{3+}\r\nabc", "\x00", "a\x7fb", "\uf70d\uf70a", "NIL", "inbox", "a" * 300),
    *(
        'a"b',
        "a\\b",
        "*",
        "%",
        "a*b",
        "&",
        "&AOk-",
        "a&b",
        "..",
        "../x",
        "~",
        "~root",
        "a b",
        " a",
        "a ",
        "日本",
        "🎉",
        "()",
    ),
)
NAMES = st.one_of(st.text(max_size=40), st.sampled_from(HOSTILE_NAMES))


async def delete(mail: ImapMail, path: str) -> None:
    """Cyrus keeps deleted mailboxes under their name and the second: the same name cannot go twice in one."""
    try:
        await mail.delete_folder(path)
    except Conflict:
        await asyncio.sleep(1.1)
        await mail.delete_folder(path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=NAMES)
@example(name="inbox")  # first, for somebody who has no INBOX yet
async def test_any_name_is_created_exactly_or_refused(mail: ImapMail, imap: ImapClient, name: str) -> None:
    """Row 14 of the threat model: nothing that a name holds becomes a command."""
    before = imap.mailboxes()
    try:
        await mail.create_folder(name, None)
    except AdapterError:
        assert imap.mailboxes() == before
        return
    created = {
        utf7.decode(wire.replace('\\"', '"').replace("\\\\", "\\").encode()) for wire in imap.mailboxes() - before
    }
    assert created <= {name, *(name[:end] for end, sign in enumerate(name) if sign == "/")}
    assert name in {folder.path for folder in await mail.folders()}
    for path in sorted(created | {name}, reverse=True):
        await delete(mail, path)
    assert imap.mailboxes() == before


HOSTILE_KEYWORDS = ("\\Deleted", "\\deleted", "a b", "{3}", "{3+}\r\nabc", "(", "x)", "*", "%", "$ok", "ok\r\nX LOGOUT")
KEYWORDS = st.one_of(st.text(max_size=20), st.sampled_from(HOSTILE_KEYWORDS))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(keyword=KEYWORDS)
async def test_any_keyword_is_stored_exactly_or_refused(mail: ImapMail, imap: ImapClient, keyword: str) -> None:
    r"""Row 16: a keyword is an atom, and never \Deleted."""
    uids = imap.uids("INBOX") or fill(imap, "INBOX", 1)
    imap.flag("INBOX", uids[0], "FLAGS")  # what an example that failed has left is no fault of the next one
    validity = (await status(mail, "INBOX")).uid_validity
    delta = FlagDelta(tuple(uids), frozenset({keyword}), frozenset())
    try:
        await mail.change_flags("INBOX", validity, [delta])
    except (InvalidData, Forbidden, Unsupported):
        assert imap.flags("INBOX", uids[0]) == set()
        return
    assert {flag.lower() for flag in imap.flags("INBOX", uids[0])} == {keyword.lower()}
    await mail.change_flags("INBOX", validity, [FlagDelta(tuple(uids), frozenset(), frozenset({keyword}))])
    assert imap.flags("INBOX", uids[0]) == set()
