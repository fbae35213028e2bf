"""A gateway as a process of its own, and what it takes of the machine."""

import contextlib
import os
import resource
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from gateway.demo.process import LOOPBACK, Server, free_port, private_directory
from tests.servers.users import MailServer


@dataclass(frozen=True)
class Gateway:
    """A running gateway with a store on disk."""

    port: int
    server: Server

    @property
    def session_url(self) -> str:
        """Where clients begin."""
        return f"http://{LOOPBACK}:{self.port}/jmap/session"

    def rss(self) -> float:
        """Resident memory in MB."""
        pages = int(Path(f"/proc/{self.server.pid}/statm").read_text().split()[1])
        return pages * resource.getpagesize() / 1e6

    def descriptors(self) -> int:
        """How many file descriptors are open."""
        return sum(1 for _ in Path(f"/proc/{self.server.pid}/fd").iterdir())

    def cpu(self) -> float:
        """Seconds of CPU used so far."""
        fields = Path(f"/proc/{self.server.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def gateway_process(backend: MailServer, **keys: str) -> Iterator[Gateway]:
    """A gateway with default settings in front of a server; `keys` are `section__key=value`."""
    port = free_port()
    with private_directory("bench") as directory:
        wanted = {
            "server__listen": f"{LOOPBACK}:{port}",
            "backends__default__imap__host": backend.host,
            "backends__default__imap__port": str(backend.imap),
            "backends__default__imap__tls": "none",
            "store__path": str(directory / "store.sqlite"),
            "limits__max_concurrent_requests": "64",  # all the load of these benches is one user's
        } | keys
        environment = {f"JMAPGW__{name.upper()}": value for name, value in wanted.items()}
        environment["PYTHONPATH"] = str(Path(__file__).parents[2])
        server = Server("gateway", [sys.executable, "-m", "gateway", "serve"], directory, environment)
        with server.start_on_ports(port):
            yield Gateway(port, server)


@dataclass
class Peak:
    """The most memory a process had while the context lasted, in MB."""

    gateway: Gateway
    highest: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        while not self._stop.is_set():
            self.highest = max(self.highest, self.gateway.rss())
            time.sleep(0.002)
