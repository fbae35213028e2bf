"""Reading mail while the connections to the mail server break: the truth, or that the server cannot be reached
(RFC 8620 §3.6.2 serverUnavailable), never something else; the next request is right, and nobody else is harmed."""

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from tests.client import JmapClient, jmap_client
from tests.faults.conftest import SUBJECTS, Refused, filled, open_connections, read_all, through
from tests.faults.proxy import (
    Action,
    After,
    Cut,
    Delay,
    Drip,
    FaultProxy,
    HalfOpen,
    Inject,
    Replace,
    Reset,
    Rule,
    Span,
    Stall,
)
from tests.objects.mail.messages import message
from tests.servers.dovecot import Dovecot
from tests.servers.imap_client import imap_client
from tests.servers.users import User, fresh_user
from tests.waiting import until

POOL = 4
IN_A_BODY = rb"one body, one body, "
IN_A_FETCH = rb"^\* \d+ FETCH \(UID \d+"
FOLDERS = rb"^\* LIST "

FATAL: dict[str, tuple[bytes, Action]] = {
    "end in a body": (IN_A_BODY, Cut()),
    "reset in a body": (IN_A_BODY, Reset()),
    "end in a fetch": (IN_A_FETCH, Cut()),
    "reset in a listing": (FOLDERS, Reset()),
    "silence in a body": (IN_A_BODY, Stall()),
    "silence in a listing": (FOLDERS, Stall()),
    "gone without a word": (IN_A_FETCH, HalfOpen()),
    "one octet at a time": (FOLDERS, Drip(2)),
    "a literal of 4 GB": (rb"BODY\[\] \{\d+\}", Replace(b"BODY[] {4294967295}")),
    "parentheses without end": (FOLDERS, Inject(b"(" * 100_000 + b"\r\n")),
    "a line without end": (FOLDERS, Inject(b"x" * 3_000_000)),
    "an answer to nothing": (rb"^\S+ OK (List|Fetch)", Inject(b" done\r\nZ999 OK Never asked.\r\n")),
}
HARMLESS: dict[str, tuple[bytes, Action]] = {
    "pauses": (IN_A_FETCH, Delay(0.1)),
    "remarks": (rb"^\* LIST [^\r]*\r\n", Inject(b"* OK Still here\r\n" * 1000)),
    "an unasked BAD": (rb"^\* LIST [^\r]*\r\n", Inject(b"* BAD Invalid tag\r\n")),
    "flags that nobody asked for": (rb"\A\* OK [^\r]*\r\n", Inject(b"* 1 FETCH (FLAGS (\\Seen))\r\n")),
}


def parameters(faults: dict[str, tuple[bytes, Action]]) -> list[Any]:
    return [pytest.param(moment, action, id=name) for name, (moment, action) in faults.items()]


# A fetch may be silent for two minutes, because servers read big messages before they say anything: too long for here.
# An answer to nothing comes after the real one, so it ends the connection and not the request.
LASTING = {
    name: fault
    for name, fault in FATAL.items()
    if name not in ("silence in a body", "gone without a word", "an answer to nothing")
}


@pytest.mark.parametrize(("moment", "action"), parameters(LASTING))
async def test_a_fault_that_stays(jmap: JmapClient, proxy: FaultProxy, moment: bytes, action: Action) -> None:
    truth = await read_all(jmap)
    proxy.cut_all()
    proxy.add(Rule("server", After.match(moment), action, times=None))
    with pytest.raises(Refused):
        await read_all(jmap)
    proxy.rules.clear()
    proxy.cut_all()
    assert await read_all(jmap) == truth
    assert truth["emails"].keys() == SUBJECTS
    assert open_connections(proxy) <= POOL


@pytest.mark.parametrize(("moment", "action"), parameters(FATAL))
async def test_a_fault_that_passes(jmap: JmapClient, proxy: FaultProxy, moment: bytes, action: Action) -> None:
    truth = await read_all(jmap)
    proxy.add(Rule("server", After.match(moment), action))
    for _ in range(3):
        try:
            assert await read_all(jmap) == truth
        except Refused:
            continue
    assert await read_all(jmap) == truth
    assert open_connections(proxy) <= POOL


@pytest.mark.parametrize(("moment", "action"), parameters(HARMLESS))
async def test_what_a_server_may_do(jmap: JmapClient, proxy: FaultProxy, moment: bytes, action: Action) -> None:
    truth = await read_all(jmap)
    proxy.cut_all()
    proxy.add(Rule("server", After.match(moment), action, times=None))
    assert await read_all(jmap) == truth


async def test_a_server_that_hangs_for_one_user_serves_another(
    url: str, jmap: JmapClient, proxy: FaultProxy, dovecot: Dovecot
) -> None:
    await read_all(jmap)
    async with jmap_client(url, *filled(dovecot)) as bystander:
        truth = await read_all(bystander)
        rule = Rule("server", After.match(FOLDERS), Stall())
        proxy.add(rule)
        stuck = asyncio.create_task(read_all(jmap))
        await until(lambda: not rule.times)
        assert await read_all(bystander) == truth
        assert not stuck.done()
        await asyncio.gather(stuck, return_exceptions=True)


async def test_a_server_that_is_down_and_back(jmap: JmapClient, proxy: FaultProxy) -> None:
    truth = await read_all(jmap)
    await proxy.refuse()
    proxy.cut_all()
    with pytest.raises(Refused):
        await read_all(jmap)
    await proxy.accept()
    assert await read_all(jmap) == truth


@pytest.mark.parametrize(
    "greeting", [b"* BYE [LIMIT] Too many connections\r\n", b"* BYE Maximum number of connections\r\n"]
)
async def test_a_greeting_that_refuses_for_now(url: str, user: User, proxy: FaultProxy, greeting: bytes) -> None:
    async with jmap_client(url, *user) as jmap:
        await read_all(jmap)
        proxy.cut_all()
        proxy.add(Rule("server", After.match(rb"\A\* OK [^\r]*\r\n"), Replace(greeting), times=2))
        assert (await read_all(jmap))["emails"].keys() == SUBJECTS  # waited for within the gateway
        assert not any(rule.times for rule in proxy.rules)


async def test_a_limit_on_connections_is_kept_from_the_client(proxy: FaultProxy, dovecot: Dovecot) -> None:
    """Another client of the user holds most of what the server allows."""
    user = filled(dovecot)
    others = [imap_client(dovecot, user) for _ in range(9)]
    for other in others:
        other.__enter__()
    try:
        async with through(proxy, dovecot) as url, jmap_client(url, *user) as jmap:
            answers = await asyncio.gather(*(read_all(jmap) for _ in range(6)))
            assert all(answer == answers[0] for answer in answers)
    finally:
        for other in others:
            other.__exit__(None, None, None)


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (b"NO [UNAVAILABLE] Try again later.", 503),
        (b"NO [AUTHENTICATIONFAILED] Authentication failed.", 401),
        (b"NO Temporary authentication failure.", 503),
        (b"BAD Internal error", 503),
    ],
)
async def test_an_outage_of_authentication_is_no_wrong_password(
    url: str, user: User, proxy: FaultProxy, reply: bytes, status: int
) -> None:
    def answered(sent: bytes, start: int) -> Span | None:
        """The tagged OK to the log-in, without its tag."""
        found = After.match(rb"^\w+ OK \[CAPABILITY[^\r]*").find(sent, start)
        return None if found is None else (sent.index(b" ", found[0]) + 1, found[1])

    proxy.add(Rule("server", After(answered), Replace(reply), times=None))
    headers = {"Authorization": aiohttp.encode_basic_auth(*user)}
    async with aiohttp.ClientSession(headers=headers) as http:
        async with http.get(f"{url}/.well-known/jmap") as answer:
            assert answer.status == status  # a 401 would make clients forget the password
        proxy.rules.clear()
        async with http.get(f"{url}/.well-known/jmap") as answer:
            assert answer.status == (200 if status == 503 else 401)  # a refusal is remembered for some seconds


# What other clients do meanwhile


def whenever(moment: bytes, act: Callable[[], object]) -> Rule:
    """Once, when the gateway sends this, somebody acts before the server hears of it."""
    at = After.match(moment)

    def find(sent: bytes, start: int) -> Span | None:
        found = at.find(sent, start)
        if found is not None:
            act()
            return found[0], found[0]
        return None

    return Rule("client", After(find), Delay(0))


async def test_a_message_that_moves_while_it_is_fetched(
    jmap: JmapClient, user: User, proxy: FaultProxy, dovecot: Dovecot
) -> None:
    before = await read_all(jmap)
    first = before["emails"]["first"]["id"]
    with imap_client(dovecot, user) as imap:
        uid = imap.uids("INBOX")[0]
        proxy.add(whenever(rb"^\w+ UID FETCH \d+ \(UID BODY\.PEEK", lambda: imap.move("INBOX", uid, "Other")))
        answer = await jmap.call("Email/get", ids=[first], fetchTextBodyValues=True)
    assert not any(rule.times for rule in proxy.rules)
    assert [email["bodyValues"] for email in answer["list"]] == [{"1": before["emails"]["first"]["bodyValues"]["1"]}], (
        "found where it went"
    )
    (email,) = (await jmap.call("Email/get", ids=[first], properties=["mailboxIds"]))["list"]
    assert email["mailboxIds"] == {before["boxes"]["Other"]["id"]: True}


async def test_a_message_that_is_destroyed_while_it_is_fetched(
    jmap: JmapClient, user: User, proxy: FaultProxy, dovecot: Dovecot
) -> None:
    first = (await read_all(jmap))["emails"]["first"]["id"]
    with imap_client(dovecot, user) as imap:
        uid = imap.uids("INBOX")[0]
        proxy.add(whenever(rb"^\w+ UID FETCH \d+ \(UID BODY\.PEEK", lambda: imap.delete("INBOX", uid)))
        answer = await jmap.call("Email/get", ids=[first], fetchTextBodyValues=True)
    # Either answer was true at some time of the request; half of a message never is.
    assert answer["notFound"] == [first] or answer["list"][0]["bodyValues"]["1"]["value"].endswith("the end\n")
    assert (await jmap.call("Email/get", ids=[first], properties=["id"]))["notFound"] == [first]


@pytest.mark.parametrize("guids", [True, False])
async def test_a_new_uidvalidity_changes_no_meaning(proxy: FaultProxy, dovecot: Dovecot, guids: bool) -> None:
    """The server forgets its UIDs: the same messages come under other numbers, in another order."""
    user = filled(dovecot)
    keys = {} if guids else {"backends__default__imap__id_source": "fingerprint"}
    async with through(proxy, dovecot, **keys) as url, jmap_client(url, *user) as jmap:
        before = await read_all(jmap)
        state = (await jmap.call("Email/get", ids=[]))["state"]
        with imap_client(dovecot, user) as imap:
            imap.append("Other", message("third"))
            imap.rename("Other", "Aside")
            imap.create("Other")
            for uid in reversed(imap.uids("Aside")):
                imap.copy("Aside", uid, "Other")
            imap.remove("Aside")
        changes = await jmap.call("Email/changes", sinceState=state)
        after = await read_all(jmap)
    assert after["emails"]["second"]["id"] == before["emails"]["second"]["id"]
    assert changes["created"] == [after["emails"]["third"]["id"]]
    assert changes["destroyed"] == []


async def test_expunges_that_the_server_does_not_tell_are_noticed(
    jmap: JmapClient, user: User, proxy: FaultProxy, dovecot: Dovecot
) -> None:
    before = await read_all(jmap)
    state = (await jmap.call("Email/get", ids=[]))["state"]
    proxy.add(Rule("server", After.match(rb"^\* VANISHED [^\r]*\r\n"), Replace(b""), times=None))
    with imap_client(dovecot, user) as imap:
        imap.delete("INBOX", imap.uids("INBOX")[0])
    changes = await jmap.call("Email/changes", sinceState=state)
    assert changes["destroyed"] == [before["emails"]["first"]["id"]]  # by the count of messages


# Two users


async def test_nothing_of_one_user_is_found_by_another(url: str, jmap: JmapClient, dovecot: Dovecot) -> None:
    owned = await read_all(jmap)
    email = owned["emails"]["With attachment"]
    blobs = [email["blobId"], email["attachments"][0]["blobId"]]
    upload = (await jmap.upload(b"mine"))["blobId"]
    async with jmap_client(url, *fresh_user(dovecot)) as stranger:
        asked = {
            "Email/get": {"ids": [email["id"], "unknown"]},
            "Thread/get": {"ids": [email["threadId"], "unknown"]},
            "Mailbox/get": {"ids": [owned["boxes"]["Other"]["id"], "unknown"]},
        }
        for name, arguments in asked.items():
            answer = await stranger.call(name, **arguments)
            assert (answer["list"], sorted(answer["notFound"])) == ([], sorted(arguments["ids"]))
        parsed = await stranger.call("Email/parse", blobIds=[*blobs, upload])
        assert sorted(parsed["notFound"]) == sorted([*blobs, upload])
        assert (await stranger.call("Email/query", filter={"inMailbox": owned["boxes"]["Other"]["id"]}))["ids"] == []
        own, statuses = stranger.account, set()
        for account in (own, jmap.account, "unknown"):
            stranger.account = account
            for blob in [*blobs, upload, "unknown"]:
                async with stranger.http.get(stranger.download_url(blob)) as response:
                    statuses.add(response.status)
            if account != own:
                for name, arguments in asked.items():
                    error = await stranger.error(name, **arguments)
                    assert error["type"] == "accountNotFound"
        assert statuses == {404}


async def test_requests_of_two_users_are_never_mixed(url: str, jmap: JmapClient, dovecot: Dovecot) -> None:
    other = fresh_user(dovecot)
    with imap_client(dovecot, other) as imap:
        imap.append("INBOX", message("theirs", body="a secret\r\n"))
    async with jmap_client(url, *other) as second:
        mine, theirs = await read_all(jmap), await read_all(second)
        assert theirs["emails"].keys() == {"theirs"}
        both = [(client, truth) for _ in range(20) for client, truth in ((jmap, mine), (second, theirs))]
        gate = asyncio.Semaphore(6)  # below maxConcurrentRequests

        async def ask(client: JmapClient, truth: dict[str, Any]) -> None:
            async with gate:
                assert await read_all(client) == truth

        async with asyncio.TaskGroup() as group:
            for client, truth in both:
                group.create_task(ask(client, truth))
