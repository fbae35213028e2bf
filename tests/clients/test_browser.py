"""A real browser hears of new mail in the three ways it has: fetch, EventSource, WebSocket (RFC 8620 §7.3, RFC 8887).

The page comes from a site of its own, which also passes the event source on under the site's origin, for an
EventSource can set no Authorization.
"""

import asyncio
import contextlib
import os
import shutil
import signal
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp
from aiohttp import web

from gateway.push import feed
from tests.client import JmapClient, jmap_client
from tests.gateway import running_gateway
from tests.servers.dovecot import Dovecot
from tests.servers.fixtures import require
from tests.servers.imap_client import imap_client
from tests.servers.users import User, fresh_user

PAGE: Final = Path(__file__).parent / "browser.html"
BROWSER: Final = "chromium-headless-shell"
ARGUMENTS: Final = ("--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--remote-debugging-port=0")
WAYS: Final = {"fetch", "EventSource", "WebSocket"}
MESSAGE: Final = b"From: Ann <a@example.org>\r\nSubject: News\r\n\r\nText\r\n"


class Site:
    """Where the page comes from, on loopback."""

    def __init__(self, gateway: str, http: aiohttp.ClientSession) -> None:
        self.gateway = gateway
        self.heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._http = http

    async def page(self, request: web.Request) -> web.StreamResponse:
        """The page, for who has logged in."""
        if "Authorization" not in request.headers:
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="Mail"'})
        return web.FileResponse(PAGE)

    async def pass_on(self, request: web.Request) -> web.StreamResponse:
        """What the gateway answers to a GET, as it comes."""
        headers = {name: request.headers[name] for name in ("Authorization", "Accept") if name in request.headers}
        async with self._http.get(f"{self.gateway}{request.rel_url}", headers=headers) as answer:
            response = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.content_type})
            await response.prepare(request)
            async for data in answer.content.iter_any():
                await response.write(data)
        return response

    async def hear(self, request: web.Request) -> web.Response:
        """What the page reports."""
        self.heard.put_nowait(await request.json())
        return web.Response(status=204)

    async def until_all_listen(self) -> None:
        """Wait until each way is open."""
        ways: set[str] = set()
        while ways != WAYS:
            ways.add((await self._report())[0])

    async def until_all_hear(self, account: str) -> str:
        """The first state of Email that has come by each way."""
        states: dict[str, set[str]] = {way: set() for way in WAYS}
        while not (common := set.intersection(*states.values())):
            way, changed = await self._report()
            states[way].add(changed[account]["Email"])
        return common.pop()

    async def _report(self) -> tuple[str, Any]:
        report = await asyncio.wait_for(self.heard.get(), 60)
        assert not isinstance(report["change"], str), report
        return report["by"], report["change"] and report["change"]["changed"]


@contextlib.asynccontextmanager
async def site(gateway: str) -> AsyncIterator[tuple[Site, str]]:
    """A site while it runs, and its host and port."""
    async with aiohttp.ClientSession() as http:
        found = Site(gateway, http)
        application = web.Application()
        application.router.add_get("/", found.page)
        application.router.add_get("/jmap/eventsource", found.pass_on)
        application.router.add_post("/heard", found.hear)
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield found, f"127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()


@contextlib.asynccontextmanager
async def browser(url: str, profile: Path) -> AsyncIterator[None]:
    """A browser that shows a page."""
    require(BROWSER, shutil.which(BROWSER) is not None, "is not installed (bin/test)")
    argv = [BROWSER, *ARGUMENTS, f"--user-data-dir={profile}", url]
    process = await asyncio.create_subprocess_exec(*argv, stdout=DEVNULL, stderr=DEVNULL, start_new_session=True)
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # the program is a script, and the browser has processes of its own
        await process.wait()


async def state_of(jmap: JmapClient) -> str:
    return str((await jmap.call("Email/get", ids=[]))["state"])


def parameters(jmap: JmapClient, user: User, state: str) -> str:
    since = feed.encode({jmap.account: {"Email": state}})
    return urlencode({"gateway": jmap.url, "since": since, "name": user.name, "password": user.password})


async def test_a_page_hears_of_new_mail(dovecot: Dovecot, tmp_path: Path) -> None:
    user = fresh_user(dovecot)
    async with running_gateway(dovecot) as url, jmap_client(url, *user) as jmap, site(url) as (page, address):
        state = await state_of(jmap)
        query = parameters(jmap, user, state)
        async with browser(f"http://{user.name}:{user.password}@{address}/?{query}", tmp_path):
            await page.until_all_listen()
            with imap_client(dovecot, user) as imap:
                await asyncio.to_thread(imap.append, "INBOX", MESSAGE)
            told = await page.until_all_hear(jmap.account)
        assert told != state
        assert told == await state_of(jmap)
