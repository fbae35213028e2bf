"""Mailboxes that others share: where there are any, and what a login may do there (RFC 2342, RFC 4314)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from adapters.errors import Unsupported
from adapters.imap import shared
from adapters.imap.folders import Place
from adapters.imap.shared import Share
from tests.adapters.imap.mailboxes import Index, Tier, opened, simple
from tests.adapters.imap.test_scripted import NO_GUID, playing, script
from tests.servers.cyrus import ADMIN, Cyrus
from tests.servers.dovecot import Dovecot
from tests.servers.imap_client import ImapClient, imap_client
from tests.servers.users import User, fresh_user


@dataclass(frozen=True)
class Server:
    """A kind of server, and what it calls the mailboxes of other users."""

    tier: Tier
    others: str


@pytest.fixture(params=["dovecot", "cyrus"])
def server(request: pytest.FixtureRequest) -> Server:
    fixture, others = {"dovecot": ("dovecot_shared", "shared/"), "cyrus": ("cyrus", "Other Users/")}[request.param]
    return Server(Tier(request.param, request.getfixturevalue(fixture), None), others)


@contextmanager
def sharing(server: Server, reader: User, **rights: str) -> Iterator[tuple[User, ImapClient]]:
    """Somebody who shares mailboxes by name, with a message in each."""
    owner = fresh_user(server.tier.server)
    with imap_client(server.tier.server, owner) as client:
        for name, given in rights.items():
            client.create(name)
            client.append(name, simple(len(name)))
            client.share(name, reader.name, given)
        yield owner, client


async def test_shares_are_found_by_owner(server: Server) -> None:
    reader = fresh_user(server.tier.server)
    with sharing(server, reader, One="lr", Two="lrswi") as (ann, _), sharing(server, reader, Three="l"):
        async with opened(server.tier, reader) as mail:
            (found,) = await mail.shares()
            top = f"{server.others}{ann.name}"
            assert found.place == Place(ann.name, f"{top}/", "/")
            assert found.place.top == top
            rights = {path: {*given} - {*"cd"} for path, given in found.rights.items()}  # RFC 4314 §2.1.1
            assert rights == {f"{top}/One": {*"lr"}, f"{top}/Two": {*"lrswi"}}
            assert not found.is_read_only


async def test_what_is_shared_is_read(server: Server) -> None:
    reader = fresh_user(server.tier.server)
    with sharing(server, reader, One="lr", Two="l") as (ann, _):
        async with opened(server.tier, reader) as own:
            (share,) = await own.shares()
            mail = own.shared(share)
            assert (await mail.open()).personal_prefix == f"{server.others}{ann.name}/"
            one, two = await mail.folders()
            assert (one.path, one.readable, two.readable) == (f"{share.place.prefix}One", True, False)
            assert one.status is not None
            assert (one.status.messages, two.status) == (1, None)
            await (index := Index()).update(mail, one.path)
            assert len(index.uids) == 1
            assert await mail.folders() is await mail.folders()
            assert mail.watched == "nothing"
            with pytest.raises(Unsupported):
                mail.hints()
            assert all(folder.path != one.path for folder in await own.folders())


async def test_a_connection_that_is_out_of_date_gives_way(server: Server) -> None:
    """What Dovecot lists on a connection is what was shared when it first looked."""
    reader = fresh_user(server.tier.server)
    with sharing(server, reader, One="lr") as (_, client):
        async with opened(server.tier, reader) as own, opened(server.tier, reader) as proof:
            mail = own.shared((await own.shares())[0])
            assert len(await mail.folders()) == 1
            for name, rights in (("One", "li"), ("Two", "lr")):
                if name not in client.mailboxes():
                    client.create(name)
                client.share(name, reader.name, rights)
            (mail.share,) = await proof.shares()
            assert {folder.path: folder.readable for folder in await mail.folders()} == {
                f"{mail.share.place.prefix}One": False,
                f"{mail.share.place.prefix}Two": True,
            }


async def test_a_public_namespace_is_nobodys(cyrus: Cyrus) -> None:
    tier, reader = Tier("cyrus", cyrus, None), fresh_user(cyrus)
    with imap_client(cyrus, User(ADMIN, cyrus.password(ADMIN))) as admin:
        for name in ("Public", "Public/News"):
            admin._ok(admin.imap.create(name))
            admin.share(name, "anyone", "")
            admin.share(name, ADMIN, "lrswikxtea")
        admin.share("Public/News", reader.name, "lrp")
        try:
            async with opened(tier, reader) as mail:
                (share,) = await mail.shares()
                assert share == Share(
                    Place(None, "Shared Folders/", "/"), {"Shared Folders/Public/News": frozenset("lrp")}
                )
                assert share.is_read_only
                (folder,) = await mail.shared(share).folders()
                assert (folder.path, folder.role) == ("Shared Folders/Public/News", None)
        finally:
            admin.remove("Public/News")
            admin.remove("Public")


async def test_no_more_owners_than_are_wanted(dovecot_shared: Dovecot, monkeypatch: pytest.MonkeyPatch) -> None:
    server, reader = Server(Tier("dovecot", dovecot_shared, None), "shared/"), fresh_user(dovecot_shared)
    monkeypatch.setattr(shared, "MOST", 1)
    with sharing(server, reader, One="lr"), sharing(server, reader, Two="lr"):
        async with opened(server.tier, reader) as mail:
            assert len(await mail.shares()) == 1


async def test_without_acl_nothing_is_shared() -> None:
    dialogue = f"C: A3 NAMESPACE\n{NAMESPACE}S: A3 OK x\n" + NO_GUID.replace("A3", "A4")
    async with playing(script("NAMESPACE", dialogue)) as mail:
        assert await mail.shares() == []


OTHERS = '(("Other Users/" "/"))'
NAMESPACE = f'S: * NAMESPACE (("" "/")) {OTHERS} NIL\n'
LISTED = 'S: * LIST () "/" "Other Users/*/a"\n'
OF_CAROL = 'S: * LIST () "/" "Other Users/carol/a"\n'


async def test_a_name_with_a_wildcard_brings_no_mailbox_of_others() -> None:
    """LIST cannot quote a wildcard: what a name matches besides belongs to somebody else."""
    capabilities = "ACL NAMESPACE LIST-EXTENDED LIST-STATUS LIST-MYRIGHTS"
    rights = 'S: * MYRIGHTS "Other Users/*/a" lr\nS: * MYRIGHTS "Other Users/carol/a" lr\n'
    numbers = (
        'S: * STATUS "Other Users/*/a" (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 7 UNSEEN 0)\n'
        'S: * STATUS "Other Users/carol/a" (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 8 UNSEEN 0)\n'
    )
    dialogue = (
        f"C: A3 NAMESPACE\n{NAMESPACE}S: A3 OK x\n"
        + NO_GUID.replace("A3", "A4")
        + f'C: A5 LIST "" "Other Users/*"\n{LISTED}S: A5 OK x\n'
        + f"C: *\n{LISTED}{OF_CAROL}{rights}S: A6 OK x\n"
        + "C: A7 NOOP\nS: A7 OK x\n"
        + f"C: *\n{LISTED}{OF_CAROL}S: A8 OK x\n"
        + f"C: *\n{LISTED}{OF_CAROL}{rights}S: A9 OK x\n"
        + f"C: *\n{LISTED}{OF_CAROL}{numbers}S: A10 OK x"
    )
    async with playing(script(capabilities, dialogue)) as own:
        (share,) = await own.shares()
        assert share == Share(Place("*", "Other Users/*/", "/"), {"Other Users/*/a": frozenset("lr")})
        (folder,) = await own.shared(share).folders()
        assert folder.path == "Other Users/*/a"
