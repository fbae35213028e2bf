"""The two HTTP applications, and serving them until a signal comes."""

import asyncio
import gc
import logging
import signal
from collections.abc import Callable
from typing import Final

from aiohttp import web

from gateway.config import Server
from gateway.config_reader import Address
from gateway.web import api, blobs, event_source, health, middleware, session, tickets, websocket
from gateway.web.drain import Drain
from gateway.web.guard import GuardedSite
from gateway.web.keys import SERVICES, Services

log = logging.getLogger(__name__)

READ_AHEAD: Final = 32 * 1024
"""Octets of a body that may wait to be read; at twice as many its connection is read no further."""

LINGER_SECONDS: Final = 5.0
"""How long the rest of a refused body is read and thrown away, so that the client sees the answer."""

WAITING: Final = 0.9
"""The part of `drain_seconds` in which requests may end; the rest is for cutting off those that don't."""


def public_application(services: Services) -> web.Application:
    """What clients talk to."""
    application = web.Application(middlewares=[middleware.observe, middleware.answer])
    application[SERVICES] = services
    application.on_response_prepare.append(middleware.decorate)
    application.add_routes(
        [
            web.get(session.WELL_KNOWN, session.get_session),
            web.get(session.SESSION, session.get_session),
            web.post(session.API, api.post_api),
            web.post(session.UPLOAD, blobs.post_upload),
            web.post(session.UPLOAD.rstrip("/"), blobs.post_upload),
            web.get(session.DOWNLOAD.replace("{name}", "{name:(?s:.*)}"), blobs.get_download),
            web.get(session.EVENTS, event_source.get_events, allow_head=False),
            web.get(session.SOCKET, websocket.get_websocket, allow_head=False),
            web.post(session.TICKETS, tickets.post_ticket),
            web.delete(session.TICKETS + "/{ticket}", tickets.delete_ticket),
            *_probes(),
        ]
    )
    return application


def private_application(services: Services) -> web.Application:
    """What Prometheus and probes talk to."""
    application = web.Application()
    application[SERVICES] = services
    application.add_routes([web.get("/metrics", health.get_metrics), *_probes()])
    return application


async def start(application: web.Application, server: Server, listen: Address) -> web.AppRunner:
    """Listen and serve; ends with the runner's `cleanup`, which cuts off what has not ended by then."""
    runner = web.AppRunner(
        application,
        access_log=None,  # the middleware writes the one line
        read_bufsize=READ_AHEAD,
        auto_decompress=False,  # bodies are decompressed with a bound
        keepalive_timeout=server.keep_alive_seconds,
        lingering_time=LINGER_SECONDS,
        # aiohttp waits this long twice: for handlers, then for their connections.
        shutdown_timeout=server.drain_seconds * (1 - WAITING) / 2,
    )
    await runner.setup()
    site = GuardedSite(
        runner,
        listen.host,
        listen.port,
        header_seconds=server.header_seconds,
        stall_seconds=server.body_seconds,
    )
    try:
        await site.start()
    except OSError:
        await runner.cleanup()
        raise
    return runner


async def serve(services: Services, listening: Callable[[list[str]], None] | None = None) -> None:
    """Serve until SIGTERM or SIGINT, then drain. Raises OSError where an address cannot be listened on."""
    config = services.config
    private: web.AppRunner | None = None
    stop = _stop_on_signal()
    public = await start(public_application(services), config.server, config.server.listen)
    try:
        if config.metrics.listen is not None:
            private = await start(private_application(services), config.server, config.metrics.listen)
        addresses = [str(Address(*name[:2])) for name in public.addresses]
        log.info("listening on %s", ", ".join(addresses))
        _settle_in()
        if listening is not None:
            listening(addresses)
        await stop.wait()
        log.info("draining for at most %g s", config.server.drain_seconds)
    finally:
        await _drain(services.drain, config.server.drain_seconds * WAITING, public, private)


def _settle_in() -> None:
    """What is loaded by now stays: no collection need look through it, which holds up everybody for 25 to 50 ms."""
    gc.collect()
    gc.freeze()


async def _drain(drain: Drain, seconds: float, public: web.AppRunner, private: web.AppRunner | None) -> None:
    drain.begin()  # /readyz says so from now on, on both listeners
    for site in list(public.sites):
        await site.stop()
    await drain.quiet(seconds)  # here, because once `cleanup` has begun aiohttp reads no more of a request's body
    await public.cleanup()
    if private is not None:
        await private.cleanup()


def _stop_on_signal() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stopped(number: int) -> None:
        loop.remove_signal_handler(number)  # a second one ends the process at once
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped, number)
    return stop


def _probes() -> list[web.RouteDef]:
    return [web.get("/healthz", health.get_healthz), web.get("/readyz", health.get_readyz)]
