"""What is pushed to clients that are closed (RFC 8620 §7.2): when, what, and when no more."""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.demo.dovecot import start_dovecot
from gateway.demo.process import private_directory
from gateway.push import courier, pusher, subscriptions
from gateway.push.sender import Outcome
from gateway.push.vapid import VAPID
from gateway.sync import watch
from tests.client import JmapClient, jmap_client
from tests.gateway import running_gateway
from tests.push.conftest import MESSAGE, ask, read, subscribe
from tests.servers.dovecot import Dovecot, DovecotOptions
from tests.servers.imap_client import ImapClient, imap_client
from tests.servers.push_service import PushService, Subscriber
from tests.servers.redis import Redis
from tests.servers.users import User


async def email_state(jmap: JmapClient) -> str:
    return str((await jmap.call("Email/get", ids=[]))["state"])


async def left(jmap: JmapClient) -> list[str]:
    """The ids of the subscriptions that there still are."""
    return [each["id"] for each in (await ask(jmap, "PushSubscription/get", ids=None))["list"]]


async def until_left(jmap: JmapClient, count: int) -> None:
    async with asyncio.timeout(20):
        while len(await left(jmap)) != count:  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0.05)


async def append(imap: ImapClient) -> None:
    await asyncio.to_thread(imap.append, "INBOX", MESSAGE)


async def test_new_mail_is_pushed_encrypted(jmap: JmapClient, service: PushService, imap: ImapClient) -> None:
    subscriber = Subscriber()
    await subscribe(jmap, service, subscriber, types=["Email"])
    await append(imap)
    message = subscriber.read(await service.next())
    # RFC 8620 §7.1: the state that /get would return now
    assert message == {"@type": "StateChange", "changed": {jmap.account: {"Email": await email_state(jmap)}}}


async def test_each_subscription_gets_its_types(jmap: JmapClient, service: PushService, imap: ImapClient) -> None:
    await subscribe(jmap, service, types=["Mailbox"], url=service.url("/boxes"))
    await subscribe(jmap, service, types=[], url=service.url("/none"))
    await append(imap)
    taken = await service.next()
    assert taken.path == "/boxes"
    assert set(read(taken)["changed"][jmap.account]) == {"Mailbox"}
    assert service.taken == []


@pytest.mark.parametrize("status", [404, 410])
async def test_a_subscription_that_is_gone(
    jmap: JmapClient, service: PushService, imap: ImapClient, status: int
) -> None:
    await subscribe(jmap, service)
    service.answers.append((status, {}))
    await append(imap)
    await service.next()
    await until_left(jmap, 0)


@pytest.mark.parametrize(
    "answer", [(429, {"Retry-After": "1"}), (503, {}), (302, {"Location": "https://127.0.0.1/else"})]
)
async def test_what_could_not_be_pushed_is_pushed_later_as_one(
    jmap: JmapClient,
    service: PushService,
    imap: ImapClient,
    answer: tuple[int, dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(courier, "FIRST_PAUSE", 0.2)
    monkeypatch.setattr(courier, "QUICKEST", 0.1)
    await subscribe(jmap, service, types=["Email"])
    service.usual = answer
    await append(imap)
    first = read(await service.next())
    await append(imap)
    await append(imap)
    now = {jmap.account: {"Email": await email_state(jmap)}}
    while (refused := read(await service.next())["changed"]) != now:  # the attempts that were under way
        assert refused.keys() == now.keys()
    service.usual = 201, {}
    while (second := await service.next()).status != 201:
        assert read(second)["changed"] == now
    assert read(second)["changed"] == now != first["changed"]
    assert service.taken == []


def test_a_429_makes_pushes_rarer() -> None:
    """RFC 8620 §7.2: MUST reduce the frequency."""
    pace, taken, slower = courier.Pace(), Outcome("taken"), Outcome("slower", 7.0)
    assert pace.after(taken) == courier.QUICKEST
    for _ in range(3):
        assert pace.after(slower) >= 7.0
    rarer = pace.after(taken)
    assert rarer > courier.QUICKEST
    assert courier.QUICKEST <= pace.after(taken) < rarer  # and again more often once it is well


def test_failures_are_tried_again_ever_later() -> None:
    pace = courier.Pace()
    waits = [pace.after(Outcome("failed")) for _ in range(30)]
    assert courier.FIRST_PAUSE / 2 <= waits[0] <= courier.FIRST_PAUSE
    assert waits[5] > waits[0]
    assert max(waits) <= courier.LONGEST_PAUSE
    assert pace.after(Outcome("taken")) == courier.QUICKEST


async def test_a_restart_tells_what_was_missed(
    dovecot: Dovecot, user: User, imap: ImapClient, service: PushService, keys: dict[str, str], tmp_path: Path
) -> None:
    """With a key to seal credentials under nobody has to log in; without one the owner's next login does it."""
    kept = keys | {"store__kind": "sqlite", "store__path": str(tmp_path / "store")}
    sealing = kept | {"auth__credentials_key": "k" * 32}
    async with running_gateway(dovecot, **sealing) as url, jmap_client(url, *user) as jmap:
        await subscribe(jmap, service, types=["Email"])
        await append(imap)
        before = read(await service.next())
    await append(imap)
    async with running_gateway(dovecot, **sealing):
        after = read(await service.next())
        assert after["changed"].keys() == before["changed"].keys()
        assert after != before
    await append(imap)
    async with running_gateway(dovecot, **kept) as url:
        await asyncio.sleep(0.2)
        assert service.taken == []
        async with jmap_client(url, *user) as jmap:
            again = read(await service.next())
            assert again["changed"] == {jmap.account: {"Email": await email_state(jmap)}}


async def test_the_master_user_pushes_without_anybody(
    dovecot: Dovecot, user: User, imap: ImapClient, service: PushService, keys: dict[str, str], tmp_path: Path
) -> None:
    kept = keys | {"store__kind": "sqlite", "store__path": str(tmp_path / "store")}
    kept |= {"auth__master_user": dovecot.master_user, "auth__master_password": dovecot.master_password}
    async with running_gateway(dovecot, **kept) as url, jmap_client(url, *user) as jmap:
        await subscribe(jmap, service, types=["Email"])
    await append(imap)
    async with running_gateway(dovecot, **kept):
        assert "Email" in next(iter(read(await service.next())["changed"].values()), {})


async def test_what_is_refused_by_the_egress_policy(
    dovecot: Dovecot, user: User, service: PushService, keys: dict[str, str]
) -> None:
    """It is decided by the address that is connected to, so a name is of no use."""
    keys |= {"egress__networks": "10.0.0.0/8"}
    async with running_gateway(dovecot, **keys) as url, jmap_client(url, *user) as jmap:
        for where in (service.url(), service.url().replace("127.0.0.1", "localhost")):
            await ask(jmap, "PushSubscription/set", create={"s": {"deviceClientId": "d", "url": where}})
        await asyncio.sleep(0.3)
        assert service.taken == []


async def test_expiry(jmap: JmapClient, service: PushService, imap: ImapClient) -> None:
    """RFC 8620 §7.2: no further requests after this time."""
    subscription = await subscribe(jmap, service, types=["Email"])
    soon = (datetime.now(UTC) + timedelta(seconds=4)).strftime("%Y-%m-%dT%H:%M:%SZ")
    update = {subscription: {"expires": soon}}
    assert (await ask(jmap, "PushSubscription/set", update=update))["updated"] == {subscription: None}
    await until_left(jmap, 0)
    await append(imap)
    await jmap.call("Email/query")
    await asyncio.sleep(0.2)
    assert service.taken == []


async def test_subscriptions_end_with_the_password(
    service: PushService, keys: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 8620 §7.2: destroyed when the credentials are revoked; the new password does not bring them back."""
    monkeypatch.setattr(pusher, "PROOF_SECONDS", 0.5)
    with private_directory("dovecot") as directory:
        running = start_dovecot(directory, DovecotOptions(users={"dora": "old"}))
        with running.server:
            async with running_gateway(running, **keys, auth__cache_seconds="0") as url:
                async with jmap_client(url, "dora", "old") as jmap:
                    await subscribe(jmap, service, types=["Email"])
                    await asyncio.sleep(1.2)
                    assert len(await left(jmap)) == 1
                users = directory / "users"
                users.write_text(users.read_text().replace("old", "newer"))
                await asyncio.sleep(1.1)  # Dovecot looks at the file once a second
                async with jmap_client(url, "dora", "newer") as jmap:
                    await until_left(jmap, 0)
                    with imap_client(running, User("dora", "newer")) as imap:
                        await append(imap)
                    await jmap.call("Email/query")
                    assert service.taken == []


async def test_another_vapid_key_ends_subscriptions(
    dovecot: Dovecot, user: User, service: PushService, keys: dict[str, str], tmp_path: Path
) -> None:
    """RFC 9749 §5. The key that the gateway made itself stays."""
    kept = keys | {"store__kind": "sqlite", "store__path": str(tmp_path / "store")}
    shown = []
    for more in ({}, {}, {"push__vapid_key": PEM}):
        async with running_gateway(dovecot, **kept, **more) as url, jmap_client(url, *user) as jmap:
            shown.append(jmap.session["capabilities"][VAPID]["applicationServerKey"])
            if len(shown) == 1:
                await subscribe(jmap, service)
            await until_left(jmap, 0 if more else 1)
    assert shown[0] == shown[1] != shown[2]


PEM = """-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgevZzL1gdAFr88hb2
OF/2NxApJCzGCEDdfSp6VQO30hyhRANCAAQRWz+jn65BtOMvdyHKcvjBeBSDZH2r
1RTwjmYSi9R/zpBnuQ4EiMnCqfMPWiZqB4QdbAd0E7oH50VpuZ1P087G
-----END PRIVATE KEY-----
"""


async def test_another_gateway_takes_over(
    dovecot: Dovecot,
    user: User,
    imap: ImapClient,
    service: PushService,
    keys: dict[str, str],
    redis_server: Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that was there before the subscription, and where its owner never logged in."""
    monkeypatch.setattr(subscriptions, "LOOK_SECONDS", 0.2)
    monkeypatch.setattr(watch, "TURN_SECONDS", 3.0)
    shared = keys | {"store__kind": "redis", "store__url": f"redis://{redis_server.host}:{redis_server.port}/0"}
    shared |= {"auth__credentials_key": "k" * 32}
    async with running_gateway(dovecot, **shared):
        async with running_gateway(dovecot, **shared) as url, jmap_client(url, *user) as jmap:
            await subscribe(jmap, service, types=["Email"])
        await append(imap)
        assert "Email" in read(await service.next())["changed"][jmap.account]
        await asyncio.sleep(0.5)
        assert service.taken == []


async def test_two_gateways_push_once(
    dovecot: Dovecot, user: User, imap: ImapClient, service: PushService, keys: dict[str, str], redis_server: Redis
) -> None:
    shared = keys | {"store__kind": "redis", "store__url": f"redis://{redis_server.host}:{redis_server.port}/0"}
    async with AsyncExitStack() as stack:
        clients = []
        for _ in range(2):
            url = await stack.enter_async_context(running_gateway(dovecot, **shared))
            clients.append(await stack.enter_async_context(jmap_client(url, *user)))
        one, other = clients
        assert one.session["capabilities"][VAPID] == other.session["capabilities"][VAPID]
        subscription = await subscribe(one, service, types=["Email"])
        assert await left(other) == [subscription]
        await append(imap)
        first = read(await service.next())
        await other.call("Email/set", create={})
        assert first["changed"] == {one.account: {"Email": await email_state(other)}}
        await append(imap)
        second = read(await service.next())
        assert second["changed"] == {one.account: {"Email": await email_state(other)}}
        assert service.taken == []
        # destroyed at one gateway, not pushed to by the other
        await ask(other, "PushSubscription/set", destroy=[subscription])
        await append(imap)
        await one.call("Email/query")
        await asyncio.sleep(0.5)
        assert service.taken == []
