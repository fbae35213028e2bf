"""S/MIME: signatures verified per second, what hasSmime costs on a large mailbox, what a large message weighs.

Run: python -m tests.bench.smime [--messages 50000] [--quick]. Prints figures; asserts no time.
The floor of hasSmime is the one SEARCH for the content types that S/MIME can have, on a bare connection.
"""

import argparse
import asyncio
import contextlib
import datetime
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from adapters.formats.smime.chain import Trust
from adapters.formats.smime.kinds import CONTENT_TYPES
from adapters.formats.smime.verify import verify_message
from tests.bench import mailboxes
from tests.bench.imap_floor import Imap
from tests.bench.messages import Message, message, with_attachment
from tests.bench.processes import Gateway, Peak, gateway_process
from tests.bench.table import Table
from tests.client import CORE, MAIL, JmapClient, jmap_client
from tests.formats.smime.making import (
    BODY,
    HEADER,
    Authority,
    Holder,
    Signing,
    Wish,
    by_hand,
    by_library,
    certificate,
    detached,
    opaque,
    rsa_key,
)
from tests.servers.dovecot import Dovecot, running_dovecot
from tests.servers.imap_client import imap_client
from tests.servers.users import User, fresh_user

NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
USING = (CORE, MAIL, "urn:ietf:params:jmap:smimeverify")
CA = Authority.make(NOW)
DETACHED = pkcs7.PKCS7Options.DetachedSignature
SIGNED, MIXED = 1_000, 5_000
"""Messages of these kinds in the large mailbox, besides the plain ones."""

SEARCH = "OR OR OR " + " ".join(f'HEADER Content-Type "{text}"' for text in CONTENT_TYPES)
LARGE = 22_000_000
"""Octets of the large message's body: about 30 MB when it is opaque in base64."""


def measure_pure(table: Table) -> None:
    """Verification by itself, on one core."""
    rsa: Holder = certificate(
        Wish(key=rsa_key(), valid=(NOW - datetime.timedelta(1), NOW + datetime.timedelta(9))), CA.root
    )
    samples = {
        "EC P-256, detached, chain of three": detached(by_library(CA.alice, BODY, DETACHED)),
        "EC P-256, opaque, chain of three": opaque(by_library(CA.alice)),
        "RSA 2048, detached, chain of two": detached(by_library(rsa, BODY, DETACHED)),
        "two signers": detached(by_hand([Signing(CA.alice), Signing(certificate(Wish("Bob"), CA.intermediate))])),
    }
    trust = Trust([CA.root.certificate])
    for name, octets in samples.items():
        seconds = []
        for _ in range(5):
            start = time.perf_counter()
            for _ in range(100):
                verify_message(octets, trust, [NOW, NOW])
            seconds.append((time.perf_counter() - start) / 100)
        table.value(f"verifications, two moments: {name}", [1 / one for one in seconds], None, "/s")


def write_mailbox(server: Dovecot, user: User, count: int) -> None:
    """A mailbox of plain messages, with some that are signed and some with attachments, the newest signed."""
    mailboxes.give_folder(server, user.name, "", mailboxes.cached_maildir(0, count))
    place = server.home(user.name) / "Maildir" / "cur"
    made = by_hand([Signing(CA.alice)])
    for number in range(SIGNED):
        header = HEADER.replace(b"Signed", b"Signed %d" % number)
        add(place, f"s{number:07}", detached(made, header=header), received=int(time.time()) - number)
    for number in range(MIXED):
        add(place, f"m{number:07}", with_attachment(2_000).text, received=message(number).received)
    mailboxes.give_folder(server, user.name, "Empty", mailboxes.cached_maildir(0, 1))  # hands the files over as well


def add(place: Path, stem: str, text: bytes, received: int) -> None:
    mailboxes._write(place, stem, Message(received, True, text.replace(b"\r\n", b"\n")))


async def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    found = await work()
    return time.perf_counter() - start, found


async def call(jmap: JmapClient, name: str, **arguments: Any) -> dict[str, Any]:
    ((answered, given, _),) = await jmap.sentences((name, arguments), using=USING)
    assert answered == name, given
    return given


async def query(jmap: JmapClient, **condition: Any) -> tuple[float, int]:
    seconds, found = await timed(
        lambda: call(jmap, "Email/query", filter=condition or None, limit=50, calculateTotal=True)
    )
    return seconds, int(found["total"])


def floor(server: Dovecot, user: User, rounds: int) -> list[float]:
    found = []
    with Imap(server.host, server.imap) as imap:
        imap.log_in(user)
        imap.run("EXAMINE INBOX")
        for _ in range(rounds):
            start = time.perf_counter()
            imap.run(f"UID SEARCH RETURN (ALL) UNDELETED {SEARCH}")
            found.append(time.perf_counter() - start)
    return found


async def measure_mailbox(table: Table, server: Dovecot, gateway: Gateway, user: User, rounds: int) -> None:
    """hasSmime and hasVerifiedSmime on the large mailbox: first, again, and after new mail."""
    async with jmap_client(f"http://127.0.0.1:{gateway.port}", user.name, user.password) as jmap:
        seconds, total = await query(jmap)
        table.value(f"first opening of {total:,} messages", [seconds], None, "s")
        first, signed = await query(jmap, hasSmime=True)
        assert signed == SIGNED
        table.value("hasSmime, the very first (the server reads headers)", [first], None, "s")
        again = []
        for _ in range(rounds):
            with imap_client(server, user) as imap:
                imap.append("INBOX", message(1).text.replace(b"\n", b"\r\n"))
            await query(jmap)
            again.append((await query(jmap, hasSmime=True))[0])
        table.ratio("hasSmime after new mail", again, floor(server, user, rounds), 2.0, "floor, the SEARCH alone")
        table.value(
            "hasSmime, same state", [(await query(jmap, hasSmime=True))[0] * 1e3 for _ in range(rounds)], None, "ms"
        )
        seconds, verified = await query(jmap, hasVerifiedSmime=True)
        assert verified == SIGNED
        table.value(f"hasVerifiedSmime, {SIGNED:,} to verify", [seconds], None, "s")
        table.value("verified through JMAP", [SIGNED / seconds], None, "/s")
        kept = [(await query(jmap, hasVerifiedSmime=True))[0] * 1e3 for _ in range(rounds)]
        table.value(f"hasVerifiedSmime, {SIGNED:,} known", kept, None, "ms")
        await measure_lists(table, jmap, rounds)


async def measure_lists(table: Table, jmap: JmapClient, rounds: int) -> None:
    """A list of 50 signed messages with and without the status."""
    ids = (await call(jmap, "Email/query", limit=50))["ids"]
    names = ["subject", "from", "receivedAt", "keywords"]

    async def seconds(properties: Sequence[str]) -> list[float]:
        asked = [
            await timed(lambda: call(jmap, "Email/get", ids=ids, properties=properties)) for _ in range(rounds + 1)
        ]
        return [one for one, _ in asked[1:]]

    table.ratio(
        "a list of 50 with smimeStatus", await seconds([*names, "smimeStatus"]), await seconds(names), 2.0, "without"
    )


async def measure_large(table: Table, server: Dovecot, gateway: Gateway) -> None:
    """The most memory that one 30 MB message takes while it is verified."""
    body = BODY + b"0123456789abcde\r\n" * (LARGE // 17)
    for kind in ("detached", "opaque"):
        user = fresh_user(server)
        made = by_hand([Signing(CA.alice)], body, detached=kind == "detached")
        octets = detached(made, body + b"") if kind == "detached" else opaque(made)
        if kind == "detached":
            longer = body + b"0123456789abcde\r\n" * (8_000_000 // 17)
            octets = detached(by_hand([Signing(CA.alice)], longer), longer)
        with imap_client(server, user) as imap:
            imap.append("INBOX", octets)
        async with jmap_client(f"http://127.0.0.1:{gateway.port}", user.name, user.password) as jmap:
            ids = (await call(jmap, "Email/query"))["ids"]
            before = gateway.rss()
            with Peak(gateway) as peak:
                seconds, found = await timed(lambda: call(jmap, "Email/get", ids=ids, properties=["smimeStatus"]))  # noqa: B023 - run at once
            assert found["list"][0]["smimeStatus"] == "signed/verified", found
            size = len(octets) / 1e6
            table.value(f"{kind}, {size:.0f} MB: memory above idle", [peak.highest - before], 1.5 * size, "MB")
            table.value(f"{kind}, {size:.0f} MB: fetched and verified", [seconds], None, "s")


async def run(count: int, rounds: int) -> None:
    table = Table()
    measure_pure(table)
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(running_dovecot())
        anchors = server.home("anchors").parent / "anchors.pem"
        anchors.parent.mkdir(parents=True, exist_ok=True)
        anchors.write_bytes(CA.root.certificate.public_bytes(Encoding.PEM))
        user = fresh_user(server)
        write_mailbox(server, user, count)
        keys = {"smime__trust_anchors": str(anchors), "limits__max_objects_in_get": "2000"}
        gateway = stack.enter_context(gateway_process(server, **keys))
        table.value("idle gateway", [gateway.rss()], 65, "MB")
        await measure_mailbox(table, server, gateway, user, rounds)
        await measure_large(table, server, gateway)
    table.print()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=50_000, help="plain messages of the large inbox")
    parser.add_argument("--quick", action="store_true", help="5,000 messages and fewer rounds")
    args = parser.parse_args()
    asyncio.run(run(5_000 if args.quick else args.messages, 5 if args.quick else 10))
