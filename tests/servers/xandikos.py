"""Xandikos for tests: a CalDAV server that keeps calendars in git, asks for no password and knows one user.

It runs from an environment of its own (`.venvs/xandikos`, made by `bin/test`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.demo.process import LOOPBACK, Server, free_port, private_directory

USER = "alice"
PROGRAM = Path(__file__).parents[2] / ".venvs" / "xandikos" / "bin" / "xandikos"


@dataclass(frozen=True)
class Xandikos:
    """A running Xandikos; whoever asks is alice."""

    url: str
    directory: Path
    server: Server


def xandikos_available() -> bool:
    """Whether Xandikos' environment was made."""
    return PROGRAM.exists()


@contextmanager
def running_xandikos() -> Iterator[Xandikos]:
    """A Xandikos for as long as the context lasts.

    Raises:
        ServerError: it did not start.
    """
    port = free_port()
    with private_directory("xandikos") as directory:
        command = [str(PROGRAM), "serve", "-d", str(directory / "data"), "--defaults"]
        command += ["--current-user-principal", f"/{USER}/", "-l", LOOPBACK, "-p", str(port)]
        (directory / "data").mkdir()
        server = Server("xandikos", command, directory)
        with server.start_on_ports(port):
            yield Xandikos(f"http://{LOOPBACK}:{port}", directory, server)
