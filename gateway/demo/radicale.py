"""Radicale as a private CalDAV and CardDAV server, for the demo and the tests."""

import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.demo.process import LOOPBACK, Server, free_port

COLLECTIONS = "collections"  # the folder below its directory that keeps all users' collections


@dataclass(frozen=True)
class Radicale:
    """A running Radicale with the users that `create_user` added."""

    host: str
    port: int
    directory: Path
    server: Server

    @property
    def url(self) -> str:
        """Address of the root; a user's collections are at `<url>/<user>/`."""
        return f"http://{self.host}:{self.port}"

    def create_user(self, name: str, password: str) -> None:
        """Let the user log in."""
        with (self.directory / "users").open("a") as users:
            users.write(f"{name}:{password}\n")


def radicale_available() -> bool:
    """Whether Radicale is installed beside this package."""
    return importlib.util.find_spec("radicale") is not None


def start_radicale(directory: Path, users: Mapping[str, str]) -> Radicale:
    """Start a Radicale in `directory`, with the users (name to password).

    Raises:
        ServerError: it did not start.
    """
    port = free_port()
    configuration = directory / "radicale.conf"
    configuration.write_text(
        _CONFIGURATION.format(host=LOOPBACK, port=port, directory=directory, collections=COLLECTIONS)
    )
    (directory / "users").touch(mode=0o600)
    command = [sys.executable, "-m", "radicale", "--config", str(configuration)]
    running = Radicale(LOOPBACK, port, directory, Server("radicale", command, directory))
    for name, password in users.items():
        running.create_user(name, password)
    running.server.start_on_ports(port)
    return running


_CONFIGURATION = """\
[server]
hosts = {host}:{port}
[auth]
type = htpasswd
htpasswd_filename = {directory}/users
htpasswd_encryption = plain
delay = 0
[rights]
type = owner_only
[storage]
filesystem_folder = {directory}/{collections}
[logging]
level = warning
"""
