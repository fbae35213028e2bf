"""redis-server for tests: in memory only, nothing is kept."""

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import redis

from gateway.demo.dovecot import require_program
from gateway.demo.dovecot_config import TlsFiles
from gateway.demo.process import (
    LOOPBACK,
    READY_SECONDS,
    Server,
    ServerError,
    find_program,
    free_port,
    private_directory,
)
from tests.servers.certificates import write_certificates

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
def running_redis(*more: str, tls: bool = False) -> Iterator[Redis]:
    """A redis-server for as long as the context lasts. more: further options. tls: its port is for TLS.

    Raises:
        ServerError: it did not start.
    """
    options = ["--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0", *more]
    with _running("redis", options, tls=tls) as server:
        yield server


@dataclass(frozen=True)
class Guarded:
    """A master with replicas, and a Redis Sentinel that decides alone what has become of it."""

    master: Redis
    replicas: Sequence[Redis]
    sentinel: Redis
    tls: TlsFiles | None = None
    password = "of-redis"
    sentinel_password = "of-sentinel"

    @property
    def url(self) -> str:
        """Address for a client, of database 0 of whichever is the master."""
        if self.tls is None:
            return f"redis://:{self.password}@{SERVICE}/0"
        return f"rediss://:{self.password}@{SERVICE}/0?ssl_ca_certs={self.tls.authority}"

    @property
    def address(self) -> str:
        """Of the sentinel."""
        return f"{self.sentinel.host}:{self.sentinel.port}"

    def kill_master(self) -> None:
        """As `kill -9` does."""
        os.kill(self.master.server.pid, signal.SIGKILL)

    @contextmanager
    def paused_master(self) -> Iterator[None]:
        """It does nothing for as long as the context lasts, and then knows nothing of what came to pass meanwhile."""
        os.kill(self.master.server.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.master.server.pid, signal.SIGCONT)


@contextmanager
def running_guarded(*, tls: bool = False) -> Iterator[Guarded]:
    """A master, two replicas that follow it and a sentinel that knows them, for as long as the context lasts.

    tls: all of them are spoken to by TLS alone, by each other too.

    Raises:
        ServerError: one did not start.
    """
    options = ["--requirepass", Guarded.password, "--masterauth", Guarded.password]
    with ExitStack() as stack:
        files = write_certificates(stack.enter_context(private_directory("redis-tls"))) if tls else None
        options += _tls_options(files)
        master = stack.enter_context(running_redis(*options, tls=tls))
        follow = ["--replicaof", f"{master.host} {master.port}"]
        replicas = [stack.enter_context(running_redis(*options, *follow, tls=tls)) for _ in range(2)]
        settings = (
            f"sentinel monitor {SERVICE} {master.host} {master.port} 1",
            f"sentinel auth-pass {SERVICE} {Guarded.password}",
            f"sentinel down-after-milliseconds {SERVICE} 2500",
            f"sentinel failover-timeout {SERVICE} 10000",
            f"requirepass {Guarded.sentinel_password}",
        )
        started = _running("sentinel", ["--sentinel", *_tls_options(files)], settings, tls=tls)
        found = Guarded(master, replicas, stack.enter_context(started), files)
        _wait_until_guarded(found)
        yield found


def _wait_until_guarded(found: Guarded) -> None:
    """Until the replicas follow and the sentinel knows them."""
    one, other = found.master, found.sentinel
    tls: dict[str, Any] = {} if found.tls is None else {"ssl": True, "ssl_ca_certs": str(found.tls.authority)}
    with (
        redis.Redis(one.host, one.port, password=found.password, **tls) as master,
        redis.Redis(other.host, other.port, password=found.sentinel_password, **tls) as sentinel,
    ):
        deadline = time.monotonic() + READY_SECONDS
        while master.wait(2, 100) < 2 or sentinel.sentinel_master(SERVICE)["num-slaves"] < 2:
            if time.monotonic() > deadline:
                raise ServerError("the replicas did not follow")


def _tls_options(files: TlsFiles | None) -> list[str]:
    if files is None:
        return []
    named = ["--tls-cert-file", str(files.certificate), "--tls-key-file", str(files.key)]
    used = ["--tls-auth-clients", "no", "--tls-replication", "yes"]
    return [*named, "--tls-ca-cert-file", str(files.authority), *used]


@contextmanager
def _running(name: str, options: Sequence[str], settings: Sequence[str] = (), *, tls: bool = False) -> Iterator[Redis]:
    """settings: of a file, for what can't be options; a sentinel also writes to it."""
    port = free_port()
    program = require_program("redis-server")
    with private_directory(name) as directory:
        file = directory / "redis.conf"
        file.write_text("".join(f"{line}\n" for line in settings))
        ports = ["--port", "0", "--tls-port", str(port)] if tls else ["--port", str(port)]
        place = [*ports, "--bind", LOOPBACK, "--dir", str(directory)]
        server = Server(name, [program, str(file), *place, *options], directory)
        with server.start_on_ports(port):
            yield Redis(host=LOOPBACK, port=port, directory=directory, server=server)
