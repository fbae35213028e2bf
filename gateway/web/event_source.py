"""The event source resource (RFC 8620 §7.3)."""

import re
import secrets
import time
from collections.abc import Sequence
from typing import Final

import orjson
from aiohttp import web

from gateway.push import feed
from gateway.push.feed import Feed, States, alert_object
from gateway.sync.calendars.alerts import Alert
from gateway.web.keys import services
from gateway.web.problems import Refusal

PING_SECONDS: Final = (5, 900)
"""Bounds of the ping interval: RFC 8620 §7.3 allows a minimum of at most 30 and a maximum of at least 300."""

LONGEST: Final = 3600.0
"""Seconds after which a stream ends, so that its client comes again and proves its credentials."""

PROOF_SECONDS: Final = 300.0
"""How often a stream proves its credentials anew, and looks which accounts they open."""

LOOK_SECONDS: Final = 15.0
"""How often a silent stream looks whether its client is still there."""

_TYPE: Final = re.compile(r"[A-Za-z][A-Za-z0-9]{0,63}")


async def get_events(request: web.Request) -> web.StreamResponse:
    """GET /jmap/eventsource?types=&closeafter=&ping="""
    found = services(request)
    types, close_after_state, ping = _parameters(request)
    last = request.headers.get("Last-Event-ID", "")
    seen, told_until = feed.decode(last), feed.decode_told(last)
    # The login is held as long as the stream is open: its credentials are what the accounts are watched with.
    async with found.authenticator.login(request) as login:
        with found.stream_slots.take(login.username), found.meters.streams.track_inprogress():
            async with Feed(found.store, login, types, seen, told_until) as news:
                with found.drain.waking(news.wake):
                    return await _serve(request, news, close_after_state, ping)


async def _serve(request: web.Request, news: Feed, close_after_state: bool, ping: int) -> web.StreamResponse:
    response = await _start(request)
    drain = services(request).drain
    sent = proven = time.monotonic()
    ends = sent + LONGEST
    while not drain.begun and time.monotonic() < ends and _is_there(request):
        if time.monotonic() >= proven + PROOF_SECONDS:
            if not await _is_good(request, news):
                break
            proven = time.monotonic()
        due = sent + ping if ping else ends
        states, alerts = await news.next(min(due - time.monotonic(), LOOK_SECONDS, PROOF_SECONDS))
        if states or alerts:
            await response.write(_events(states, alerts, news.token))
            sent = time.monotonic()
            if states and close_after_state:
                break
        elif ping and time.monotonic() >= due:
            await response.write(b'event: ping\ndata: {"interval":%d}\n\n' % ping)
            sent = time.monotonic()
    if _is_there(request):
        await response.write_eof()
    return response


async def _is_good(request: web.Request, news: Feed) -> bool:
    """Whether the credentials still open these accounts, as far as one can know; else the client has to come again."""
    try:
        async with services(request).authenticator.login(request) as again:
            return news.covers(again)
    except Refusal as refusal:
        return refusal.status != 401


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


def _events(states: States, alerts: Sequence[Alert], token: str) -> bytes:
    """The events that tell this; the last has the id, for it stands for all of them."""
    events = [b"event: calendarAlert\ndata: %s\n" % orjson.dumps(alert_object(alert)) for alert in alerts]
    if states:
        data = orjson.dumps({"@type": "StateChange", "changed": states})  # RFC 8620 §7.1
        events.append(b"event: state\ndata: %s\n" % data)
    return b"\n".join(events) + b"id: %s\n\n" % token.encode()


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
