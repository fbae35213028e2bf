"""JMAP over WebSocket (RFC 8887): requests and their responses, and state changes, on one connection."""

import asyncio
import contextlib
import math
import time
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

import orjson
from aiohttp import WSCloseCode, WSMsgType, web

from gateway.jmap import checks, ijson
from gateway.jmap.errors import NOT_JSON, NOT_REQUEST, RequestProblem
from gateway.jmap.request import check_size, read_request
from gateway.push import feed
from gateway.push.feed import Feed
from gateway.sync.pace import aside
from gateway.web import addresses, api, logs, tickets
from gateway.web.credentials import Credentials
from gateway.web.keys import Services, services
from gateway.web.problems import Refusal, problem_object, problem_of
from gateway.web.session import session_state

SUBPROTOCOL: Final = "jmap"

HEARTBEAT: Final = 30.0
"""Seconds between pings; a peer that answers none is gone."""

PROOF_SECONDS: Final = 3600.0
"""How often a connection that is only pushed to proves its credentials anew."""

_types = checks.nullable(checks.array_of(checks.string))


async def get_websocket(request: web.Request) -> web.WebSocketResponse:
    """GET /jmap/ws: the handshake (RFC 8887 §4.2), then the conversation until either side ends it."""
    found = services(request)
    offered = request.headers.get("Sec-WebSocket-Protocol", "").split(",")
    if SUBPROTOCOL not in (name.strip() for name in offered):
        raise Refusal(400, 'The WebSocket subprotocol "jmap" is required.')
    credentials = await _credentials(request, found)
    # Somewhat too large is answered by the request-level error of RFC 8620 §3.6.1; far too large ends the connection.
    most = 2 * found.limits.max_size_request
    socket = web.WebSocketResponse(protocols=(SUBPROTOCOL,), heartbeat=HEARTBEAT, max_msg_size=most, compress=True)
    async with found.authenticator.login_as(request, credentials) as login:
        user = login.username
    with found.stream_slots.take(user), found.meters.sockets.track_inprogress():
        if not socket.can_prepare(request).ok:
            raise Refusal(426, "This is a WebSocket resource.", {"Upgrade": "websocket"})
        await socket.prepare(request)
        await _Conversation(request, found, credentials, socket).run()
    return socket


async def _credentials(request: web.Request, found: Services) -> Credentials:
    """Of the header field, or those that a ticket stands for. Raises Refusal."""
    ticket = request.query.get("ticket")
    if ticket is None:
        _check_origin(request, found)
        return found.authenticator.credentials(request)
    credentials = await tickets.redeem(found.store, ticket)
    if credentials is None:
        raise found.authenticator.unauthorized()
    return credentials


def _check_origin(request: web.Request, found: Services) -> None:
    """Browsers send a user's password along without asking, and no preflight came before (RFC 6455 §10.2).

    So "*" is not enough here: other pages are named in the configuration, or bring a ticket.
    """
    origin = request.headers.get("Origin")
    if origin is None or origin in found.config.cors.origins:
        return
    own = urlsplit(addresses.base_url(request, found.config.server))
    if origin.lower() != f"{own.scheme}://{own.netloc}".lower():
        raise Refusal(403, "Pages of this origin need a ticket.")


class _Conversation:
    """One connection. Requests run side by side and are answered as they end (RFC 8887 §4.3.2)."""

    __slots__ = ("_credentials", "_found", "_most", "_push", "_request", "_room", "_sending", "_socket")

    def __init__(
        self, request: web.Request, found: Services, credentials: Credentials, socket: web.WebSocketResponse
    ) -> None:
        self._request = request
        self._found = found
        self._credentials = credentials
        self._socket = socket
        self._sending = asyncio.Lock()
        self._most = 2 * found.limits.max_concurrent_requests
        self._room = asyncio.Semaphore(self._most)
        self._push: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Until the client goes, its credentials are refused, or the gateway drains; what has begun is answered."""
        async with asyncio.TaskGroup() as tasks:
            with self._found.drain.waking(lambda: self._leave(tasks)):
                async for message in self._socket:
                    if message.type is not WSMsgType.TEXT:
                        await self._socket.close(code=WSCloseCode.UNSUPPORTED_DATA)  # RFC 8887 §4.3.1
                        break
                    await self._take(message.data, tasks)
            self._disable()
        await self._socket.close()

    def _leave(self, tasks: asyncio.TaskGroup) -> None:
        tasks.create_task(self._drain())

    async def _drain(self) -> None:
        """Go when all that has begun is answered; nothing new begins."""
        for _ in range(self._most):
            await self._room.acquire()
        await self._socket.close(code=WSCloseCode.GOING_AWAY)

    async def _take(self, text: str, tasks: asyncio.TaskGroup) -> None:
        value: dict[str, Any] = {}
        try:
            body = text.encode()
            check_size(len(body), self._found.limits)
            value = await aside(len(body), partial(_parse, body))
            await self._act(value, tasks)
        except RequestProblem as problem:
            await self._refuse(problem, value.get("id"))

    async def _act(self, value: dict[str, Any], tasks: asyncio.TaskGroup) -> None:
        """One message (RFC 8887 §4.3): a Request, or push turned on or off. Raises RequestProblem."""
        match value.get("@type"):
            case "Request":
                if not isinstance(value.get("id", ""), str):
                    raise RequestProblem(NOT_REQUEST, "id must be a String.")
                await self._room.acquire()  # a client that reads no answers is not read from any more
                tasks.create_task(self._answer(value)).add_done_callback(self._made_room)
            case "WebSocketPushEnable":
                self._enable(value, tasks)
            case "WebSocketPushDisable":
                self._disable()
            case _:
                raise RequestProblem(NOT_REQUEST, "@type is none that a client may send.")

    # Requests

    async def _answer(self, value: dict[str, Any]) -> None:
        request_id = value.get("id")
        logs.request_id.set(logs.new_id())
        try:
            response = await self._execute(value)
        except Exception as error:  # noqa: BLE001 - the last place that can turn a fault into an answer
            problem = problem_of(error)
            if problem.status == 401:
                await self._end()
            else:
                await self._refuse(problem, request_id)
        else:
            named = {} if request_id is None else {"requestId": request_id}
            await self._send({"@type": "Response"} | named | response)  # RFC 8887 §4.3.3

    async def _execute(self, value: dict[str, Any]) -> dict[str, Any]:
        """Proves the credentials anew when they have aged: RFC 8887 §4.2 leaves what then to the server."""
        found = self._found
        parsed = read_request(value, found.limits, found.capabilities)
        async with found.authenticator.login_as(self._request, self._credentials) as login:
            # RFC 8887 §4.3.2: maxConcurrentRequests also applies here
            with found.api_slots.take(login.username):
                async with asyncio.timeout(found.config.server.request_seconds):
                    return await api.execute(found, login, parsed, session_state(self._request, login))

    def _made_room(self, _: "asyncio.Task[None]") -> None:
        self._room.release()

    # Push

    def _enable(self, value: dict[str, Any], tasks: asyncio.TaskGroup) -> None:
        """RFC 8887 §4.3.5.2; a second one takes the place of the first."""
        wanted, since = value.get("dataTypes"), value.get("pushState")
        if wrong := _types(wanted):
            raise RequestProblem(NOT_REQUEST, f"dataTypes {wrong}.")
        if since is not None and not isinstance(since, str):
            raise RequestProblem(NOT_REQUEST, "pushState must be a String.")
        self._disable()
        types = None if wanted is None else frozenset(wanted)
        self._push = tasks.create_task(self._report(types, feed.decode(since or "")))

    def _disable(self) -> None:
        if self._push is not None:
            self._push.cancel()
            self._push = None

    async def _report(self, types: feed.Types, seen: feed.States) -> None:
        """For as long as the credentials are good."""
        logs.request_id.set(logs.new_id())
        told_until = math.inf
        try:
            while True:
                told_until = await self._report_on_accounts(types, seen, told_until)
        except Exception as error:  # noqa: BLE001 - a fault ends the connection, not the process
            problem_of(error)  # tells the log
            await self._end()

    async def _report_on_accounts(self, types: feed.Types, seen: feed.States, told_until: float) -> float:
        """Until a proof of the credentials finds that the login has other accounts; up to when alerts were told."""
        login_as = self._found.authenticator.login_as
        async with (
            login_as(self._request, self._credentials) as login,
            Feed(self._found.store, login, types, seen, told_until) as news,
        ):
            proven = time.monotonic()
            while True:
                states, alerts = await news.next(proven + PROOF_SECONDS - time.monotonic())
                for alert in alerts:
                    await self._send(feed.alert_object(alert))
                if states:
                    state = feed.encode(news.seen)
                    await self._send({"@type": "StateChange", "changed": states, "pushState": state})
                if time.monotonic() >= proven + PROOF_SECONDS:
                    async with login_as(self._request, self._credentials) as again:
                        proven = time.monotonic()
                    if not news.covers(again):
                        return news.told_until

    # Sending

    async def _refuse(self, problem: RequestProblem, request_id: Any) -> None:
        """RFC 8887 §4.3.4; what is no id is not echoed."""
        named = request_id if isinstance(request_id, str) else None
        await self._send({"@type": "RequestError", "requestId": named} | problem_object(problem))

    async def _send(self, value: dict[str, Any]) -> None:
        with contextlib.suppress(ConnectionError):  # the reader sees that the client is gone
            async with self._sending:
                await self._socket.send_str(orjson.dumps(value).decode())

    async def _end(self) -> None:
        """The credentials are no longer good (RFC 8887 §4.2)."""
        await self._socket.close(code=WSCloseCode.POLICY_VIOLATION)


def _parse(body: bytes) -> dict[str, Any]:
    """The object in a message. Raises RequestProblem."""
    try:
        value = ijson.loads(body)
    except ijson.NotIJSON as error:
        raise RequestProblem(NOT_JSON, f"The message is not I-JSON: {error}.") from None
    if not isinstance(value, dict):
        raise RequestProblem(NOT_REQUEST, "A message is an object.")
    return value
