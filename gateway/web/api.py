"""The API resource (RFC 8620 §3.1): a Request comes in, a Response goes out."""

import asyncio
from typing import Any, Final

import orjson
from aiohttp import web

from gateway.context import Context, Login
from gateway.jmap import dispatch
from gateway.jmap.errors import NOT_JSON, RequestProblem
from gateway.jmap.request import Request, parse_request
from gateway.sync.pace import REQUESTS, aside
from gateway.web import bodies, compression, logs
from gateway.web.keys import Services, services
from gateway.web.metrics import Meters
from gateway.web.problems import unavailable
from gateway.web.session import session_state

JSON: Final = "application/json"


async def post_api(request: web.Request) -> web.Response:
    """POST /jmap/api."""
    found = services(request)
    async with found.authenticator.login(request) as login:
        # RFC 8620 §3.1: MUST be application/json. It also keeps web pages from sending one without a preflight.
        if request.content_type.lower() != JSON or "Content-Type" not in request.headers:
            raise RequestProblem(NOT_JSON, "The content type must be application/json.")
        with found.api_slots.take(login.username):
            server = found.config.server
            body = await bodies.whole(request, found.limits.max_size_request, server.body_seconds)
            try:
                async with asyncio.timeout(server.request_seconds):
                    parsed = await aside(len(body), lambda: parse_request(body, found.limits, found.capabilities))
                    response = await execute(found, login, parsed, session_state(request, login))
            except TimeoutError:
                raise unavailable("The request took too long and was given up.") from None
    return await _respond(request, response)


async def execute(found: Services, login: Login, parsed: Request, state: str) -> dict[str, Any]:
    """The Response object (RFC 8620 §3.4). state: of the session."""
    context = Context(
        login=login,
        using=parsed.using,
        limits=found.limits,
        uploads=found.uploads,
        blobs=found.blobs,
        cache=found.cache,
        request_id=logs.request_id.get() or "",
        created_ids=parsed.created_ids or {},
    )
    with REQUESTS.answering():
        response = await dispatch.run(found.registry, context, parsed, state)
    for call in parsed.method_calls:
        known = found.registry.find(call.name, None) is not None
        found.meters.method_call(call.name if known else "unknown")
    _count_errors(found.meters, response)
    return response


def _count_errors(meters: Meters, response: dict[str, Any]) -> None:
    for name, arguments, _ in response["methodResponses"]:
        if name == "error":
            meters.method_error(arguments.get("type"))


async def _respond(request: web.Request, response: dict[str, Any]) -> web.Response:
    body = orjson.dumps(response)
    headers = {"Cache-Control": "no-store", "Vary": "Accept-Encoding"}
    accepted = request.headers.get("Accept-Encoding", "")
    if len(body) >= compression.SMALLEST and (coding := compression.choose(accepted)) is not None:
        body = await compression.compress(body, coding)
        headers["Content-Encoding"] = coding
    return web.Response(body=body, content_type=JSON, headers=headers)
