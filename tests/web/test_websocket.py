"""JMAP over WebSocket (RFC 8887), and the tickets that let browsers open one."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from gateway.jmap.capabilities import CORE
from gateway.push import feed
from gateway.web import tickets
from gateway.web.session import TICKET, WEBSOCKET
from tests.waiting import until
from tests.web.gateway import TEST, Running, running

ECHO = {"@type": "Request", "using": [CORE], "methodCalls": [["Core/echo", {"hello": True}, "c1"]]}


def opening(gateway: Running, query: str = "", user: str | None = "alice", **headers: str) -> Any:
    """A WebSocket of the user's."""
    given = headers | (gateway.auth(user) if user else {})
    return gateway.http.ws_connect(f"{gateway.url}/jmap/ws{query}", protocols=("jmap",), headers=given)


async def told(socket: aiohttp.ClientWebSocketResponse) -> Any:
    """The next message of the gateway's."""
    return json.loads(await socket.receive_str(timeout=5))


async def end(socket: aiohttp.ClientWebSocketResponse) -> int | None:
    """The code that the gateway closes with."""
    message = await socket.receive(timeout=5)
    assert message.type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED}, message
    return socket.close_code


async def refused(gateway: Running, query: str = "", user: str | None = "alice", **headers: str) -> int:
    """The status that a handshake is refused with."""
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        async with opening(gateway, query, user, **headers):
            pass
    return caught.value.status


async def publish(gateway: Running, **states: str) -> None:
    await gateway.services.store.publish("account/Aalice", json.dumps(states).encode())


async def test_it_is_found_in_the_session() -> None:
    async with running(server__public_url="https://jmap.example.org") as gateway:
        async with gateway.http.get(f"{gateway.url}/jmap/session", headers=gateway.auth()) as answer:
            capabilities = (await answer.json())["capabilities"]
        # RFC 8887 §3
        assert capabilities[WEBSOCKET] == {"url": "wss://jmap.example.org/jmap/ws", "supportsPush": True}
        endpoint = "https://jmap.example.org/jmap/ws/ticket"
        assert capabilities[TICKET] == {"generationEndpoint": endpoint, "revocationEndpoint": endpoint}


async def test_the_handshake() -> None:
    async with running() as gateway:
        async with opening(gateway) as socket:
            assert socket.protocol == "jmap"  # RFC 8887 §4.2
        assert await refused(gateway, user=None) == 401
        assert await refused(gateway, Origin="https://evil.example") == 403
        async with opening(gateway, Origin=gateway.url):
            pass
        url = f"{gateway.url}/jmap/ws"
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await gateway.http.ws_connect(url, headers=gateway.auth())
        assert caught.value.status == 400
        fields = gateway.auth() | {"Sec-WebSocket-Protocol": "jmap"}
        async with gateway.http.get(url, headers=fields) as answer:
            assert answer.status == 426
    async with running(cors__origins="https://mail.example") as gateway:
        async with opening(gateway, Origin="https://mail.example"):
            pass
        assert await refused(gateway, Origin="https://evil.example") == 403


async def test_requests_and_responses() -> None:
    async with running() as gateway, opening(gateway) as socket:
        await socket.send_json(ECHO | {"id": "R1"})
        answer = await told(socket)
        # RFC 8887 §4.3.3
        assert (answer["@type"], answer["requestId"]) == ("Response", "R1")
        assert answer["methodResponses"] == [["Core/echo", {"hello": True}, "c1"]]
        assert answer["sessionState"]
        await socket.send_json(ECHO | {"createdIds": {}})
        answer = await told(socket)
        assert "requestId" not in answer
        assert answer["createdIds"] == {}


async def test_requests_overtake_each_other() -> None:
    async with running() as gateway, opening(gateway) as socket:
        slow = {"@type": "Request", "id": "slow", "using": [TEST], "methodCalls": [["Test/wait", {}, "c1"]]}
        await socket.send_json(slow)
        await gateway.until_waiting(1)
        await socket.send_json(ECHO | {"id": "fast"})
        assert (await told(socket))["requestId"] == "fast"
        gateway.methods.go.set()
        assert (await told(socket))["requestId"] == "slow"


@pytest.mark.parametrize(
    ("text", "kind", "named"),
    [
        ("The quick brown fox", "notJSON", None),
        ('{"@type": "Request", "id": "a", "id": "b"}', "notJSON", None),
        ("[]", "notRequest", None),
        ('{"using": [], "methodCalls": [], "id": "R"}', "notRequest", "R"),
        ('{"@type": "Response", "id": "R"}', "notRequest", "R"),
        ('{"@type": "Request", "id": 1, "using": [], "methodCalls": []}', "notRequest", None),
        ('{"@type": "Request", "id": "R", "using": ["x"], "methodCalls": []}', "unknownCapability", "R"),
        ('{"@type": "Request", "id": "R", "using": 1, "methodCalls": []}', "notRequest", "R"),
        ('{"@type": "WebSocketPushEnable", "dataTypes": "Email"}', "notRequest", None),
        ('{"@type": "WebSocketPushEnable", "dataTypes": null, "pushState": 1}', "notRequest", None),
    ],
)
async def test_request_errors(text: str, kind: str, named: str | None) -> None:
    async with running() as gateway, opening(gateway) as socket:
        await socket.send_str(text)
        problem = await told(socket)
        # RFC 8887 §4.3.4
        assert (problem["@type"], problem["requestId"]) == ("RequestError", named)
        assert (problem["type"], problem["status"]) == (f"urn:ietf:params:jmap:error:{kind}", 400)
        await socket.send_json(ECHO)
        assert (await told(socket))["@type"] == "Response"  # nothing else is hurt


async def test_limits() -> None:
    limits = {"limits__max_concurrent_requests": "2", "limits__max_size_request": "1000"}
    async with running(**limits) as gateway, opening(gateway) as socket:
        slow = {"@type": "Request", "using": [TEST], "methodCalls": [["Test/wait", {}, "c1"]]}
        for _ in range(2):
            await socket.send_json(slow)
        await gateway.until_waiting(2)
        await socket.send_json(ECHO | {"id": "third"})
        problem = await told(socket)
        assert (problem["limit"], problem["requestId"]) == ("maxConcurrentRequests", "third")  # §4.3.2
        gateway.methods.go.set()
        for _ in range(2):
            assert (await told(socket))["@type"] == "Response"
        await socket.send_json(ECHO | {"padding": "x" * 1000})
        problem = await told(socket)
        assert (problem["type"], problem["limit"]) == ("urn:ietf:params:jmap:error:limit", "maxSizeRequest")
        await socket.send_json(ECHO | {"padding": "x" * 4000})
        assert await end(socket) == aiohttp.WSCloseCode.MESSAGE_TOO_BIG


async def test_a_small_message_that_inflates_is_cut_off() -> None:
    async with (
        running(limits__max_size_request="1000") as gateway,
        gateway.http.ws_connect(
            f"{gateway.url}/jmap/ws", protocols=("jmap",), headers=gateway.auth(), compress=15
        ) as socket,
    ):
        assert socket.compress  # RFC 7692
        await socket.send_str("[" + " " * 10_000_000 + "]")
        assert await end(socket) == aiohttp.WSCloseCode.MESSAGE_TOO_BIG


async def test_binary_is_not_spoken() -> None:
    async with running() as gateway, opening(gateway) as socket:
        await socket.send_bytes(b"{}")
        assert await end(socket) == aiohttp.WSCloseCode.UNSUPPORTED_DATA  # RFC 8887 §4.3.1


async def test_an_internal_fault_shows_an_id_only() -> None:
    async with running() as gateway, opening(gateway) as socket:
        request = {"@type": "Request", "using": [TEST], "methodCalls": [["Test/fail", {}, "c1"]]}
        await socket.send_json(request)
        ((name, error, _),) = (await told(socket))["methodResponses"]
        assert (name, error["type"]) == ("error", "serverFail")
        assert "subject" not in json.dumps(error)


async def test_push() -> None:
    async with running() as gateway, opening(gateway) as socket:
        await publish(gateway, Email="e-0")
        await socket.send_json({"@type": "WebSocketPushEnable", "dataTypes": ["Email", "Mailbox"]})
        await listening(gateway, 1)
        await publish(gateway, Thread="e-1")
        await publish(gateway, Email="e-2", Thread="e-2")
        change = await told(socket)
        assert feed.decode(change.pop("pushState")) == {"Aalice": {"Email": "e-2"}}
        assert change == {"@type": "StateChange", "changed": {"Aalice": {"Email": "e-2"}}}  # RFC 8887 §4.3.5.1
        # a second one takes the place of the first; null is all types
        await socket.send_json({"@type": "WebSocketPushEnable", "dataTypes": None})
        answer = asyncio.create_task(told(socket))
        while not answer.done():
            await publish(gateway, Thread="e-3")
            await asyncio.sleep(0.01)
        assert (await answer)["changed"] == {"Aalice": {"Thread": "e-3"}}
        await socket.send_json({"@type": "WebSocketPushDisable"})
        await listening(gateway, 0)
        await publish(gateway, Thread="e-4")
        await socket.send_json(ECHO)
        while (last := await told(socket))["@type"] == "StateChange":
            assert last["changed"] == {"Aalice": {"Thread": "e-3"}}  # told before push was turned off
        assert last["@type"] == "Response"


async def listening(gateway: Running, count: int) -> None:
    """So many feeds listen to alice's account."""
    channels = gateway.services.store._channels  # type: ignore[attr-defined]
    await until(lambda: channels.count("account/Aalice") == count)


async def test_credentials_that_are_taken_back() -> None:
    async with running(auth__cache_seconds="0") as gateway, opening(gateway) as socket:
        await socket.send_json(ECHO)
        assert (await told(socket))["@type"] == "Response"
        gateway.backend.passwords["alice"] = "another"
        await socket.send_json(ECHO)
        assert await end(socket) == aiohttp.WSCloseCode.POLICY_VIOLATION  # RFC 8887 §4.2


async def test_a_backend_that_is_down_ends_nothing() -> None:
    async with running(auth__cache_seconds="0") as gateway, opening(gateway) as socket:
        gateway.backend.down = True
        await socket.send_json(ECHO | {"id": "R"})
        problem = await told(socket)
        assert (problem["@type"], problem["status"], problem["requestId"]) == ("RequestError", 503, "R")
        gateway.backend.down = False
        await socket.send_json(ECHO)
        assert (await told(socket))["@type"] == "Response"


async def test_draining_lets_requests_end() -> None:
    async with running() as gateway, opening(gateway) as socket, opening(gateway) as idle:
        await socket.send_json({"@type": "WebSocketPushEnable", "dataTypes": None})
        await listening(gateway, 1)
        slow = {"@type": "Request", "using": [TEST], "methodCalls": [["Test/wait", {}, "c1"]]}
        await socket.send_json(slow)
        await gateway.until_waiting(1)
        gateway.services.drain.begin()
        assert await end(idle) == aiohttp.WSCloseCode.GOING_AWAY
        gateway.methods.go.set()
        assert (await told(socket))["@type"] == "Response"
        assert await end(socket) == aiohttp.WSCloseCode.GOING_AWAY


async def test_too_many_connections() -> None:
    async with running(limits__max_event_streams="1") as gateway, opening(gateway):
        assert await refused(gateway) == 429


async def new_ticket(gateway: Running) -> Any:
    async with gateway.http.post(f"{gateway.url}/jmap/ws/ticket", headers=gateway.auth()) as answer:
        assert answer.status == 200
        assert answer.headers["Cache-Control"] == "no-store"
        return await answer.json()


async def test_a_ticket_serves_once() -> None:
    async with running() as gateway:
        ticket = await new_ticket(gateway)
        assert ticket.keys() == {"value", "clientAddress", "generatedOn", "validUntil", "username"}
        assert ticket["username"] == "alice"
        query = f"?ticket={ticket['value']}"
        async with opening(gateway, query, user=None, Origin="https://mail.example") as socket:
            await socket.send_json(ECHO)
            assert (await told(socket))["@type"] == "Response"
        assert await refused(gateway, query, user=None) == 401
        for wrong in ("", "x", "A" * 43, "é"):
            assert await refused(gateway, f"?ticket={wrong}", user=None) == 401
        async with gateway.http.post(f"{gateway.url}/jmap/ws/ticket") as answer:
            assert answer.status == 401


async def test_of_many_who_use_a_ticket_at_once_one_gets_in() -> None:
    async with running() as gateway:
        value = (await new_ticket(gateway))["value"]
        found = await asyncio.gather(*(tickets.redeem(gateway.services.store, value) for _ in range(8)))
        assert sum(credentials is not None for credentials in found) == 1
        assert await tickets.redeem(gateway.services.store, value) is None


async def test_a_revoked_ticket() -> None:
    async with running() as gateway:
        value = (await new_ticket(gateway))["value"]
        url = f"{gateway.url}/jmap/ws/ticket/"
        async with gateway.http.delete(url + value) as answer:
            assert answer.status == 401
        async with gateway.http.delete(url + "x", headers=gateway.auth()) as answer:
            assert answer.status == 404
        async with gateway.http.delete(url + value, headers=gateway.auth()) as answer:
            assert answer.status == 204
        assert await refused(gateway, f"?ticket={value}", user=None) == 401
