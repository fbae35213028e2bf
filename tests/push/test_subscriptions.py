"""PushSubscription (RFC 8620 §7.2): what clients can set and see."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.push import subscriptions
from gateway.push.vapid import VAPID
from tests.client import JmapClient, jmap_client
from tests.gateway import running_gateway
from tests.push.conftest import MESSAGE, ask, read, subscribe
from tests.servers.dovecot import Dovecot
from tests.servers.imap_client import ImapClient
from tests.servers.push_service import PushService, Subscriber
from tests.servers.users import fresh_user


def in_days(days: float) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


async def test_the_life_of_a_subscription(jmap: JmapClient, service: PushService, imap: ImapClient) -> None:
    subscriber = Subscriber()
    record = {"deviceClientId": "d", "url": service.url("/push/here?a=b"), "keys": subscriber.keys, "types": ["Email"]}
    answer = await ask(jmap, "PushSubscription/set", create={"s": record})
    # RFC 8620 §7.2.2: no accountId, no states
    assert answer.keys() == {"created", "updated", "destroyed", "notCreated", "notUpdated", "notDestroyed"}
    made = answer["created"]["s"]
    assert in_days(6.9) < made["expires"] < in_days(7.1)
    # at once comes the code, and nothing else until it is given back
    taken = await service.next()
    assert taken.path == "/push/here?a=b"
    assert taken.headers["Content-Type"] == "application/json"
    assert int(taken.headers["TTL"]) > 0
    verification = subscriber.read(taken)
    assert (verification["@type"], verification["pushSubscriptionId"]) == ("PushVerification", made["id"])
    code = verification["verificationCode"]
    assert len(code) >= 32  # of 64 characters: 24 random octets
    await asyncio.to_thread(imap.append, "INBOX", MESSAGE)
    await jmap.call("Email/query")
    wrong = await ask(jmap, "PushSubscription/set", update={made["id"]: {"verificationCode": code[:-1] + "é"}})
    assert wrong["notUpdated"][made["id"]]["type"] == "invalidProperties"
    assert wrong["notUpdated"][made["id"]]["properties"] == ["verificationCode"]
    assert service.taken == []
    # RFC 8620 §7.2.1: neither url nor keys, and no code that was not given back
    seen = await ask(jmap, "PushSubscription/get", ids=None)
    assert seen == {
        "list": [
            {
                "id": made["id"],
                "deviceClientId": "d",
                "verificationCode": None,
                "expires": made["expires"],
                "types": ["Email"],
            }
        ],
        "notFound": [],
    }
    right = await ask(jmap, "PushSubscription/set", update={made["id"]: {"verificationCode": code}})
    assert right["updated"] == {made["id"]: None}
    gone = await ask(jmap, "PushSubscription/set", destroy=[made["id"], "p0"])
    assert gone["destroyed"] == [made["id"]]
    assert gone["notDestroyed"] == {"p0": {"type": "notFound"}}
    assert (await ask(jmap, "PushSubscription/get", ids=[made["id"]]))["notFound"] == [made["id"]]


@pytest.mark.parametrize("hidden", ["url", "keys"])
async def test_what_is_never_returned(jmap: JmapClient, hidden: str) -> None:
    assert (await ask(jmap, "PushSubscription/get", ids=[], properties=["id", hidden]))["type"] == "forbidden"


async def test_no_account_and_no_state(jmap: JmapClient) -> None:
    for name in ("PushSubscription/get", "PushSubscription/set"):
        assert (await ask(jmap, name, accountId=jmap.account))["type"] == "invalidArguments"
    assert (await ask(jmap, "PushSubscription/set", ifInState="x"))["type"] == "invalidArguments"


KEYS = Subscriber().keys


@pytest.mark.parametrize(
    ("wrong", "properties"),
    [
        ({"url": "http://127.0.0.1/"}, ["url"]),
        ({"url": "https://"}, ["url"]),
        ({"url": "https://user:word@example.org/"}, ["url"]),
        ({"url": "https://example.org/\r\nX: y"}, ["url"]),
        ({"url": "https://example.org:99999/"}, ["url"]),
        ({"url": "https://example.org/" + "x" * 3000}, ["url"]),
        ({"url": None}, ["url"]),
        ({"keys": {"p256dh": "AAAA", "auth": KEYS["auth"]}}, ["keys"]),
        ({"keys": {"p256dh": KEYS["p256dh"]}}, ["keys"]),
        ({"verificationCode": "x"}, ["verificationCode"]),
        ({"expires": "2020-01-01T00:00:00Z"}, ["expires"]),
        ({"expires": "tomorrow"}, ["expires"]),
        ({"types": "Email"}, ["types"]),
        ({"code": "x"}, ["code"]),
        ({"id": "p1"}, ["id"]),
    ],
)
async def test_what_is_refused(
    jmap: JmapClient, service: PushService, wrong: dict[str, object], properties: list[str]
) -> None:
    record = {"deviceClientId": "d", "url": service.url()} | wrong
    answer = await ask(jmap, "PushSubscription/set", create={"s": record})
    assert answer["notCreated"]["s"]["type"] == "invalidProperties"
    assert answer["notCreated"]["s"]["properties"] == properties
    assert service.taken == []


async def test_updates(jmap: JmapClient, service: PushService) -> None:
    subscription = await subscribe(jmap, service)

    async def update(**patch: object) -> tuple[object, object]:
        answer = await ask(jmap, "PushSubscription/set", update={subscription: patch})
        return answer["updated"], answer["notUpdated"]

    for name in ("url", "keys", "deviceClientId"):  # immutable
        refused = (await update(**{name: service.url("/other")}))[1]
        assert isinstance(refused, dict)
        assert refused[subscription]["properties"] == [name]
    assert await update(url=service.url()) == ({subscription: None}, None)  # RFC 8620 §5.3: as it is
    near = in_days(3)
    assert await update(expires=near, types=["Email"]) == ({subscription: None}, None)
    done, _ = await update(expires=in_days(300))  # RFC 8620 §7.2.3: extended to the limit
    assert isinstance(done, dict)
    assert near < done[subscription]["expires"] < in_days(7.1)
    (now,) = (await ask(jmap, "PushSubscription/get", ids=[subscription]))["list"]
    assert (now["expires"], now["types"]) == (done[subscription]["expires"], ["Email"])


async def test_everybody_has_his_own(jmap: JmapClient, service: PushService, dovecot: Dovecot, url: str) -> None:
    subscription = await subscribe(jmap, service)
    async with jmap_client(url, *fresh_user(dovecot)) as other:
        assert (await ask(other, "PushSubscription/get", ids=None))["list"] == []
        answer = await ask(
            other, "PushSubscription/set", destroy=[subscription], update={subscription: {"types": None}}
        )
        assert answer["notDestroyed"] == {subscription: {"type": "notFound"}}
    assert (await ask(jmap, "PushSubscription/get", ids=[subscription]))["notFound"] == []


async def test_what_is_destroyed_is_erased(
    dovecot: Dovecot, service: PushService, keys: dict[str, str], tmp_path: Path
) -> None:
    """RFC 8620 §7.2: neither the URL nor the keys can be found in the store any more."""
    subscriber = Subscriber()
    kept = keys | {"store__kind": "sqlite", "store__path": str(tmp_path / "store")}

    def stored() -> bytes:
        return b"".join(file.read_bytes() for file in tmp_path.iterdir())

    secrets = [b"/push/secret", subscriber.keys["p256dh"].encode(), subscriber.keys["auth"].encode()]
    async with running_gateway(dovecot, **kept) as url, jmap_client(url, *fresh_user(dovecot)) as jmap:
        subscription = await subscribe(jmap, service, subscriber, url=service.url("/push/secret"))
        assert all(secret in stored() for secret in secrets)
        await ask(jmap, "PushSubscription/set", destroy=[subscription])
    assert not any(secret in stored() for secret in secrets)


async def test_limits(jmap: JmapClient, service: PushService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriptions, "MOST", 2)
    monkeypatch.setattr(subscriptions, "CREATIONS", 4)
    record = {"deviceClientId": "d", "url": service.url()}
    answer = await ask(jmap, "PushSubscription/set", create=dict.fromkeys(("a", "b", "c"), record))
    assert answer["notCreated"] == {"c": {"type": "overQuota"}}
    ids = [made["id"] for made in answer["created"].values()]
    answer = await ask(jmap, "PushSubscription/set", create={"d": record}, destroy=ids)
    assert answer["notCreated"] == {"d": {"type": "overQuota"}}
    # each creation is a request to a place that the client chose (RFC 8620 §8.6)
    answer = await ask(jmap, "PushSubscription/set", create={"e": record})
    assert answer["notCreated"] == {"e": {"type": "rateLimit"}}


async def test_the_gateway_says_who_it_is(jmap: JmapClient, service: PushService) -> None:
    key = jmap.session["capabilities"][VAPID]["applicationServerKey"]  # RFC 9749 §3
    await ask(jmap, "PushSubscription/set", create={"s": {"deviceClientId": "d", "url": service.url()}})
    taken = await service.next()
    scheme, _, rest = taken.headers["Authorization"].partition(" ")
    values = dict(part.split("=", 1) for part in rest.split(", "))
    assert (scheme, values["k"]) == ("vapid", key)
    point = jwt.utils.base64url_decode(key)
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    claims = jwt.decode(values["t"], public, ["ES256"], audience=f"https://127.0.0.1:{service.port}")
    assert claims["sub"] == "mailto:postmaster@example.org"
    assert "pushSubscriptionId" in read(taken)
