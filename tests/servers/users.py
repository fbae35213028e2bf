"""Users of the test servers: one per test, so that tests do not share mail."""

import itertools
import secrets
from typing import NamedTuple, Protocol

_NUMBERS = itertools.count(1)
_RUN = secrets.token_hex(3)


class User(NamedTuple):
    """A login."""

    name: str
    password: str


class MailServer(Protocol):
    """What every IMAP server of the tests offers: where it listens, and users at will."""

    @property
    def host(self) -> str:
        """Address to connect to."""
        ...

    @property
    def imap(self) -> int:
        """Port of IMAP in the clear."""
        ...

    def password(self, user: str) -> str:
        """The user's password."""
        ...

    def create_user(self, name: str) -> None:
        """Have the user exist, with an INBOX."""
        ...


def fresh_user(server: MailServer) -> User:
    """A user of the server that no other test knows."""
    name = f"u{_RUN}n{next(_NUMBERS)}"
    server.create_user(name)
    return User(name, server.password(name))
