"""Email/set and Mailbox/set where the server restricts, refuses or fails on the way."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from tests.client import JmapClient, jmap_client
from tests.faults.proxy import After, Cut, Delay, FaultProxy, Replace, Rule, Span
from tests.gateway import running_gateway
from tests.objects.mail.messages import message
from tests.servers.dovecot import Dovecot, DovecotOptions, running_dovecot
from tests.servers.fixtures import require_dovecot
from tests.servers.imap_client import imap_client
from tests.servers.users import MailServer, User, fresh_user


@dataclass(frozen=True)
class Behind:
    """A mail server as seen through a proxy."""

    host: str
    imap: int

    def password(self, user: str) -> str:
        return user

    def create_user(self, name: str) -> None:
        """They exist."""


@asynccontextmanager
async def through(proxy: FaultProxy, user: User) -> AsyncIterator[JmapClient]:
    async with running_gateway(Behind(proxy.host, proxy.port)) as url, jmap_client(url, *user) as jmap:
        yield jmap


@pytest.fixture
async def proxy(dovecot: Dovecot) -> AsyncIterator[FaultProxy]:
    async with FaultProxy("127.0.0.1", dovecot.imap) as found:
        yield found


@pytest.fixture
def user(dovecot: Dovecot) -> User:
    found = fresh_user(dovecot)
    with imap_client(dovecot, found) as imap:
        imap.append("INBOX", message("first"))
        imap.append("INBOX", message("second"))
    return found


async def email_ids(jmap: JmapClient) -> list[str]:
    ids: list[str] = (await jmap.call("Email/query"))["ids"]
    return ids


async def test_a_keyword_that_the_folder_cannot_store_is_told(proxy: FaultProxy, user: User) -> None:
    proxy.add(
        Rule("server", After.match(rb"\[PERMANENTFLAGS \(.*\\\*\)\]"), Replace(b"[PERMANENTFLAGS (\\Seen work)]"))
    )
    async with through(proxy, user) as jmap:
        one, two = await email_ids(jmap)
        patches = {
            one: {"keywords/work": True, "keywords/$seen": True},
            two: {"keywords/other": True, "keywords/$seen": True},
        }
        answer = await jmap.call("Email/set", update=patches)
        assert list(answer["updated"]) == [one]
        error = answer["notUpdated"][two]
        assert (error["type"], error["properties"]) == ("invalidProperties", ["keywords"])
        assert "other" in error["description"]
        found = await jmap.call("Email/get", ids=[one, two], properties=["keywords"])
        assert [email["keywords"] for email in found["list"]] == [{"work": True, "$seen": True}, {}]


async def test_a_flag_and_what_changed_is_three_round_trips(proxy: FaultProxy, user: User) -> None:
    """The look before, the STORE, the look after: the mailbox is selected once, and what was stored is no news."""
    async with through(proxy, user) as jmap:
        one, two = await email_ids(jmap)
        await jmap.call("Email/set", update={one: {"keywords/$flagged": True}})
        state = (await jmap.call("Email/get", ids=[]))["state"]
        before = proxy.turns
        await jmap.call("Email/set", update={two: {"keywords/$flagged": True}})
        changes = await jmap.call("Email/changes", sinceState=state)
        assert changes["updated"] == [two]
        assert proxy.turns - before == 3
        assert proxy.count(rb"SELECT") == 1


@pytest.mark.parametrize("name", ["dovecot", "cyrus"])
async def test_what_another_client_changes_right_before_is_seen(name: str, request: pytest.FixtureRequest) -> None:
    """His STORE gives both messages their modification sequence; ours, behind it, finds the flag set and gives none."""
    server: MailServer = request.getfixturevalue(name)
    user = fresh_user(server)
    with imap_client(server, user) as imap:
        for number in range(2):
            imap.append("INBOX", message(f"message {number}"))
        imap.select("INBOX")
        async with FaultProxy(server.host, server.imap) as proxy, through(proxy, user) as jmap:
            one, two = await email_ids(jmap)
            state = (await jmap.call("Email/get", ids=[]))["state"]

            stored: list[object] = []

            def meddle(sent: bytes, start: int) -> Span | None:
                span = After.match(rb"UID STORE").find(sent, start)
                if span is not None and not stored:
                    stored.extend(imap.uid("STORE", "1:2", "+FLAGS", "(\\Flagged \\Answered)"))
                return span

            proxy.add(Rule("client", After(meddle), Delay(0)))
            answer = await jmap.call("Email/set", update={one: {"keywords/$flagged": True}})
            assert answer["updated"].keys() == {one}
            assert stored
            found = await jmap.call("Email/get", ids=[one, two], properties=["keywords"])
            assert [email["keywords"] for email in found["list"]] == [{"$answered": True, "$flagged": True}] * 2
            assert set((await jmap.call("Email/changes", sinceState=state))["updated"]) == {one, two}


async def test_a_connection_that_is_lost_after_a_store_loses_nothing(proxy: FaultProxy, user: User) -> None:
    """Row 86 of the threat model: what was not answered is there wholly or not at all, and what is shown is true."""
    async with through(proxy, user) as jmap:
        one, two = await email_ids(jmap)
        await jmap.call("Email/set", update={one: {"keywords/$seen": True}})
        proxy.add(Rule("client", After.match(rb"UID STORE .*Flagged.*\r\n"), Cut()))
        answer = await jmap.call("Email/set", update={two: {"keywords/$flagged": True}})
        assert answer["notUpdated"][two]["type"] == "serverUnavailable"
        found = await jmap.call("Email/get", ids=[one, two], properties=["keywords"])
        assert found["list"][0]["keywords"] == {"$seen": True}
        assert found["list"][1]["keywords"] in ({}, {"$flagged": True})
        answer = await jmap.call("Email/set", update={two: {"keywords/$answered": True}})
        assert answer["notUpdated"] is None


async def test_a_round_of_flags_takes_one_command(proxy: FaultProxy, user: User) -> None:
    """DESIGN: a flag costs the look before it and one STORE, whatever the number of messages; no look after it."""
    async with through(proxy, user) as jmap:
        ids = await email_ids(jmap)
        await jmap.call("Email/set", update={ids[0]: {"keywords/$seen": True}})
        await jmap.call("Email/get", ids=[])  # a look that sees that STORE, so that the next has no news
        before = {connection: len(connection.sent["client"]) for connection in proxy.connections}
        answer = await jmap.call("Email/set", update={email_id: {"keywords/$flagged": True} for email_id in ids})
        sent = b"".join(each.sent["client"][before.get(each, 0) :] for each in proxy.connections)
        assert sorted(line.split()[1] for line in sent.splitlines()) == [b"LIST", b"NOOP", b"UID"]
        assert proxy.count(rb"^\S+ UID STORE 1:2 \(UNCHANGEDSINCE \d+\) \+FLAGS\.SILENT \(\\Flagged\)") == 1
        changes = await jmap.call("Email/changes", sinceState=answer["oldState"])
        assert (sorted(changes["updated"]), changes["newState"]) == (sorted(ids), answer["newState"])
        assert proxy.count(rb"\(CHANGEDSINCE") <= 1  # of the first pass after the folder was opened


@pytest.fixture(scope="module")
def guarded() -> Iterator[Dovecot]:
    """A Dovecot with access control lists."""
    require_dovecot()
    with running_dovecot(DovecotOptions(acl=True)) as server:
        yield server


async def test_rights_are_kept(guarded: Dovecot) -> None:
    """RFC 8621 §2: myRights says what may be done, and nothing else is."""
    user = fresh_user(guarded)
    with imap_client(guarded, user) as imap:
        for name in ("Readable", "Full"):
            imap.create(name)
            imap.append(name, message(name))
        imap.imap.setacl("Readable", user.name, "lrsa")
        async with running_gateway(guarded) as url, jmap_client(url, *user) as jmap:
            boxes = await jmap.mailbox_ids()
            (mine,) = (await jmap.call("Email/query", filter={"inMailbox": boxes["Readable"]}))["ids"]
            (other,) = (await jmap.call("Email/query", filter={"inMailbox": boxes["Full"]}))["ids"]
            assert (await jmap.call("Email/set", update={mine: {"keywords/$seen": True}}))["notUpdated"] is None
            refused: dict[str, list[dict[str, Any]]] = {
                mine: [{"keywords/$flagged": True}, {"mailboxIds": {boxes["Full"]: True}}],
                other: [{f"mailboxIds/{boxes['Readable']}": True}],
            }
            for email_id, patches in refused.items():
                for patch in patches:
                    answer = await jmap.call("Email/set", update={email_id: patch})
                    assert answer["notUpdated"][email_id]["type"] == "forbidden", patch
            answer = await jmap.call("Email/set", destroy=[mine])
            assert answer["notDestroyed"][mine]["type"] == "forbidden"
            box = boxes["Readable"]
            answer = await jmap.call(
                "Mailbox/set", update={box: {"name": "x"}}, create={"c": {"name": "c", "parentId": box}}
            )
            assert (answer["notUpdated"][box]["type"], answer["notCreated"]["c"]["type"]) == ("forbidden", "forbidden")
            answer = await jmap.call("Mailbox/set", destroy=[box], onDestroyRemoveEmails=True)
            assert answer["notDestroyed"][box]["type"] == "forbidden"
        assert imap.flags("Readable", 1) == {"\\Seen"}
