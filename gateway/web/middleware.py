"""Around every request: its id, one log line, metrics, CORS, and errors as problem details."""

import contextlib
import logging
import re
import time
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from gateway.web import cors, logs
from gateway.web.guard import Guard
from gateway.web.keys import services
from gateway.web.problems import Refusal, problem_of, problem_response

log = logging.getLogger("gateway.access")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

ID: Final = "X-Request-Id"

GONE: Final = 499
"""The status that is logged where the client goes away before its answer has ended; nobody sees it."""

_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}.{0,64}")


@web.middleware
async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request its id, count it and log it once, when its answer has ended."""
    given = _request_id(request)
    token = logs.request_id.set(given)
    meters = services(request).meters
    started = time.perf_counter()
    status = GONE
    meters.in_flight.inc()
    try:
        with services(request).drain.running():
            with _guarded(request):
                response = await handler(request)
            status = response.status
            await _send(request, response)
        return response
    finally:
        meters.in_flight.dec()
        seconds = time.perf_counter() - started
        route = _route(request)
        method = request.method if request.method in {"GET", "HEAD", "POST", "OPTIONS"} else "other"
        meters.request(route, method, status, seconds)
        fields = {"method": method, "route": route, "status": status, "ms": round(seconds * 1000, 2)}
        log.info("request", extra={logs.FIELDS: fields})
        logs.request_id.reset(token)


@web.middleware
async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Preflights answered without credentials; errors of every kind turned into problem details."""
    settings = services(request).config.cors
    if cors.is_preflight(request):
        return cors.preflight(request, settings)
    try:
        return await handler(request)
    except web.HTTPException as error:
        headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        return problem_response(Refusal(error.status, error.reason, headers))
    except ConnectionError:
        if request.transport is not None and not request.transport.is_closing():
            raise
        return web.Response(status=GONE)  # the client went away while its answer was sent
    except Exception as error:  # noqa: BLE001 - the last place that can turn a fault into an answer
        return problem_response(problem_of(error))


async def decorate(request: web.Request, response: web.StreamResponse) -> None:
    """Header fields of every answer; runs as `on_response_prepare`, so streams have them too."""
    found = services(request)
    for name, value in cors.fields(request.headers.get("Origin"), found.config.cors).items():
        if name == "Vary" and "Vary" in response.headers:
            response.headers["Vary"] = f"{response.headers['Vary']}, {value}"
        else:
            response.headers[name] = value
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers.pop("Server", None)
    if (current := logs.request_id.get()) is not None:
        response.headers[ID] = current
    if found.drain.begun:
        response.force_close()
        response.headers["Connection"] = "close"  # the header is made up already when this runs


async def _send(request: web.Request, response: web.StreamResponse) -> None:
    """Now rather than when the middleware has returned: nobody waits for the log, and what it says is how it went."""
    with contextlib.suppress(ConnectionError):  # the client went away: aiohttp finds out in a moment
        await response.prepare(request)
        await response.write_eof()


def _guarded(request: web.Request) -> contextlib.AbstractContextManager[None]:
    """Tells the connection's guard that the header has arrived."""
    protocol = None if request.transport is None else request.transport.get_protocol()
    return protocol.serving() if isinstance(protocol, Guard) else contextlib.nullcontext()


def _request_id(request: web.Request) -> str:
    """The id the client or its proxy gave, where it is harmless; else a new one."""
    given = request.headers.get(ID, "")
    if _ID.fullmatch(given):
        return given
    trace = _TRACEPARENT.fullmatch(request.headers.get("traceparent", ""))
    return trace[1] if trace else logs.new_id()


def _route(request: web.Request) -> str:
    """The route's pattern; never the path, which clients make up."""
    resource = request.match_info.route.resource
    return "unknown" if resource is None else resource.canonical
