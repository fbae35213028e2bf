"""A gateway that goes on for long while its mail server is cut off again and again (trust model, row 95).

Run: python -m tests.bench.soak [--seconds 300] [--users 5]. Prints figures beside bars; asserts no time. At random
moments connections to the server are closed, reset or refused for a while; what clients get must be an answer or
"unavailable", memory and file descriptors must not grow, and no fault may be in the log.
"""

import argparse
import asyncio
import contextlib
import json
import random
import statistics
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp

from tests.bench.messages import message
from tests.bench.processes import Gateway, gateway_process
from tests.bench.table import Table
from tests.client import JmapClient, jmap_client
from tests.faults.proxy import FaultProxy
from tests.servers.dovecot import running_dovecot
from tests.servers.users import User, fresh_user

DICE = random.Random(7)  # noqa: S311 - the same cuts every time
SLOPE_BAR = 1.0  # MB per minute, in the second half


@dataclass
class Seen:
    """What clients were told, and what the gateway took of the machine: (seconds, MB, descriptors) at a time."""

    answers: Counter[str] = field(default_factory=Counter)
    samples: list[tuple[float, float, int]] = field(default_factory=list)


async def ask(jmap: JmapClient, seen: Seen, *calls: tuple[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """The answers, counted by what they are; none where the gateway said that it cannot."""
    numbered = [[name, {"accountId": jmap.account} | given, f"c{number}"] for number, (name, given) in enumerate(calls)]
    body = {"using": ["urn:ietf:params:jmap:core", "urn:ietf:params:jmap:mail"], "methodCalls": numbered}
    async with jmap.http.post(jmap.session["apiUrl"], json=body) as answer:
        if answer.status != 200:
            seen.answers[f"HTTP {answer.status}"] += 1
            return []
        responses = (await answer.json())["methodResponses"]
    for name, given, _ in responses:
        refused = [error["type"] for key in ("notCreated", "notUpdated") for error in (given.get(key) or {}).values()]
        for kind in refused or [given["type"] if name == "error" else "answered"]:
            seen.answers[kind] += 1
    return [] if any(name == "error" for name, _, _ in responses) else [given for _, given, _ in responses]


async def work(url: str, user: User, seen: Seen, pause: float) -> None:
    """One client: lists, reads, flags, stores and destroys, listens now and then, and logs in again after an outage."""
    while True:
        with contextlib.suppress(AssertionError, aiohttp.ClientError):  # the session is refused while the server is
            async with jmap_client(url, *user) as jmap:
                for _ in range(20):
                    await one_round(jmap, seen)
                    await asyncio.sleep(DICE.expovariate(1 / pause))
        await asyncio.sleep(0.2)


async def one_round(jmap: JmapClient, seen: Seen) -> None:
    """A few requests of a client at work."""
    ids = {"resultOf": "c0", "name": "Email/query", "path": "/ids"}
    listed = await ask(
        jmap, seen, ("Email/query", {"limit": 20}), ("Email/get", {"#ids": ids, "properties": ["subject"]})
    )
    boxes = await ask(jmap, seen, ("Mailbox/get", {"ids": None, "properties": ["role"]}))
    if not listed or not boxes:
        return
    found = listed[0]["ids"]
    keep = {f"keywords/k{DICE.randrange(5)}": True}
    await ask(jmap, seen, ("Email/set", {"update": dict.fromkeys(found[:2], keep), "destroy": found[10:]}))
    inbox = next(box["id"] for box in boxes[0]["list"] if box["role"] == "inbox")
    draft = {"mailboxIds": {inbox: True}, "subject": "soak", "bodyValues": {"t": {"value": "x" * 2_000}}}
    draft["textBody"] = [{"partId": "t", "type": "text/plain"}]
    await ask(jmap, seen, ("Email/set", {"create": {"k": draft}}))
    await ask(jmap, seen, ("Email/get", {"ids": found[:1], "fetchAllBodyValues": True}))
    with contextlib.suppress(TimeoutError, aiohttp.ClientError):
        async with asyncio.timeout(0.3), jmap.http.get(jmap.event_source("*")) as stream:
            await stream.content.readline()


async def disturb(proxy: FaultProxy) -> None:
    """Cuts at random moments; now and then the server is gone for a second."""
    while True:
        await asyncio.sleep(DICE.expovariate(2))
        proxy.connections[:] = [each for each in proxy.connections if not each.client.is_closing()]
        if DICE.random() < 0.05:
            await proxy.refuse()
            proxy.cut_all()
            await asyncio.sleep(1)
            await proxy.accept()
        elif proxy.connections:
            one = DICE.choice(proxy.connections)
            if DICE.random() < 0.5:
                one.client.transport.abort()
            one.close()


async def sample(gateway: Gateway, seen: Seen) -> None:
    """Memory and descriptors, every two seconds."""
    began = time.monotonic()
    while True:
        seen.samples.append((time.monotonic() - began, gateway.rss(), gateway.descriptors()))
        await asyncio.sleep(2)


def report(table: Table, seen: Seen, log: str) -> None:
    """The figures; what is no answer and what is in the log is printed as it is."""
    table.value("requests answered", [seen.answers["answered"]], None, str(dict(seen.answers)))
    later = seen.samples[len(seen.samples) // 2 :]
    slope = statistics.linear_regression([at for at, _, _ in later], [mb for _, mb, _ in later]).slope * 60
    table.value("memory, second half", [slope], SLOPE_BAR, f"MB a minute; at the end {later[-1][1]:.0f} MB")
    for name, half in (("first", seen.samples[: len(seen.samples) // 2]), ("second", later)):
        table.value(f"file descriptors, {name} half", [each for _, _, each in half], None, "open")
    faults = [line for line in log.splitlines() if json.loads(line)["level"] in ("error", "critical")]
    table.value("faults in the log", [len(faults)], 0, "lines")
    wrong = sum(number for kind, number in seen.answers.items() if kind in ("HTTP 500", "serverFail"))
    table.value("internal faults told to clients", [wrong], 0, "answers")
    print("\n".join(faults[:5]))


async def measure(table: Table, seconds: float, users: int) -> None:
    """The whole soak."""
    seen = Seen()
    with running_dovecot() as server:
        logins = [fresh_user(server) for _ in range(users)]
        for user in logins:
            for number in range(10):
                server.deliver(user.name, message(number).text)
        async with FaultProxy(server.host, server.imap) as proxy:
            # Every Email is a new one here: a cache that fills is no leak.
            with gateway_process(replace(server, imap=proxy.port), limits__cache_bytes="1000000") as gateway:
                url = gateway.session_url.removesuffix("/jmap/session")
                tasks = [work(url, user, seen, users / 5) for user in logins]
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
                        for task in (*tasks, disturb(proxy), sample(gateway, seen)):
                            group.create_task(task)
                log = gateway.server.output.read_text()
            await asyncio.sleep(1)  # what the gateway had open ends
    report(table, seen, log)


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--users", type=int, default=5)
    given = parser.parse_args()
    table = Table()
    asyncio.run(measure(table, given.seconds, given.users))
    table.print()


if __name__ == "__main__":
    main()
