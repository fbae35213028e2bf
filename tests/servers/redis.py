"""redis-server for tests: in memory only, nothing is kept."""

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import redis

from gateway.demo.dovecot import require_program
from gateway.demo.process import (
    LOOPBACK,
    READY_SECONDS,
    Server,
    ServerError,
    find_program,
    free_port,
    private_directory,
)

SERVICE: Final = "Master-1"


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
def running_redis(*more: str) -> Iterator[Redis]:
    """A redis-server for as long as the context lasts. more: further options.

    Raises:
        ServerError: it did not start.
    """
    options = ["--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0", *more]
    with _running("redis", options) as server:
        yield server


@dataclass(frozen=True)
class Guarded:
    """A master with replicas, and a Redis Sentinel that decides alone what has become of it."""

    master: Redis
    replicas: Sequence[Redis]
    sentinel: Redis
    password = "of-redis"
    sentinel_password = "of-sentinel"

    @property
    def url(self) -> str:
        """Address for a client, of database 0 of whichever is the master."""
        return f"redis://:{self.password}@{SERVICE}/0"

    @property
    def address(self) -> str:
        """Of the sentinel."""
        return f"{self.sentinel.host}:{self.sentinel.port}"

    def kill_master(self) -> None:
        """As `kill -9` does."""
        os.kill(self.master.server.pid, signal.SIGKILL)


@contextmanager
def running_guarded() -> Iterator[Guarded]:
    """A master, two replicas that follow it and a sentinel that knows them, for as long as the context lasts.

    Raises:
        ServerError: one did not start.
    """
    passwords = ["--requirepass", Guarded.password, "--masterauth", Guarded.password]
    with ExitStack() as stack:
        master = stack.enter_context(running_redis(*passwords))
        follow = ["--replicaof", f"{master.host} {master.port}"]
        replicas = [stack.enter_context(running_redis(*passwords, *follow)) for _ in range(2)]
        settings = (
            f"sentinel monitor {SERVICE} {master.host} {master.port} 1",
            f"sentinel auth-pass {SERVICE} {Guarded.password}",
            f"sentinel down-after-milliseconds {SERVICE} 1500",
            f"sentinel failover-timeout {SERVICE} 10000",
            f"requirepass {Guarded.sentinel_password}",
        )
        sentinel = stack.enter_context(_running("sentinel", ["--sentinel"], settings))
        found = Guarded(master, replicas, sentinel)
        _wait_until_guarded(found)
        yield found


def _wait_until_guarded(found: Guarded) -> None:
    """Until the replicas follow and the sentinel knows them."""
    one, other = found.master, found.sentinel
    with (
        redis.Redis(one.host, one.port, password=found.password) as master,
        redis.Redis(other.host, other.port, password=found.sentinel_password) as sentinel,
    ):
        deadline = time.monotonic() + READY_SECONDS
        while master.wait(2, 100) < 2 or sentinel.sentinel_master(SERVICE)["num-slaves"] < 2:
            if time.monotonic() > deadline:
                raise ServerError("the replicas did not follow")


@contextmanager
def _running(name: str, options: Sequence[str], settings: Sequence[str] = ()) -> Iterator[Redis]:
    """settings: of a file, for what can't be options; a sentinel also writes to it."""
    port = free_port()
    program = require_program("redis-server")
    with private_directory(name) as directory:
        file = directory / "redis.conf"
        file.write_text("".join(f"{line}\n" for line in settings))
        place = ["--port", str(port), "--bind", LOOPBACK, "--dir", str(directory)]
        server = Server(name, [program, str(file), *place, *options], directory)
        with server.start_on_ports(port):
            yield Redis(host=LOOPBACK, port=port, directory=directory, server=server)
