"""Probes: alive, ready. Neither asks a mail server: its outage is no reason to restart or to unroute the gateway."""

from aiohttp import web

from gateway.web import metrics
from gateway.web.keys import services


async def get_healthz(request: web.Request) -> web.Response:  # noqa: ARG001 - a handler
    """GET /healthz: the event loop turns."""
    return _text(200, "ok")


async def get_readyz(request: web.Request) -> web.Response:
    """GET /readyz: 503 while draining, and while a required store is gone."""
    found = services(request)
    if found.drain.begun:
        return _text(503, "draining")
    if found.config.store.required and not await found.probe.answers():
        return _text(503, "the store does not answer")
    return _text(200, "ok")


async def get_metrics(request: web.Request) -> web.Response:
    """GET /metrics, on the listener of its own."""
    body = services(request).meters.render()
    return web.Response(body=body, headers={"Content-Type": metrics.CONTENT_TYPE})


def _text(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=text + "\n", headers={"Cache-Control": "no-store"})
