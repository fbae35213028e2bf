"""Messages that wait at the gateway (RFC 8621 §7, sendAt and undoStatus; RFC 4865): Dovecot and Postfix behind it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway import postman
from gateway.objects.submission import delayed
from gateway.push import feed
from tests.client import JmapClient, jmap_client
from tests.gateway import running_gateway
from tests.objects.submission.conftest import submission_keys
from tests.objects.submission.sending import SUBMISSION, call, draft, eventually, identity, inbox, send, to
from tests.servers.postfix import Postfix
from tests.servers.redis import Redis
from tests.servers.users import User

KEY = {"auth__credentials_key": "k" * 32}


@pytest.fixture
def keys(postfix: Postfix, tmp_path: Path) -> dict[str, str]:
    """A gateway that may hold messages."""
    store = {"store__kind": "sqlite", "store__path": str(tmp_path / "store")}
    return submission_keys(postfix.submission) | store | KEY


@pytest.fixture
async def url(postfix: Postfix, keys: dict[str, str]) -> AsyncIterator[str]:
    async with running_gateway(postfix.dovecot, **keys) as url:
        yield url


@pytest.fixture
async def alice(url: str, alice_user: User) -> AsyncIterator[JmapClient]:
    async with jmap_client(url, *alice_user) as client:
        yield client


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postman, "LOOK_SECONDS", 0.2)
    monkeypatch.setattr(postman, "PAUSE_SECONDS", 0.5)
    monkeypatch.setattr(delayed, "RETRY_SECONDS", (0.5,))


async def hold(
    client: JmapClient, sender: str, recipient: str, wait: str | dict[str, str], **fields: str
) -> dict[str, Any]:
    """What EmailSubmission/set answers. wait: seconds, or the parameters of the sender."""
    envelope = to(recipient, sender=sender)
    envelope["mailFrom"]["parameters"] = {"HOLDFOR": wait} if isinstance(wait, str) else wait
    return await send(client, await draft(client, sender, recipient, **fields), envelope)


async def status(client: JmapClient, submission_id: str) -> str:
    (found,) = (await call(client, "EmailSubmission/get", ids=[submission_id]))["list"]
    return str(found["undoStatus"])


async def cancel(client: JmapClient, submission_id: str) -> dict[str, Any]:
    return await call(client, "EmailSubmission/set", update={submission_id: {"undoStatus": "canceled"}})


@asynccontextmanager
async def both(url: str, alice: User, bob: User) -> AsyncIterator[tuple[JmapClient, JmapClient]]:
    async with jmap_client(url, *alice) as first, jmap_client(url, *bob) as second:
        yield first, second


def of(user: User) -> str:
    return f"{user.name}@example.org"


async def subjects(client: JmapClient) -> list[str]:
    return sorted(email["subject"] for email in await inbox(client, "subject"))


async def test_it_waits_and_goes(alice: JmapClient, alice_user: User, bob: JmapClient, bob_user: User) -> None:
    capability = alice.session["accounts"][alice.account]["accountCapabilities"][SUBMISSION]
    assert capability["maxDelayedSend"] == postman.LONGEST_HOLD
    assert capability["submissionExtensions"]["FUTURERELEASE"] == []
    before = datetime.now(UTC)
    made = (await hold(alice, of(alice_user), of(bob_user), "2", Subject="Later"))["created"]["s"]
    assert made["undoStatus"] == "pending"
    assert made["deliveryStatus"][of(bob_user)]["delivered"] == "queued"
    due = datetime.fromisoformat(made["sendAt"])
    assert before + timedelta(seconds=0.9) < due <= datetime.now(UTC) + timedelta(seconds=2)
    state = (await call(alice, "EmailSubmission/get", ids=[]))["state"]
    await send(alice, await draft(alice, of(alice_user), of(bob_user), Subject="Now"))
    assert await eventually(lambda: subjects(bob)) == ["Now"] or datetime.now(UTC) >= due

    async def gone() -> bool:
        return await status(alice, made["id"]) == "final"

    await eventually(gone)
    assert datetime.now(UTC) >= due
    (record,) = (await call(alice, "EmailSubmission/get", ids=[made["id"]]))["list"]
    assert record["deliveryStatus"][of(bob_user)]["smtpReply"].startswith("250 2.1.5")
    assert record["sendAt"] == made["sendAt"]
    assert made["id"] in (await call(alice, "EmailSubmission/changes", sinceState=state))["updated"]

    async def arrived() -> bool:
        return await subjects(bob) == ["Later", "Now"]

    await eventually(arrived)
    assert (await cancel(alice, made["id"]))["notUpdated"][made["id"]]["type"] == "cannotUnsend"


async def told(client: JmapClient, after: str = "") -> tuple[dict[str, str], str]:
    """The next states that a listener hears of, and the id of the event. after: the last that it heard of."""
    url = client.event_source("EmailSubmission", "Identity", closeafter="state")
    async with client.http.get(url, headers={"Last-Event-ID": after} if after else {}) as stream, asyncio.timeout(20):
        lines = (await stream.text()).splitlines()
    (data,) = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
    (event,) = [line.removeprefix("id: ") for line in lines if line.startswith("id: ")][-1:]
    return json.loads(data)["changed"][client.account], event


async def test_who_listens_hears_that_it_went(alice: JmapClient, alice_user: User, bob_user: User) -> None:
    """RFC 8620 §7.1: the state changes although the client does nothing; and who comes back hears what it missed."""
    before = {alice.account: {"EmailSubmission": (await call(alice, "EmailSubmission/get", ids=[]))["state"]}}
    made = (await hold(alice, of(alice_user), of(bob_user), "1"))["created"]["s"]
    event, pending = feed.encode(before), True
    while pending:  # it hears that the submission is there, if it comes early enough
        states, event = await told(alice, event)
        answer = await call(alice, "EmailSubmission/get", ids=[made["id"]])
        pending = answer["list"][0]["undoStatus"] == "pending" or states != {"EmailSubmission": answer["state"]}
    assert answer["list"][0]["undoStatus"] == "final"
    mine = await identity(alice)
    await call(alice, "Identity/set", update={mine["id"]: {"name": "Alice"}})
    states, _ = await told(alice, event)
    assert states == {"Identity": (await call(alice, "Identity/get", ids=[]))["state"]}


async def test_it_is_taken_back(alice: JmapClient, alice_user: User, bob: JmapClient, bob_user: User) -> None:
    """RFC 8621 §7: undoStatus "canceled"; and the same message may be sent again."""
    made = (await hold(alice, of(alice_user), of(bob_user), "3"))["created"]["s"]
    wrong = await call(alice, "EmailSubmission/set", update={made["id"]: {"undoStatus": "final"}})
    assert wrong["notUpdated"][made["id"]]["type"] == "invalidProperties"
    answer = await cancel(alice, made["id"])
    assert made["id"] in answer["updated"]
    assert await status(alice, made["id"]) == "canceled"
    assert made["id"] in (await cancel(alice, made["id"]))["updated"]  # nothing more to do
    await asyncio.sleep(3.5)
    assert await subjects(bob) == []
    envelope = to(of(bob_user), sender=of(alice_user))
    envelope["mailFrom"]["parameters"] = {"HOLDFOR": "1"}
    (record,) = (await call(alice, "EmailSubmission/get", ids=[made["id"]]))["list"]
    again = await send(alice, record["emailId"], envelope)
    assert again["created"]["s"]["id"] != made["id"]
    await eventually(lambda: subjects(bob))


async def test_a_repeated_call_waits_once(alice: JmapClient, alice_user: User, bob_user: User) -> None:
    email_id = await draft(alice, of(alice_user), of(bob_user))
    envelope = to(of(bob_user), sender=of(alice_user))
    envelope["mailFrom"]["parameters"] = {"HOLDFOR": "600"}
    answers = [await send(alice, email_id, envelope) for _ in range(2)]
    assert len({answer["created"]["s"]["id"] for answer in answers}) == 1


async def test_what_destroys_the_record_leaves_the_message(
    alice: JmapClient, alice_user: User, bob: JmapClient, bob_user: User
) -> None:
    """RFC 8621 §7.5: destroying MUST NOT affect the delivery."""
    made = (await hold(alice, of(alice_user), of(bob_user), "1"))["created"]["s"]
    assert (await call(alice, "EmailSubmission/set", destroy=[made["id"]]))["destroyed"] == [made["id"]]
    await eventually(lambda: subjects(bob))
    assert (await call(alice, "EmailSubmission/get", ids=[made["id"]]))["notFound"] == [made["id"]]


async def test_what_destroys_the_email_leaves_the_message(
    alice: JmapClient, alice_user: User, bob: JmapClient, bob_user: User
) -> None:
    """RFC 8621 §7.5: destroying the Email MUST NOT change the behaviour of the submission."""
    made = (await hold(alice, of(alice_user), of(bob_user), "1"))["created"]["s"]
    (record,) = (await call(alice, "EmailSubmission/get", ids=[made["id"]]))["list"]
    destroyed = await call(alice, "Email/set", destroy=[record["emailId"]])
    assert destroyed["destroyed"] == [record["emailId"]]
    await eventually(lambda: subjects(bob))
    await eventually(lambda: is_final(alice, made["id"]))


async def is_final(client: JmapClient, submission_id: str) -> bool:
    return await status(client, submission_id) == "final"


@pytest.mark.parametrize(
    "wait",
    [
        {"HOLDFOR": "0"},
        {"HOLDFOR": "1.5"},
        {"HOLDFOR": "99999999"},
        {"HOLDUNTIL": "tomorrow"},
        {"HOLDUNTIL": "2999-01-01T00:00:00Z"},
        {"HOLDFOR": "60", "HOLDUNTIL": "2026-01-01T00:00:00Z"},
    ],
)
async def test_times_that_are_refused(alice: JmapClient, alice_user: User, wait: dict[str, str]) -> None:
    answer = await hold(alice, of(alice_user), of(alice_user), wait)
    assert answer["notCreated"]["s"]["type"] == "invalidProperties", answer
    assert answer["notCreated"]["s"]["properties"] == ["envelope"]


async def test_a_moment_may_be_given(alice: JmapClient, alice_user: User, bob: JmapClient, bob_user: User) -> None:
    """RFC 4865: HOLDUNTIL; a moment that has passed is now."""
    moment = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    made = (await hold(alice, of(alice_user), of(bob_user), {"HOLDUNTIL": moment}))["created"]["s"]
    assert (made["sendAt"], made["undoStatus"]) == (moment, "pending")
    past = await hold(alice, of(alice_user), of(bob_user), {"HOLDUNTIL": "2020-01-01T00:00:00Z"}, Subject="Past")
    assert past["created"]["s"]["undoStatus"] == "final"
    await eventually(lambda: subjects(bob))
    assert await subjects(bob) == ["Past"]


async def test_a_restart_forgets_nothing(
    postfix: Postfix, keys: dict[str, str], alice_user: User, bob_user: User, quick: None
) -> None:
    """Nobody has to log in for it."""
    async with running_gateway(postfix.dovecot, **keys) as url, jmap_client(url, *alice_user) as alice:
        made = (await hold(alice, of(alice_user), of(bob_user), "1"))["created"]["s"]
    await asyncio.sleep(1.1)
    async with running_gateway(postfix.dovecot, **keys) as url:
        async with jmap_client(url, *bob_user) as bob:
            await eventually(lambda: subjects(bob))
        async with jmap_client(url, *alice_user) as alice:
            assert await status(alice, made["id"]) == "final"


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
async def test_two_gateways_send_once(
    postfix: Postfix,
    keys: dict[str, str],
    redis_server: Redis,
    alice_user: User,
    bob_user: User,
    quick: None,
    kind: str,
) -> None:
    if kind == "redis":
        keys |= {"store__kind": kind, "store__url": redis_server.url}
        keys.pop("store__path")
    async with (
        running_gateway(postfix.dovecot, **keys) as one,
        running_gateway(postfix.dovecot, **keys) as two,
        both(one, alice_user, bob_user) as (alice, bob),
        jmap_client(two, *alice_user) as other,
    ):
        ids = []
        for number in range(8):
            made = await hold(alice, of(alice_user), of(bob_user), "1", Subject=f"{number}")
            ids.append(made["created"]["s"]["id"])

        async def all_gone() -> bool:
            return {await status(other, one) for one in ids} == {"final"}

        await eventually(all_gone)

        async def arrived() -> Any:
            return len(await subjects(bob)) >= 8

        await eventually(arrived)
        await asyncio.sleep(0.5)
        assert await subjects(bob) == [f"{number}" for number in range(8)]


async def test_a_server_that_is_away_is_tried_again(
    postfix: Postfix, keys: dict[str, str], alice_user: User, bob_user: User, quick: None
) -> None:
    async with (
        running_gateway(postfix.dovecot, **keys) as url,
        both(url, alice_user, bob_user) as (alice, bob),
    ):
        made = (await hold(alice, of(alice_user), of(bob_user), "2"))["created"]["s"]
    away = keys | submission_keys(1)
    async with running_gateway(postfix.dovecot, **away):
        await asyncio.sleep(2.5)
    async with (
        running_gateway(postfix.dovecot, **keys) as url,
        both(url, alice_user, bob_user) as (alice, bob),
    ):
        await eventually(lambda: subjects(bob))

        async def gone() -> bool:
            return await status(alice, made["id"]) == "final"

        await eventually(gone)


@pytest.mark.parametrize("lacking", ["auth__credentials_key", "store__kind"])
async def test_without_a_key_or_a_store_nothing_waits(
    postfix: Postfix, keys: dict[str, str], alice_user: User, lacking: str
) -> None:
    """A message that may be lost is not accepted."""
    kept = {name: value for name, value in keys.items() if name != lacking}
    if lacking == "store__kind":
        del kept["store__path"]
    async with running_gateway(postfix.dovecot, **kept) as url, jmap_client(url, *alice_user) as alice:
        capability = alice.session["accounts"][alice.account]["accountCapabilities"][SUBMISSION]
        assert capability["maxDelayedSend"] == 0
        assert "FUTURERELEASE" not in capability["submissionExtensions"]
        answer = await hold(alice, (await identity(alice))["email"], of(alice_user), "60")
        assert answer["notCreated"]["s"]["type"] == "invalidProperties"
