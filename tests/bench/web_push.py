"""Web Push: from APPEND's OK to the POST at the push service, encrypted, with one subscription.

.venv/bin/python -m tests.bench.web_push [--messages N]. Dovecot, the gateway and the push service share this process'
machine; messages come at intervals longer than the least between two pushes.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from tests.client import jmap_client
from tests.gateway import running_gateway
from tests.push.conftest import MESSAGE, subscribe
from tests.servers.certificates import write_certificates
from tests.servers.dovecot import running_dovecot
from tests.servers.imap_client import imap_client
from tests.servers.push_service import Subscriber, push_service
from tests.servers.users import fresh_user

INTERVAL = 1.3
"""Seconds between messages."""


async def measure(messages: int) -> list[float]:
    """Milliseconds from the OK to the push, for each message."""
    with running_dovecot() as dovecot, tempfile.TemporaryDirectory() as directory:
        files = write_certificates(Path(directory))
        user, subscriber, found = fresh_user(dovecot), Subscriber(), []
        keys = {"push__ca_file": str(files.authority), "egress__networks": "127.0.0.0/8"}
        async with (
            push_service(files) as service,
            running_gateway(dovecot, **keys) as url,
            jmap_client(url, *user) as jmap,
        ):
            await subscribe(jmap, service, subscriber, types=["Email"])
            with imap_client(dovecot, user) as imap:
                for _ in range(messages):
                    await asyncio.sleep(INTERVAL)
                    await asyncio.to_thread(imap.append, "INBOX", MESSAGE)
                    accepted = time.perf_counter()
                    subscriber.read(await service.next())
                    found.append((time.perf_counter() - accepted) * 1000)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=40)
    found = asyncio.run(measure(parser.parse_args().messages))
    p95 = statistics.quantiles(found, n=20)[-1]
    print(f"APPEND OK to push, {len(found)} messages: p50 {statistics.median(found):.0f} ms, p95 {p95:.0f} ms")


if __name__ == "__main__":
    main()
