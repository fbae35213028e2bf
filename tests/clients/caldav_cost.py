"""What the library `caldav` costs its process, run by the Python of its own environment; see tests/bench/dav_client.py.

Arguments: URL of a calendar, rounds, and the names of its resources on standard input. Prints JSON: CPU seconds.
"""

import asyncio
import json
import logging
import sys
import time
from collections.abc import Awaitable, Callable

from caldav import Calendar
from caldav.aio import AsyncDAVClient
from caldav.lib.url import URL

PROPFIND = '<propfind xmlns="DAV:"><prop><getetag/><resourcetype/></prop></propfind>'


async def main(url: str, rounds: int, names: list[str]) -> dict[str, list[float]]:
    """CPU seconds of each operation, by round."""
    logging.disable(logging.CRITICAL)
    taken: dict[str, list[float]] = {}

    async def clocked(what: str, work: Callable[[], Awaitable[object]]) -> None:
        started = time.process_time()
        await work()
        taken.setdefault(what, []).append(time.process_time() - started)

    async with AsyncDAVClient(url=url, username="alice", password="secret") as client:
        calendar = Calendar(client=client, url=url)

        async def listing() -> object:
            return (await client.propfind(url, PROPFIND, depth=1)).results

        async def sync() -> object:
            found = await calendar.get_objects_by_sync_token(disable_fallback=True)
            assert len(list(found)) == len(names), len(list(found))
            return found

        async def multiget() -> object:
            found = await calendar.multiget([URL(f"{url}{name}") for name in names])
            assert len(found) == len(names)
            return found

        for _ in range(rounds):
            await clocked("listing", listing)
            await clocked("sync", sync)
            await clocked("multiget", multiget)
    return taken


if __name__ == "__main__":
    result = asyncio.run(main(sys.argv[1], int(sys.argv[2]), json.load(sys.stdin)))
    print(json.dumps(result))
