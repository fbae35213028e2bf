"""pymap for tests: the poorest IMAP server, without CONDSTORE, SORT, ESEARCH, NAMESPACE, SPECIAL-USE or LIST-STATUS.

It runs from an environment of its own (`.venvs/pymap`, made by `bin/setup`), since it pins what it needs.
"""

import base64
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.demo.process import LOOPBACK, Server, free_port, private_directory

PASSWORD = "secret"
USERS = {name: f"{name}-secret" for name in ("alice", "bob", "carol")}
PROGRAM = Path(__file__).parents[2] / ".venvs" / "pymap" / "bin" / "pymap"
SALT = b"not a secret"
ROUNDS = 10


@dataclass(frozen=True)
class Pymap:
    """A running pymap with alice, bob, carol and whom `create_user` adds."""

    host: str
    imap: int
    directory: Path
    server: Server

    def password(self, user: str) -> str:
        """The user's password."""
        return USERS.get(user, PASSWORD)

    def create_user(self, name: str) -> None:
        """Have the user exist, with an INBOX."""
        with (self.directory / "pymap-etc-passwd").open("a") as users:
            users.write(f"{name}:x::::{name}:\n")
        with (self.directory / "pymap-etc-shadow").open("a") as passwords:
            passwords.write(f"{name}:{_hashed(self.password(name))}:::::::\n")


def pymap_available() -> bool:
    """Whether pymap's environment was made."""
    return PROGRAM.exists()


@contextmanager
def running_pymap() -> Iterator[Pymap]:
    """A pymap for as long as the context lasts.

    Raises:
        ServerError: it did not start.
    """
    port = free_port()
    with private_directory("pymap") as directory:
        command = [str(PROGRAM), "--host", LOOPBACK, "--port", str(port), "--no-tls", "maildir", str(directory)]
        server = Server("pymap", command, directory)
        running = Pymap(host=LOOPBACK, imap=port, directory=directory, server=server)
        for name in USERS:
            running.create_user(name)
        with server.start_on_ports(port):
            yield running


def _hashed(password: str) -> str:
    digest = hashlib.pbkdf2_hmac("sha256", password.encode(), SALT, ROUNDS)
    fields = (base64.b64encode(value).decode() for value in (SALT, digest))
    return f"$pbkdf2-sha256${ROUNDS}$" + "$".join(fields)
