"""The process: commands, exit codes, environment only, SIGTERM."""

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
import tomllib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from gateway.demo.dovecot import Dovecot
from gateway.demo.radicale import Radicale
from tests.adapters.smtp.server import scripted_smtp
from tests.waiting import until
from tests.web.gateway import basic
from tests.web.imap import Imap, imap_server

PASSWORD = "wonder:land"
DEAD = "http://127.0.0.1:1/"


def environment(**keys: str) -> dict[str, str]:
    here = {name: value for name, value in os.environ.items() if not name.startswith("JMAPGW__")}
    return here | {f"JMAPGW__{name.upper()}": value for name, value in keys.items()}


async def command(*arguments: str, **keys: str) -> tuple[int, str, str]:
    """Exit code, standard output, standard error of one command that ends by itself."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", *arguments, env=environment(**keys), stdout=-1, stderr=-1
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


@dataclass
class Process:
    process: asyncio.subprocess.Process
    url: str
    keys: dict[str, str]
    said: str

    async def end(self) -> tuple[int, str]:
        """The exit code and what was still printed."""
        assert self.process.stdout is not None
        out = (await self.process.stdout.read()).decode()
        return await self.process.wait(), out


@contextlib.asynccontextmanager
async def serving(imap: Imap, **more: str) -> AsyncIterator[Process]:
    """`gateway serve`, configured by the environment alone."""
    keys = {
        "server__listen": "127.0.0.1:0",
        "store__kind": "memory",
        "backends__default__imap__host": "127.0.0.1",
        "backends__default__imap__port": str(imap.port),
        "backends__default__imap__tls": "none",
    } | more
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "serve", env=environment(**keys), stdout=-1
    )
    assert process.stdout is not None
    try:
        said = ""
        while not (message := json.loads(await process.stdout.readline())["message"]).startswith("listening on "):
            said += message
        address = message.removeprefix("listening on ")
        yield Process(process, f"http://{address}", keys | {"server__listen": address}, said)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def test_sigterm_drains() -> None:
    async with imap_server(PASSWORD) as imap, serving(imap) as gateway, aiohttp.ClientSession() as http:
        headers = {"Authorization": basic("alice", PASSWORD)}
        async with http.get(f"{gateway.url}/jmap/session", headers=headers) as response:
            assert response.status == 200
        events = await http.get(f"{gateway.url}/jmap/eventsource?types=*&closeafter=no&ping=0", headers=headers)
        imap.go.clear()

        async def slow() -> int:
            bob = {"Authorization": basic("bob", PASSWORD)}
            async with http.get(f"{gateway.url}/jmap/session", headers=bob) as response:
                return response.status

        task = asyncio.create_task(slow())
        await until(lambda: imap.waiting == 2)
        gateway.process.send_signal(signal.SIGTERM)
        assert (await events.content.read()).startswith(b": connected")  # the stream ended
        async with aiohttp.ClientSession() as new:
            with contextlib.suppress(aiohttp.ClientConnectorError):
                async with asyncio.timeout(5):
                    while True:  # the listener closes
                        async with new.get(f"{gateway.url}/readyz") as response:
                            assert response.status == 503
        assert not task.done()
        imap.go.set()
        assert await task == 200  # what was under way has ended well
        code, output = await gateway.end()
        assert code == 0
        assert "draining" in output
        assert PASSWORD not in output
        await until(lambda: imap.open == 0)  # and said LOGOUT


async def test_what_is_being_sent_arrives_while_draining() -> None:
    each_time = {"auth__cache_seconds": "0"}  # the login is proven at the IMAP server, so that it knows of the request
    async with imap_server(PASSWORD) as imap, serving(imap, **each_time) as gateway, aiohttp.ClientSession() as http:
        headers = {"Authorization": basic("alice", PASSWORD)}
        async with http.get(f"{gateway.url}/jmap/session", headers=headers) as response:
            (account,) = (await response.json())["accounts"]
        imap.go.clear()
        go_on = asyncio.Event()

        async def body() -> AsyncIterator[bytes]:
            yield b"x" * 1000
            await go_on.wait()
            yield b"y" * 1000

        async def upload() -> tuple[int, int]:
            async with http.post(f"{gateway.url}/jmap/upload/{account}/", data=body(), headers=headers) as response:
                return response.status, (await response.json())["size"]

        task = asyncio.create_task(upload())
        await until(lambda: imap.waiting == 2)
        gateway.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(aiohttp.ClientConnectionError):
            while True:  # the listener closes
                async with aiohttp.ClientSession() as new, new.get(f"{gateway.url}/readyz"):
                    pass
        imap.go.set()
        go_on.set()
        assert await task == (200, 2000)
        assert (await gateway.end())[0] == 0


async def test_draining_has_an_end() -> None:
    async with imap_server(PASSWORD) as imap, serving(imap, server__drain_seconds="0.2") as gateway:
        imap.go.clear()
        async with aiohttp.ClientSession() as http:
            headers = {"Authorization": basic("alice", PASSWORD)}
            task = asyncio.ensure_future(http.get(f"{gateway.url}/jmap/session", headers=headers).__aenter__())
            await until(lambda: imap.waiting == 1)
            gateway.process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(15):
                code, _ = await gateway.end()
            assert code == 0
            assert isinstance((await asyncio.gather(task, return_exceptions=True))[0], aiohttp.ClientError)


async def test_without_a_store_it_serves_and_says_so() -> None:
    gone = {"store__kind": "sqlite", "store__path": "/nonexistent/gateway.sqlite"}
    async with imap_server(PASSWORD) as imap, serving(imap, **gone) as gateway, aiohttp.ClientSession() as http:
        assert "the store does not answer" in gateway.said
        async with http.get(f"{gateway.url}/readyz") as response:
            assert response.status == 200  # it is not required


async def test_healthcheck() -> None:
    async with imap_server(PASSWORD) as imap, serving(imap) as gateway:
        assert (await command("healthcheck", **gateway.keys))[0] == 0
        gateway.process.terminate()
        assert (await gateway.end())[0] == 0
        assert (await command("healthcheck", **gateway.keys))[0] == 1


async def test_an_address_in_use_is_one_line() -> None:
    async with imap_server(PASSWORD) as imap, serving(imap) as gateway:
        code, _, err = await command("serve", **gateway.keys)
        assert code == 1
        assert err.count("\n") == 1
        assert "cannot serve" in err


async def test_check_config() -> None:
    code, _, err = await command("check-config", backends__default__imap__host="x", log__level="loud")
    assert (code, err) == (2, "log.level: must be one of debug, info, warning, error\n")
    for key in ("backends__default__imap__ca_file", "push__ca_file", "smime__ca_file"):
        code, _, err = await command("check-config", backends__default__imap__host="x", **{key: "/nonexistent"})
        assert (code, err.partition(":")[0]) == (2, key.replace("__", "."))
    async with imap_server(PASSWORD) as imap:
        keys = {
            "store__kind": "memory",
            "backends__default__imap__host": "127.0.0.1",
            "backends__default__imap__port": str(imap.port),
            "backends__default__imap__tls": "none",
        }
        assert (await command("check-config", **keys))[0] == 0
        assert imap.open == 0
        code, out, _ = await command("check-config", "--probe", **keys)
        assert code == 0
        assert "IMAP4REV1" in out
        assert "store: memory: ok" in out
        assert (await command("check-config", "--probe", **keys | {"backends__default__imap__port": "1"}))[0] == 1


@pytest.mark.parametrize("section", ["caldav", "carddav"])
async def test_check_config_looks_at_the_dav_servers(radicale: Radicale, section: str) -> None:
    async with imap_server(PASSWORD) as imap:
        keys = {
            "store__kind": "memory",
            "backends__default__imap__host": "127.0.0.1",
            "backends__default__imap__port": str(imap.port),
            "backends__default__imap__tls": "none",
            f"backends__default__{section}__url": radicale.url,
        }
        code, out, _ = await command("check-config", "--probe", **keys)
        assert code == 0
        assert f"{section} {radicale.url}: 200 at /, radicale, 1 2 3 calendar-access" in out
        code, out, _ = await command("check-config", "--probe", **keys | {f"backends__default__{section}__url": DEAD})
        assert code == 1
        assert f"{section} {DEAD}: OPTIONS" in out


async def test_check_config_looks_at_submission_and_managesieve(dovecot: Dovecot) -> None:
    async with scripted_smtp() as smtp:
        keys = {"store__kind": "memory", "backends__default__imap__host": dovecot.host}
        keys |= {"backends__default__imap__port": str(dovecot.imap), "backends__default__imap__tls": "none"}
        for name, port in {"submission": smtp.port, "managesieve": dovecot.managesieve}.items():
            section = f"backends__default__{name}"
            keys |= {f"{section}__host": dovecot.host, f"{section}__port": str(port), f"{section}__tls": "none"}
        code, out, _ = await command("check-config", "--probe", **keys)
        assert code == 0, out
        assert f"submission 127.0.0.1:{smtp.port}: " in out
        assert "AUTH PLAIN" in out
        assert re.search(r"managesieve 127\.0\.0\.1:\d+: Dovecot.*fileinto.*SASL .*PLAIN", out)
        for name in ("submission", "managesieve"):
            wrong = keys | {f"backends__default__{name}__port": "1"}
            code, out, _ = await command("check-config", "--probe", **wrong)
            assert (code, f"{name} 127.0.0.1:1: " in out) == (1, True), out


async def test_print_config_is_toml_without_secrets(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(
        '[auth]\nmaster_user = "m"\nmaster_password = "hunter2"\n[backends.a.imap]\nhost = "x"\n'
        '[domains]\n"example.org" = "a"\n[store]\nurl = "redis://:hunter3@h"\n'
    )
    code, out, _ = await command("print-config", "--config", str(file))
    assert code == 0
    assert "hunter" not in out
    printed = tomllib.loads(out)
    assert printed["auth"]["master_password"] == "********"
    assert printed["domains"] == {"example.org": "a"}
    assert printed["backends"]["a"]["imap"]["port"] == 993


async def test_wrong_usage() -> None:
    assert (await command())[0] == 2
    assert (await command("swim"))[0] == 2
    assert (await command("serve", "--config", "/nonexistent"))[0] == 2
