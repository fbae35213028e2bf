"""Changes of scripts and of the vacation response are told, whoever makes them (RFC 8620 §7.1)."""

import asyncio
import json

import aiohttp
import pytest

from adapters.managesieve.filters import SieveFilters
from gateway import owners
from gateway.push import feed
from tests.client import JmapClient
from tests.objects.sieve.calls import call, create, set_vacation

KEEP = b"keep;\r\n"
TYPES = ("SieveScript", "VacationResponse")


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owners, "SCRIPTS_SECONDS", 0.3)


async def states(jmap: JmapClient) -> dict[str, str]:
    return {name: (await call(jmap, f"{name}/get", ids=None))["state"] for name in TYPES}


async def until_told(response: aiohttp.ClientResponse, jmap: JmapClient, wanted: dict[str, str]) -> None:
    """Wait until these states have been told."""
    heard: dict[str, str] = {}
    async with asyncio.timeout(20):
        while not wanted.items() <= heard.items():
            line = (await response.content.readline()).decode()
            if line.startswith("data: "):
                heard |= json.loads(line.removeprefix("data: "))["changed"][jmap.account]


async def test_own_changes_are_told(jmap: JmapClient) -> None:
    async with jmap.http.get(jmap.event_source(*TYPES)) as response:
        made = await create(jmap, "Mine", KEEP)
        await until_told(response, jmap, {"SieveScript": made["newState"]})
        await set_vacation(jmap, isEnabled=True, textBody="Away")
        await until_told(response, jmap, await states(jmap))  # it is made of a script: both have changed


async def test_changes_of_others_are_found(often: None, jmap: JmapClient, sieve: SieveFilters) -> None:
    before = await states(jmap)
    async with jmap.http.get(jmap.event_source(*TYPES)) as response:
        await sieve.put("Theirs", KEEP)
        async with asyncio.timeout(20):
            told = before["SieveScript"]
            while told == before["SieveScript"]:  # what is told first may be what was there
                line = (await response.content.readline()).decode()
                if line.startswith("data: "):
                    told = json.loads(line.removeprefix("data: "))["changed"][jmap.account].get("SieveScript", told)
    assert told == (await states(jmap))["SieveScript"]


async def test_who_comes_back_is_told_what_it_missed(jmap: JmapClient, sieve: SieveFilters) -> None:
    before = await states(jmap)
    await sieve.put("Theirs", KEEP)
    headers = {"Last-Event-ID": feed.encode({jmap.account: before})}
    async with jmap.http.get(jmap.event_source(*TYPES, closeafter="state"), headers=headers) as response:
        text = await asyncio.wait_for(response.text(), 20)
    (line,) = [line for line in text.splitlines() if line.startswith("data: ")]
    changed = json.loads(line.removeprefix("data: "))["changed"][jmap.account]
    now = await states(jmap)
    assert changed == {"SieveScript": now["SieveScript"]}
    assert now["VacationResponse"] == before["VacationResponse"]
