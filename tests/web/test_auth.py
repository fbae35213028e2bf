"""Authentication: proven by the backend before anything is answered (RFC 8620 §8.2)."""

import asyncio
import base64
import json

import pytest

from gateway.config import Auth
from gateway.web.credentials import Credentials, Malformed, from_authorization, from_trusted_header
from gateway.web.logins import Logins
from gateway.web.throttle import Throttle
from tests.web.gateway import Backend, Running, basic, configuration, raw, running

MASTER = {"auth__master_user": "root", "auth__master_password": "toor"}


def b64(text: bytes) -> str:
    return base64.b64encode(text).decode()


def jwt(claims: object) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{payload}.c2ln"


async def status(gateway: Running, headers: dict[str, str], path: str = "/jmap/session") -> int:
    async with gateway.http.get(gateway.url + path, headers=headers) as response:
        await response.read()
        return response.status


MALFORMED = [
    "",
    "Basic",
    "Basic ",
    "Basic !!!!",
    "Basic " + b64(b"alice"),
    "Basic " + b64(b":wonder:land"),
    "Basic " + b64(b"alice:"),
    "Basic " + b64(b"\xff\xfe:x"),
    "Basic " + b64(b"alice:wonder:land\0"),
    "Basic " + b64(b"alice\0:wonder:land"),
    "Basic " + b64(b"bob\0alice:wonder:land"),
    "Basic " + b64(b"alice:a\r\nb LOGOUT"),
    "Basic " + b64(b"alice\x7f:wonder:land"),
    "Basic " + b64(b"alice*root:toor"),
    "Basic " + b64(b"*:x"),
    "Basic " + b64(b"a" * 5000 + b":x") + "==",
    "Basic " + b64(b"alice:wonder:land") + " x",
    "Basic " + b64(b"alice:wonder:land") + ",Basic x",
    "basic\t" + b64(b"alice:wonder:land"),
    "Digest username=alice",
    "Bearer " + jwt({"email": "alice"}),
    "Negotiate abc",
    "null",
]


@pytest.mark.parametrize("value", MALFORMED)
async def test_malformed_authorization(value: str) -> None:
    async with running() as gateway:
        async with gateway.http.get(f"{gateway.url}/jmap/session", headers={"Authorization": value}) as response:
            assert response.status == 401
            assert response.headers["WWW-Authenticate"] == 'Basic realm="JMAP", charset="UTF-8"'
            assert response.content_type == "application/problem+json"
        assert gateway.backend.asked == []


async def test_no_or_two_credentials() -> None:
    async with running() as gateway:
        assert await status(gateway, {}) == 401
        two = gateway.auth()["Authorization"]
        sent = f"GET /jmap/session HTTP/1.1\r\nHost: x\r\nAuthorization: {two}\r\nAuthorization: {two}\r\n\r\n"
        assert b"HTTP/1.1 200" not in await raw(gateway.port, sent.encode(), 0.5)


@pytest.mark.parametrize(
    "path",
    [
        "/jmap/session",
        "/.well-known/jmap",
        "/jmap/download/Aalice/x/n",
        "/jmap/eventsource?types=*&closeafter=no&ping=0",
    ],
)
async def test_nothing_is_answered_without_proof(path: str) -> None:
    async with running() as gateway:
        assert await status(gateway, {"Authorization": basic("alice", "wrong")}, path) == 401
        for post in ("/jmap/api", "/jmap/upload/Aalice/"):
            async with gateway.http.post(
                gateway.url + post, data=b"{}", headers={"Authorization": basic("alice", "wrong")}
            ) as response:
                assert response.status == 401


async def test_right_wrong_right_and_raced() -> None:
    async with running() as gateway:
        right, wrong = gateway.auth(), {"Authorization": basic("alice", "x")}
        assert [await status(gateway, each) for each in (right, wrong, right)] == [200, 401, 200]
        found = await asyncio.gather(*(status(gateway, (right, wrong)[n % 2]) for n in range(12)))
        assert list(found) == [200, 401] * 6
        assert gateway.backend.opens["alice"] == 1  # the right one was cached from the first time


async def test_a_new_login_is_opened_once() -> None:
    async with running() as gateway:
        gateway.backend.delay = 0.05
        found = await asyncio.gather(*(status(gateway, gateway.auth()) for _ in range(6)))
        assert found == [200] * 6
        assert gateway.backend.opens["alice"] == 1


async def test_users_are_never_mixed() -> None:
    async with running() as gateway:

        async def name(user: str) -> str:
            async with gateway.http.get(f"{gateway.url}/jmap/session", headers=gateway.auth(user)) as response:
                return str((await response.json())["username"])

        users = ["alice", "bob"] * 20
        assert await asyncio.gather(*(name(user) for user in users)) == users


async def test_guessing_is_throttled_and_the_owner_is_not_locked_out() -> None:
    async with running(auth__failures_per_user="3", auth__failures_per_address="100") as gateway:
        assert await status(gateway, gateway.auth()) == 200
        guesses = [await status(gateway, {"Authorization": basic("alice", f"g{n}")}) for n in range(5)]
        assert guesses == [401, 401, 401, 429, 429]
        async with gateway.http.get(
            f"{gateway.url}/jmap/session", headers={"Authorization": basic("ALICE", "g9")}
        ) as response:
            assert response.status == 429
            assert 0 < int(response.headers["Retry-After"]) <= 300
        assert await status(gateway, gateway.auth()) == 200
        await gateway.logins.close()  # nothing is cached any more, but this password was right before
        assert await status(gateway, gateway.auth()) == 200
        assert await status(gateway, gateway.auth("bob")) == 200


async def test_an_old_password_that_a_device_repeats_locks_nobody_out() -> None:
    async with running(auth__failures_per_user="2", auth__failures_per_address="2") as gateway:
        old = {"Authorization": basic("alice", "old")}
        assert [await status(gateway, old) for _ in range(10)] == [401] * 10
        assert len(gateway.backend.asked) == 1  # nor does it load the backend
        assert await status(gateway, gateway.auth()) == 200


async def test_guesses_at_once_are_counted_too() -> None:
    async with running(auth__failures_per_address="3") as gateway:
        gateway.backend.delay = 0.02
        guesses = [status(gateway, {"Authorization": basic(f"user{n}", "x")}) for n in range(40)]
        found = await asyncio.gather(*guesses)
        assert found.count(401) <= 3 + 8
        assert found.count(429) >= 29


async def test_addresses_are_those_of_trusted_proxies_only() -> None:
    limits = {"auth__failures_per_address": "1"}

    def wrong(guess: int) -> dict[str, str]:
        return {"Authorization": basic("alice", f"x{guess}")}

    async with running(**limits) as gateway:  # a stranger cannot get out of the throttle by naming addresses
        found = [await status(gateway, wrong(n) | {"X-Forwarded-For": f"192.0.2.{n}"}) for n in range(2)]
        assert found == [401, 429]
    async with running(**limits, server__trusted_proxies="127.0.0.1") as gateway:
        hops = ["9.9.9.9, 192.0.2.1", "9.9.9.9, 192.0.2.2", "9.9.9.9, 192.0.2.2"]
        found = [await status(gateway, wrong(n) | {"X-Forwarded-For": hop}) for n, hop in enumerate(hops)]
        assert found == [401, 401, 429]


async def test_an_outage_is_no_refusal() -> None:
    async with running() as gateway:
        gateway.backend.down = True
        async with gateway.http.get(f"{gateway.url}/jmap/session", headers=gateway.auth()) as response:
            assert response.status == 503
            assert int(response.headers["Retry-After"]) >= 1
            assert "connection refused" not in await response.text()
        gateway.backend.down = False
        assert await status(gateway, gateway.auth()) == 200


async def test_a_changed_password_counts_within_the_cache_time() -> None:
    now = 1000.0
    backend = Backend()
    logins = Logins(backend.open, Auth(cache_seconds=60, idle_seconds=900), lambda: now)
    old = from_authorization(basic("alice", "wonder:land"), Auth())

    async def use(credentials: Credentials) -> str:
        async with logins.use(credentials) as login:
            return login.username

    assert await use(old) == "alice"
    backend.passwords["alice"] = "new"
    now += 60
    assert await use(old) == "alice"
    now += 1
    assert logins.proven(old) is None
    with pytest.raises(Exception, match="AUTHENTICATIONFAILED"):
        await use(old)
    assert backend.closed == ["alice"]
    assert not logins.was_good(old)
    assert len(logins) == 0
    assert await use(from_authorization(basic("alice", "new"), Auth())) == "alice"


async def test_logins_close_when_idle_and_when_there_are_too_many() -> None:
    now = 0.0
    backend = Backend(passwords={name: name for name in "abcd"})
    logins = Logins(backend.open, Auth(idle_seconds=10, max_logins=2), lambda: now)

    def of(name: str) -> Credentials:
        return from_authorization(basic(name, name), Auth())

    async with logins.use(of("a")):
        for name in "bcd":
            async with logins.use(of(name)):
                pass
        assert backend.closed == ["b", "c"]  # a is in use, whatever its age
        now = 11
        await logins.sweep()
        assert backend.closed == ["b", "c", "d"]
    await logins.sweep()
    assert len(logins) == 1
    now = 22
    await logins.sweep()
    assert backend.closed == ["b", "c", "d", "a"]


async def test_a_login_in_use_closes_when_it_is_let_go() -> None:
    now = 0.0
    backend = Backend()
    logins = Logins(backend.open, Auth(), lambda: now)
    alice = from_authorization(basic("alice", "wonder:land"), Auth())
    async with logins.use(alice):
        now = 61
        async with logins.use(alice):  # proven again: the new opening takes over
            pass
        assert backend.closed == []
    assert backend.closed == ["alice"]
    await logins.close()
    assert backend.closed == ["alice", "alice"]


async def test_a_cancelled_request_does_not_spoil_the_opening() -> None:
    backend = Backend(delay=0.05)
    logins = Logins(backend.open, Auth())
    alice = from_authorization(basic("alice", "wonder:land"), Auth())

    async def use() -> str:
        async with logins.use(alice) as login:
            return login.username

    first, second = asyncio.create_task(use()), asyncio.create_task(use())
    await asyncio.sleep(0.01)
    first.cancel()
    assert await second == "alice"
    assert backend.opens["alice"] == 1
    await logins.close()


def test_master_user() -> None:
    auth = configuration(**MASTER).auth
    opened = from_authorization(basic("alice*root", "toor"), auth)
    assert (opened.username, opened.login) == ("alice", "root")
    for name in ("alice*other", "*root", "alice*root*root"):
        with pytest.raises(Malformed):
            from_authorization(basic(name, "toor"), auth)


async def test_trusted_header() -> None:
    keys = MASTER | {"auth__trusted_header": "X-Remote-User"}
    async with running(**keys, auth__trusted_header_proxies="10.0.0.0/8") as gateway:
        assert await status(gateway, {"X-Remote-User": "alice"}) == 401  # from a stranger
    async with running(**keys, auth__trusted_header_proxies="127.0.0.1") as gateway:
        gateway.backend.passwords["root"] = "toor"
        assert await status(gateway, {"X-Remote-User": "alice"}) == 200
        assert gateway.backend.asked[-1].login == "root"
        for name in ("alice*root", "a,b\x01"):
            sent = f"GET /jmap/session HTTP/1.1\r\nHost: x\r\nX-Remote-User: {name}\r\n\r\n"
            assert b"HTTP/1.1 200" not in await raw(gateway.port, sent.encode(), 0.5)
        two = "GET /jmap/session HTTP/1.1\r\nHost: x\r\nX-Remote-User: alice\r\nX-Remote-User: bob\r\n\r\n"
        assert (await raw(gateway.port, two.encode(), 0.5)).startswith(b"HTTP/1.1 401")
    with pytest.raises(Malformed):
        from_trusted_header("alice", Auth())


def test_bearer() -> None:
    auth = Auth(bearer="xoauth2", bearer_claim="upn")
    token = jwt({"upn": "alice@example.org"})
    found = from_authorization(f"bearer {token}", auth)
    assert (found.scheme, found.username, found.secret.reveal()) == ("xoauth2", "alice@example.org", token)
    for bad in (
        jwt({"email": "a"}),
        jwt({"upn": 1}),
        jwt(["upn"]),
        jwt({"upn": "a\x01"}),
        "opaque",
        "a.b.c",
        token + '"',
    ):
        with pytest.raises(Malformed):
            from_authorization(f"Bearer {bad}", auth)


async def test_challenges_name_what_is_on() -> None:
    async with (
        running(auth__bearer="oauthbearer", auth__basic="false") as gateway,
        gateway.http.get(f"{gateway.url}/jmap/session", headers=gateway.auth()) as response,
    ):
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="JMAP"'


def test_throttle_window() -> None:
    throttle = Throttle(2, 10)
    for _ in range(3):
        throttle.failed("a", b"guess", 0)  # the same again is no new guess
    assert throttle.wait("a", 0) == 0
    throttle.failed("a", b"other", 4)
    assert throttle.wait("a", 5) == 5
    assert throttle.wait("b", 5) == 0
    assert throttle.wait("a", 10) == 0
    throttle.failed("a", b"third", 11)
    assert throttle.wait("a", 12) == 2


def test_credentials_never_show() -> None:
    assert "wonder" not in repr(from_authorization(basic("alice", "wonder:land"), Auth()))
