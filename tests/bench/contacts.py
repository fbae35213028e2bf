"""Address books: a large one in Radicale, seen for the first time and again; beside the port alone ("port").

Run: python -m tests.bench.contacts [--cards 10000] [--rounds 3]. A tenth of the cards has a picture of 8 KB.
"""

import argparse
import asyncio
import base64
import contextlib
import gc
import random
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from adapters.carddav.backend import CardDav
from adapters.dav.connection import Credentials, Endpoint
from adapters.errors import Unavailable
from gateway.demo.load import write_collection
from gateway.demo.process import private_directory
from gateway.demo.radicale import COLLECTIONS, start_radicale
from gateway.store.sqlite import SqliteStore
from gateway.sync.contacts.account import ContactsAccount
from tests.bench.index import Lag, rss
from tests.bench.table import Table

PHOTO: Final = base64.b64encode(random.Random(1).randbytes(8192)).decode()  # noqa: S311 - no secret


def card(number: int) -> str:
    """A vCard as phones write them."""
    photo = f"PHOTO;ENCODING=b;TYPE=JPEG:{PHOTO}\r\n" if number % 10 == 0 else ""
    return (
        f"BEGIN:VCARD\r\nVERSION:3.0\r\nPRODID:-//Example//Bench//EN\r\nUID:card-{number}@example.org\r\n"
        f"FN:Person {number}\r\nN:{number};Person;;;\r\nORG:Example GmbH;Sales\r\nTITLE:Buyer\r\n"
        f"EMAIL;TYPE=INTERNET,WORK:person{number}@example.org\r\nEMAIL;TYPE=HOME:p{number}@example.com\r\n"
        f"item1.TEL;TYPE=CELL:+49 170 {number:07}\r\nitem1.X-ABLABEL:private\r\n"
        f"TEL;TYPE=WORK,VOICE:+49 30 {number:07}\r\n"
        f"ADR;TYPE=HOME:;;Street {number};Berlin;;10115;Germany\r\nBDAY:1980-01-{number % 28 + 1:02}\r\n"
        f"NOTE:Met at the fair\\, and again later\r\nREV:2026-01-01T00:00:00Z\r\n{photo}END:VCARD\r\n"
    )


async def clocked(work: Callable[[], Awaitable[object]]) -> float:
    """Seconds that the work took."""
    began = time.perf_counter()
    await work()
    return time.perf_counter() - began


async def read_all(port: CardDav) -> None:
    """What the port alone does of a first look."""
    for book in await port.address_books():
        delta = await port.changes(book, None, {})
        async for _ in port.fetch(book.path, delta.changed):
            pass


async def measure(url: str, folder: Path, cards: int, rounds: int, table: Table) -> None:
    """All rows."""
    port = CardDav(Endpoint(url), Credentials("alice", password="secret"))
    while True:
        with contextlib.suppress(Unavailable):  # what Radicale reads for the first time takes it long
            await port.open()
            break
    await read_all(port)
    rows: dict[str, list[float]] = {name: [] for name in ("port", "cold", "block", "memory", "again", "warm", "one")}
    for number in range(rounds):
        lag = Lag()
        rows["port"].append(await clocked(lambda: read_all(port)))
        lag.stop()  # it costs both the same
        store = SqliteStore(folder / f"store{number}")
        gc.collect()
        before, lag = rss(), Lag()
        account = ContactsAccount("bench", "bench", port, store)
        rows["cold"].append(await clocked(account.refresh))
        rows["block"].append(lag.stop() * 1e3)
        assert len(account.index.cards) == cards
        gc.collect()
        rows["memory"].append(rss() - before)
        rows["warm"] += [await clocked(account.refresh) * 1e3 for _ in range(10)]
        await port.create("contacts", f"new{number}.vcf", card(cards + number).encode())
        rows["one"].append(await clocked(account.refresh) * 1e3)
        await port.delete("contacts", f"new{number}.vcf", None)
        await account.refresh()
        del account
        again = ContactsAccount("bench", "bench", port, store)
        rows["again"].append(await clocked(again.refresh) * 1e3)
        await store.close()
    table.ratio(f"{cards} cards, cold", rows["cold"], rows["port"], 2, "port")
    table.value("the longest that the loop stood still meanwhile", rows["block"], 25, "ms")
    table.value("memory above idle, first round", rows["memory"][:1], None, "MB")
    table.value("warm, nothing new", rows["warm"], None, "ms")
    table.value("one card more by somebody else", rows["one"], None, "ms")
    table.value("after a restart, out of the store", rows["again"], None, "ms")
    await port.close()


def main() -> None:
    """Write the address book, print the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cards", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    table = Table()
    with private_directory("bench") as folder:
        objects = {f"{number}.vcf": card(number) for number in range(arguments.cards)}
        properties = {"tag": "VADDRESSBOOK", "D:displayname": "Contacts"}
        write_collection(folder / COLLECTIONS, "alice", "contacts", properties, objects)
        radicale = start_radicale(folder, {"alice": "secret"})
        with radicale.server:
            asyncio.run(measure(radicale.url, folder, arguments.cards, arguments.rounds, table))
    table.print()


if __name__ == "__main__":
    main()
