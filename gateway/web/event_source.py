"""The event source resource (RFC 8620 §7.3).

Events come from the store's channel `account/<id>`, on which a synchronisation pass publishes the new states as
a JSON object, type name -> state. Nothing is polled for a listener: what no pass has found is not reported.
"""

import asyncio
import base64
import contextlib
import re
import secrets
import time
from collections.abc import AsyncIterator, Iterable
from typing import Any, Final

import orjson
from aiohttp import web

from adapters.errors import AdapterError
from gateway.context import Login
from gateway.store.base import Store
from gateway.sync.journal import TYPES
from gateway.web.keys import services
from gateway.web.problems import Refusal

PING_SECONDS: Final = (5, 900)
"""Bounds of the ping interval: RFC 8620 §7.3 allows a minimum of at most 30 and a maximum of at least 300."""

LONGEST: Final = 3600.0
"""Seconds after which a stream ends, so that its client comes again and proves its credentials."""

LOOK_SECONDS: Final = 15.0
"""How often a silent stream looks whether its client is still there."""

_TYPE: Final = re.compile(r"[A-Za-z][A-Za-z0-9]{0,63}")

States = dict[str, dict[str, str]]
"""Account id -> type name -> state."""


async def get_events(request: web.Request) -> web.StreamResponse:
    """GET /jmap/eventsource?types=&closeafter=&ping="""
    found = services(request)
    types, close_after_state, ping = _parameters(request)
    seen = _decode_id(request.headers.get("Last-Event-ID", ""))
    async with contextlib.AsyncExitStack() as stack:
        async with found.authenticator.login(request) as login:
            stack.enter_context(found.stream_slots.take(login.username))
            stack.enter_context(found.meters.streams.track_inprogress())
            feed = await stack.enter_async_context(_Feed.open(found.store, tuple(login.accounts), types))
            await feed.catch_up(login, seen)
        # The login is let go: the stream needs nothing of it, and an idle user's backend connections may close.
        with found.drain.waking(feed.wake):
            return await _serve(request, feed, seen, close_after_state, ping)


class _Feed:
    """The newest states of some accounts that have not been sent; however many passes, at most one per type."""

    def __init__(self, types: frozenset[str] | None) -> None:
        self._types = types
        self._changed: States = {}
        self._event = asyncio.Event()
        self.wake = self._event.set

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, store: Store, accounts: Iterable[str], types: frozenset[str] | None) -> "AsyncIterator[_Feed]":
        """A feed that listens to the accounts' channels. Raises StoreUnavailable."""
        feed = cls(types)
        tasks: list[asyncio.Task[None]] = []
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(_cancel, tasks)
            for account in accounts:
                messages = await stack.enter_async_context(store.subscribe(f"account/{account}"))
                tasks.append(asyncio.create_task(feed._pump(account, messages)))
            yield feed

    async def catch_up(self, login: Login, seen: States) -> None:
        """Report what a returning client missed (RFC 8620 §7.3): its request is reason for one pass, as any is."""
        for account in login.accounts.values():
            if account.id not in seen or account.mail is None:
                continue
            try:
                await account.mail.refresh()
            except AdapterError:
                continue  # what is not known is not reported; the client's next request meets the same trouble
            states = {name: account.mail.state(name) for name in TYPES if self._types is None or name in self._types}
            self._note(
                account.id, {name: state for name, state in states.items() if seen[account.id].get(name) != state}
            )

    async def next(self, seconds: float) -> States:
        """What changed, at once or within `seconds`; empty where nothing did."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await self._event.wait()
        self._event.clear()
        changed, self._changed = self._changed, {}
        return changed

    async def _pump(self, account: str, messages: AsyncIterator[bytes]) -> None:
        async for message in messages:
            self._note(account, _states(message, self._types))

    def _note(self, account: str, states: dict[str, str]) -> None:
        if states:
            self._changed.setdefault(account, {}).update(states)
            self._event.set()


async def _serve(
    request: web.Request, feed: _Feed, seen: States, close_after_state: bool, ping: int
) -> web.StreamResponse:
    response = await _start(request)
    drain = services(request).drain
    ends = time.monotonic() + LONGEST
    sent = time.monotonic()
    while not drain.begun and time.monotonic() < ends and _is_there(request):
        due = sent + ping if ping else ends
        changed = await feed.next(min(due - time.monotonic(), LOOK_SECONDS))
        if changed:
            for account, states in changed.items():
                seen.setdefault(account, {}).update(states)
            await response.write(_state_event(changed, seen))
            sent = time.monotonic()
            if close_after_state:
                break
        elif ping and time.monotonic() >= due:
            await response.write(b'event: ping\ndata: {"interval":%d}\n\n' % ping)
            sent = time.monotonic()
    await response.write_eof()
    return response


async def _start(request: web.Request) -> web.StreamResponse:
    headers = {
        "Content-Type": "text/event-stream",
        "Cache-Control": "no-store",
        "X-Accel-Buffering": "no",  # else nginx holds every event back
    }
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    # When to come again after the end; spread, so that a restart does not bring all clients at once.
    await response.write(b": connected\nretry: %d\n\n" % (1000 + secrets.randbelow(4000)))
    return response


def _state_event(changed: States, seen: States) -> bytes:
    data = orjson.dumps({"@type": "StateChange", "changed": changed})  # RFC 8620 §7.1
    return b"event: state\nid: %s\ndata: %s\n\n" % (_encode_id(seen), data)


def _is_there(request: web.Request) -> bool:
    return request.transport is not None and not request.transport.is_closing()


def _parameters(request: web.Request) -> tuple[frozenset[str] | None, bool, int]:
    """(types or None for all, whether to end after a state event, ping interval). Raises Refusal(400)."""
    types = request.query.get("types", "")
    close_after = request.query.get("closeafter", "")
    ping = request.query.get("ping", "")
    names = types.split(",")
    if types != "*" and not all(_TYPE.fullmatch(name) for name in names):
        raise Refusal(400, 'types must be "*" or type names with commas between.')
    if close_after not in {"state", "no"}:
        raise Refusal(400, 'closeafter must be "state" or "no".')
    if not (ping.isascii() and ping.isdecimal() and len(ping) <= 15):
        raise Refusal(400, "ping must be a number of seconds.")
    low, high = PING_SECONDS
    interval = min(high, max(low, int(ping))) if int(ping) else 0
    return None if types == "*" else frozenset(names), close_after == "state", interval


def _states(message: bytes, types: frozenset[str] | None) -> dict[str, str]:
    value: Any = orjson.loads(message)
    return {name: state for name, state in value.items() if types is None or name in types}


def _encode_id(seen: States) -> bytes:
    return base64.urlsafe_b64encode(orjson.dumps(seen))


def _decode_id(text: str) -> States:
    """The states of an event id of ours; empty for anything else."""
    try:
        value = orjson.loads(base64.urlsafe_b64decode(text[:4096]))
    except ValueError:
        return {}
    if not isinstance(value, dict):
        return {}
    return {
        account: {name: state for name, state in states.items() if isinstance(state, str)}
        for account, states in value.items()
        if isinstance(states, dict)
    }


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
