"""What servers say of their folders, and the listing with fresh numbers on every kind of server."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from adapters.imap import receiving, utf7
from adapters.imap.folders import (
    Listed,
    Namespaces,
    Place,
    chunk_names,
    decode_path,
    folder_status,
    is_virtual,
    largest,
    native_id,
    parse_list,
    parse_namespaces,
    parse_rights,
    parse_status,
)
from adapters.imap.listing import recounted
from adapters.imap.responses import Continuation, Tagged, Untagged, parse_response
from adapters.imap.sentinel import Sentinel
from adapters.imap.streams import Wire
from adapters.ports.mail import FolderStatus
from tests.adapters.imap.mailboxes import Tier, folder_named, opened, simple
from tests.servers.cyrus import Cyrus
from tests.servers.dovecot import DovecotOptions, running_dovecot
from tests.servers.imap_client import imap_client
from tests.servers.users import fresh_user


def response(line: bytes) -> Untagged:
    parsed = parse_response([b"* " + line])
    assert isinstance(parsed, Untagged)
    return parsed


@pytest.mark.parametrize(
    ("line", "path", "role", "selectable"),
    [
        (b'LIST (\\HasNoChildren) "/" INBOX', "INBOX", "inbox", True),
        (b'LIST () "." Inbox', "INBOX", "inbox", True),
        (b'LIST (\\sent) "/" "Sent Items"', "Sent Items", "sent", True),
        (b'LIST (\\Marked \\UnMarked) "/" Drafts', "Drafts", None, True),
        (b'LIST (\\NoSelect) "/" a/b', "a/b", None, False),
        (b'LIST (\\NonExistent \\Subscribed) "/" a', "a", None, False),
        (b"LIST (\\Trash \\Junk) NIL &U,BTFw-", "\u53f0\u5317", "trash", True),
        (b'LIST () "/" NIL', "NIL", None, True),
        (b'LIST () "\\\\" "a\\\\b"', "a\\b", None, True),
    ],
)
def test_list(line: bytes, path: str, role: str | None, selectable: bool) -> None:
    listed = parse_list(response(line))
    assert listed is not None
    assert (listed.path, listed.role, listed.selectable) == (path, role, selectable)


@pytest.mark.parametrize("line", [b"LIST", b"LIST () NIL", b"LIST x NIL a", b"LIST () () a", b"LIST () NIL (a)"])
def test_no_list(line: bytes) -> None:
    assert parse_list(response(line)) is None


def test_status() -> None:
    parsed = parse_status(response(b"STATUS inbox (MESSAGES 3 uidnext 9 UIDVALIDITY 4 HIGHESTMODSEQ 5 UNSEEN 1)"))
    assert parsed is not None
    assert parsed[0] == "INBOX"
    assert folder_status(parsed[1]) == FolderStatus(4, 9, 3, 1, 5)
    assert folder_status({b"MESSAGES": b"3", b"UIDNEXT": b"x", b"UIDVALIDITY": b"1"}) is None
    assert parse_status(response(b"STATUS inbox")) is None
    assert parse_status(response(b"STATUS (a) (b)")) is None
    assert parse_rights(response(b"MYRIGHTS a lrs")) == ("a", frozenset("lrs"))
    assert parse_rights(response(b"MYRIGHTS a")) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([b"F2212ea87-6097"], "F2212ea87-6097"),
        (b"58876b00786c036b", "58876b00786c036b"),
        ([b"M\x16.:.V"], None),  # Cyrus 3.6 in LIST … RETURN (STATUS (MAILBOXID))
        ([b"M\xff"], None),
        ([b"a", b"b"], None),
        (b"x" * 256, None),
        (b"", None),
        (None, None),
    ],
)
def test_native_id(value: bytes | list[bytes | None] | None, expected: str | None) -> None:
    assert native_id(value) == expected  # type: ignore[arg-type]


def test_namespaces() -> None:
    dovecot = parse_namespaces(response(b'NAMESPACE (("" "/")("Virtual/" "/")) (("shared/" "/")) NIL'))
    assert (dovecot.prefix, dovecot.delimiter) == ("", "/")
    assert list(dovecot.views()) == ["Virtual/"]
    assert dovecot.is_personal("sharedness")
    assert not dovecot.is_personal("shared/alice/Team")
    assert not dovecot.is_personal("shared")
    courier = parse_namespaces(response(b'NAMESPACE (("INBOX." ".")) NIL (("#shared." ".")("" "."))'))
    assert courier.prefix == "INBOX."
    assert courier.is_personal("INBOX")
    assert courier.is_personal("INBOX.Work")
    assert not courier.is_personal("Public")
    assert not courier.is_personal("#shared.x")
    assert parse_namespaces(response(b"NAMESPACE NIL NIL NIL")) == Namespaces()


def test_places_of_others() -> None:
    dovecot = parse_namespaces(response(b'NAMESPACE (("" "/")) (("shared/" "/")) (("Public/" "/"))'))
    assert dovecot.place("shared/bob/Team/Plans") == Place("bob", "shared/bob/", "/")
    assert dovecot.place("shared/bob") == Place("bob", "shared/bob/", "/")
    assert dovecot.place("Public/News") == Place(None, "Public/", "/")
    assert [dovecot.place(path) for path in ("INBOX", "Work", "shared", "shared/")] == [None] * 4
    uw = parse_namespaces(response(b'NAMESPACE (("" "/")) (("~" "/")) NIL'))
    assert uw.place("~bob/mail") == Place("bob", "~bob/", "/")
    courier = parse_namespaces(response(b'NAMESPACE (("INBOX." ".")) NIL (("#shared." ".")("" "."))'))
    assert courier.place("Anything") == Place(None, "", ".")
    assert courier.place("#shared.x") == Place(None, "#shared.", ".")


def test_virtual() -> None:
    everything = Listed("Everything", "/", frozenset({"\\all"}))
    assert is_virtual(everything, [], views_by_use=True)
    assert not is_virtual(everything, [], views_by_use=False)
    for path, expected in {"Virtual": True, "Virtual/All": True, "Virtually": False, "a/Virtual/b": False}.items():
        assert is_virtual(Listed(path, "/", frozenset()), ["Virtual/"], views_by_use=True) is expected


def test_the_mailbox_to_hold() -> None:
    def of(messages: int) -> FolderStatus:
        return FolderStatus(1, 1, messages, 0, 0)

    assert largest([("INBOX", of(0)), ("a", of(0))], None) == "INBOX"
    assert largest([("INBOX", of(5)), ("a", of(9))], "INBOX") == "INBOX"
    assert largest([("INBOX", of(5)), ("a", of(11))], "INBOX") == "a"
    assert largest([("INBOX", of(5)), ("a", of(9))], "gone") == "a"
    assert largest([], "gone") is None


def test_no_command_is_too_long() -> None:
    names = [f"folder number {number} \u53f0" for number in range(2000)]
    groups = list(chunk_names(names))
    assert [name for group in groups for name in group] == names
    assert len(groups) < 60
    assert all(sum(len(utf7.encode(name)) + 3 for name in group) <= 7000 for group in groups)


def test_names_come_back() -> None:
    assert decode_path(utf7.encode("Entw\u00fcrfe & mehr")) == "Entw\u00fcrfe & mehr"
    assert decode_path(None) == "NIL"


# on real servers


async def test_a_listing(tier: Tier) -> None:
    user = fresh_user(tier.server)
    with imap_client(tier.server, user) as client:
        client.append("INBOX", simple(1), ["\\Seen"])
        client.append("INBOX", simple(2))
        client.create("&U,BTFw-")
        client.create("Work")
        client._ok(client.imap.unsubscribe("Work"))
        async with opened(tier, user) as mail:
            folders = {folder.path: folder for folder in await mail.folders()}
            assert folders.keys() >= {"INBOX", "\u53f0\u5317", "Work"}
            inbox = folders["INBOX"]
            assert (inbox.role, inbox.selectable, inbox.virtual) == ("inbox", True, False)
            assert inbox.status is not None
            assert (inbox.status.messages, inbox.status.unseen) == (2, 1)
            assert (inbox.status.highest_modseq > 0) is (tier.name not in ("plain", "pymap"))
            assert folders["\u53f0\u5317"].subscribed
            assert not folders["Work"].subscribed
            assert all(folder.status is not None for folder in folders.values() if folder.selectable)
            ids = [folder.native_id for folder in folders.values() if folder.selectable]
            if tier.name == "plain":
                assert not any(ids)
            else:
                assert all(ids)
                assert len(set(ids)) == len(ids)
            assert (inbox.rights is None) is (tier.name != "cyrus")
            if tier.name not in ("pymap", "cyrus"):
                assert folders["Sent"].role == "sent"
            if tier.name == "cyrus":
                assert inbox.rights is not None
                assert set("lrs") <= inbox.rights


async def test_numbers_are_fresh(tier: Tier) -> None:
    """Also those of the mailbox that the connection holds open, and of one that has just been made."""
    user = fresh_user(tier.server)
    with imap_client(tier.server, user) as client:
        client.create("Work")
        async with opened(tier, user) as mail:
            await mail.folders()
            for number in range(1, 6):
                for path in ("INBOX", "Work"):
                    client.append(path, simple(number))
                    status = (await folder_named(mail, path)).status
                    assert status is not None
                    assert (status.messages, status.unseen) == (number, number)
            client.flag("INBOX", client.uids("INBOX")[0], "+FLAGS", "\\Seen")
            inbox = await folder_named(mail, "INBOX")
            assert inbox.status is not None
            assert inbox.status.unseen == 4
            client.create("New")
            client.append("New", simple(9))
            new = await folder_named(mail, "New")
            assert new.status is not None
            assert new.status.messages == 1
            client.remove("New")
            assert "New" not in {folder.path for folder in await mail.folders()}


async def test_a_folder_keeps_its_id(tier: Tier) -> None:
    user = fresh_user(tier.server)
    with imap_client(tier.server, user) as client:
        client.create("Work")
        client.append("Work", simple(1))
        async with opened(tier, user) as mail:
            work = await folder_named(mail, "Work")
            client.rename("Work", "Play")
            play = await folder_named(mail, "Play")
            assert work.native_id == play.native_id
            client.remove("Play")
            client.create("Play")
            again = await folder_named(mail, "Play")
            if tier.name != "pymap":  # it gives the same id again
                assert again.native_id != play.native_id or again.native_id is None
            assert again.status is not None
            assert play.status is not None
            assert again.status.uid_validity != play.status.uid_validity


async def test_the_largest_mailbox_goes(tier: Tier) -> None:
    """The mailbox that the sentinel holds is renamed, then deleted: the listing goes on."""
    user = fresh_user(tier.server)
    with imap_client(tier.server, user) as client:
        client.create("Work")
        for number in range(3):
            client.append("Work", simple(number))
        async with opened(tier, user) as mail:
            for _ in range(2):
                assert (await folder_named(mail, "Work")).status is not None
            client.rename("Work", "Play")
            for _ in range(2):
                status = (await folder_named(mail, "Play")).status
                assert status is not None
                assert status.messages == 3
            client.remove("Play")
            for _ in range(2):
                paths = {folder.path for folder in await mail.folders()}
                assert not paths & {"Work", "Play"}
                assert "INBOX" in paths


async def test_what_happens_in_the_held_mailbox(tier: Tier) -> None:
    """Its STATUS is the session's view of it, which is never older than the call."""
    user = fresh_user(tier.server)
    with imap_client(tier.server, user) as client:
        client.append("INBOX", simple(0))
        async with opened(tier, user) as mail:

            async def told() -> FolderStatus:
                status = (await folder_named(mail, "INBOX")).status
                assert status is not None
                return status

            await told()
            for number in range(1, 3):
                before = await told()
                client.append("INBOX", simple(number))
                arrived = await told()
                assert (arrived.messages, arrived.uid_next) == (before.messages + 1, before.uid_next + 1)
                client.flag("INBOX", before.uid_next, "+FLAGS", "\\Flagged")
                flagged = await told()
                assert not flagged.highest_modseq or flagged.highest_modseq > arrived.highest_modseq
                client.delete("INBOX", client.uids("INBOX")[0])
                left = await told()
                assert left.messages == before.messages
                assert not left.highest_modseq or left.highest_modseq > flagged.highest_modseq


async def test_a_listing_is_one_round_trip(tier: Tier, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the server lists with STATUS and nothing happened; and it is the very same list then."""
    user = fresh_user(tier.server)
    with imap_client(tier.server, user) as client:
        client.append("INBOX", simple(1))
        async with opened(tier, user) as mail:
            for _ in range(3):
                before = await mail.folders()
            writes: list[Wire] = []
            flush = Wire._flush

            def counted(wire: Wire) -> None:
                writes.append(wire)
                flush(wire)

            monkeypatch.setattr(Wire, "_flush", counted)
            same = await mail.folders()
            assert same == before
            if tier.name in ("dovecot", "cyrus"):
                assert same is before
                assert len(writes) == 1
            client.append("INBOX", simple(2))
            assert await mail.folders() != before


async def test_a_listing_that_says_the_same_is_not_read_again(tier: Tier, monkeypatch: pytest.MonkeyPatch) -> None:
    user = fresh_user(tier.server)
    read: list[Sequence[bytes]] = []

    def counted(pieces: Sequence[bytes], *, depth: int) -> Tagged | Untagged | Continuation:
        read.append(pieces)
        return parse_response(pieces, depth=depth)

    with imap_client(tier.server, user) as client:
        for number in range(30):
            client.create(f"Folder {number}")
        async with opened(tier, user) as mail:
            for _ in range(3):
                before = await mail.folders()
            monkeypatch.setattr(receiving, "parse_response", counted)
            assert await mail.folders() == before
            if tier.name in ("dovecot", "cyrus"):
                assert len(read) == 2  # the completions of LIST and NOOP
            client.append("Folder 7", simple(2))
            assert await mail.folders() != before
            assert any(b"Folder 7" in pieces[0] for pieces in read)


LISTED = [
    response(line)
    for line in (
        b'LIST () "/" a',
        b"STATUS a (MESSAGES 3 UIDNEXT 4 UIDVALIDITY 7 UNSEEN 1 HIGHESTMODSEQ 9)",
        b'LIST () "/" b',
        b"STATUS b (MESSAGES 3 UIDNEXT 4 UIDVALIDITY 8 UNSEEN 1 HIGHESTMODSEQ 9 X-GUID c2)",
    )
]


@pytest.mark.parametrize(
    ("at", "line", "numbers"),
    [
        (
            3,
            b"STATUS b (MESSAGES 4 UIDNEXT 5 UIDVALIDITY 8 UNSEEN 2 HIGHESTMODSEQ 11 X-GUID c2)",
            {"b": FolderStatus(8, 5, 4, 2, 11)},
        ),
        (1, b"STATUS a (MESSAGES 3 UIDNEXT 4 UIDVALIDITY 7 UNSEEN 1 HIGHESTMODSEQ 9)", {}),
        (1, b"STATUS a (MESSAGES 3 UIDNEXT 4 UIDVALIDITY 6 UNSEEN 1 HIGHESTMODSEQ 9)", None),
        (1, b"STATUS a (MESSAGES 3 UIDNEXT 4 UIDVALIDITY 7 UNSEEN 1)", None),
        (1, b"STATUS c (MESSAGES 3 UIDNEXT 4 UIDVALIDITY 7 UNSEEN 1 HIGHESTMODSEQ 9)", None),
        (1, b"STATUS a", None),
        (3, b"STATUS b (MESSAGES 3 UIDNEXT 4 UIDVALIDITY 8 UNSEEN 1 HIGHESTMODSEQ 9 X-GUID c3)", None),
        (2, b'LIST (\\Subscribed) "/" b', None),
        (1, b'LIST () "/" c', None),
    ],
)
def test_only_numbers_may_move_without_the_listing_being_read(
    at: int, line: bytes, numbers: dict[str, FolderStatus] | None
) -> None:
    now = [response(line) if number == at else one for number, one in enumerate(LISTED)]
    assert recounted(LISTED, now) == numbers
    assert recounted(LISTED, [*LISTED, response(line)]) is None
    assert recounted(LISTED, LISTED[:3]) is None


@pytest.mark.parametrize("tier", ["dovecot"], indirect=True)
async def test_folders_of_which_nothing_is_told_stay_what_they_are(tier: Tier) -> None:
    user = fresh_user(tier.server)
    with imap_client(tier.server, user) as client:
        for path in ("Work", "Play"):
            client.create(path)
        async with opened(tier, user) as mail, opened(tier, user) as other:
            await mail.folders()  # the first one asks for names before numbers
            for number in range(3):
                before = {folder.path: folder for folder in await mail.folders()}
                client.append("Work", simple(number))
                now = await mail.folders()
                assert {folder.path for folder in now if folder is not before[folder.path]} == {"Work"}
                assert {folder.path: folder for folder in now} == {one.path: one for one in await other.folders()}
            client.remove("Play")
            client.create("Play")
            assert await folder_named(mail, "Play") == await folder_named(other, "Play")


async def test_a_parent_that_is_no_mailbox(tier: Tier) -> None:
    r"""Maildir++ lists a deleted parent, at times without \Noselect: it is none, and costs only itself."""
    user = fresh_user(tier.server)
    with imap_client(tier.server, user) as client:
        client.create("Top")
        client.create("Top/Below")
        client.append("Top", simple(0))
        client.append("Top/Below", simple(1))
        async with opened(tier, user) as mail:
            assert (await folder_named(mail, "Top")).status is not None
            if tier.name == "cyrus":
                return  # it refuses with HASCHILDREN
            client.remove("Top")
            folders = {folder.path: folder for folder in await mail.folders()}
            assert "Top" not in folders or (folders["Top"].status, folders["Top"].selectable) == (None, False)
            status = folders["Top/Below"].status
            assert status is not None
            assert status.messages == 1


async def test_virtual_folders_and_rights() -> None:
    with running_dovecot(DovecotOptions(virtual_all=True, acl=True)) as server:
        user = fresh_user(server)
        with imap_client(server, user) as client:
            client.append("INBOX", simple(1))
            async with opened(Tier("virtual", server, None), user) as mail:
                for _ in range(2):
                    folders = {folder.path: folder for folder in await mail.folders()}
                    assert folders["Virtual/All"].virtual
                    assert folders["Virtual/All"].status is None
                    inbox = folders["INBOX"]
                    assert not inbox.virtual
                    assert inbox.status is not None
                    assert inbox.rights is not None
                    assert set("lrswi") <= inbox.rights


async def test_rights_are_read_again(cyrus: Cyrus) -> None:
    user = fresh_user(cyrus)
    with imap_client(cyrus, user) as client:
        client.create("Work")
        async with opened(Tier("cyrus", cyrus, None), user) as mail:
            before = (await folder_named(mail, "Work")).rights
            assert before is not None
            client._ok(client.imap.setacl("Work", user.name, "lrsa"))
            assert (await folder_named(mail, "Work")).rights == before
            sentinel = mail._sentinel
            assert isinstance(sentinel, Sentinel)
            sentinel._rights_until = 0.0
            after = (await folder_named(mail, "Work")).rights
            assert after is not None
            assert {"i", "w"} <= before - after


async def test_a_server_that_lists_garbage_ids(cyrus: Cyrus) -> None:
    """An id that is none is asked for by opening the mailbox."""
    tier = Tier("cyrus", cyrus, None)
    user = fresh_user(tier.server)
    async with opened(tier, user) as mail:
        inbox = await folder_named(mail, "INBOX")
        sentinel = mail._sentinel
        assert isinstance(sentinel, Sentinel)
        ids = sentinel._ids
        ids._ids.clear()
        assert inbox.status is not None
        await ids._by_opening("INBOX", inbox.status)
        assert ids._ids == {("INBOX", inbox.status.uid_validity): inbox.native_id}
        await ids._by_opening("Nowhere", replace(inbox.status, uid_next=9))
        assert len(ids._ids) == 1
