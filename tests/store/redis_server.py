"""A redis-server of this room's own, because these tests restart and flush it."""

import subprocess
from pathlib import Path

from gateway.demo.process import LOOPBACK, Server, find_program, free_port
from tests.servers.fixtures import require


class PrivateRedis:
    """redis-server on a free loopback port, without persistence."""

    def __init__(self, directory: Path) -> None:
        program = find_program("redis-server")
        require("redis-server", program is not None)
        self.port = free_port()
        self.url = f"redis://{LOOPBACK}:{self.port}/0"
        argv = [
            str(program),
            "--port",
            str(self.port),
            "--bind",
            LOOPBACK,
            "--save",
            "",
            "--appendonly",
            "no",
        ]
        self._server = Server("redis", argv, directory)

    def start(self) -> None:
        self._server.start_on_ports(self.port)

    def stop(self) -> None:
        self._server.stop()

    def command(self, *words: str) -> str:
        argv = ["redis-cli", "-p", str(self.port), *words]
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout
