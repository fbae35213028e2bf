"""redis-server for tests: in memory only, nothing is kept."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.demo.dovecot import require_program
from gateway.demo.process import LOOPBACK, Server, find_program, free_port, private_directory


@dataclass(frozen=True)
class Redis:
    """A running redis-server."""

    host: str
    port: int
    directory: Path
    server: Server

    @property
    def url(self) -> str:
        """Address for a client, of database 0."""
        return f"redis://{self.host}:{self.port}/0"


def redis_available() -> bool:
    """Whether redis-server is installed."""
    return find_program("redis-server") is not None


@contextmanager
def running_redis() -> Iterator[Redis]:
    """A redis-server for as long as the context lasts.

    Raises:
        ServerError: it did not start.
    """
    port = free_port()
    program = require_program("redis-server")
    options = ["--port", str(port), "--bind", LOOPBACK, "--save", "", "--appendonly", "no"]
    with private_directory("redis") as directory:
        server = Server("redis", [program, *options, "--dir", str(directory)], directory)
        with server.start_on_ports(port):
            yield Redis(host=LOOPBACK, port=port, directory=directory, server=server)
