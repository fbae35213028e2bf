"""Dovecot for tests: the demo's launcher with any user name allowed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from gateway.demo.dovecot import Dovecot, dovecot_available, start_dovecot
from gateway.demo.dovecot_config import DovecotOptions
from gateway.demo.process import private_directory

__all__ = ["MASKED", "PASSWORD", "USERS", "Dovecot", "DovecotOptions", "dovecot_available", "running_dovecot"]

PASSWORD = "secret"
USERS = {name: f"{name}-secret" for name in ("alice", "bob", "carol")}

# Every extension hidden, which leaves a plain IMAP4rev1 server; the commands still work if one sends them.
MASKED = DovecotOptions(imap_capability="IMAP4rev1")


@contextmanager
def running_dovecot(options: DovecotOptions | None = None) -> Iterator[Dovecot]:
    """A Dovecot for as long as the context lasts.

    Besides alice, bob and carol every user name exists, with the password "secret".

    Raises:
        ServerError: it did not start.
    """
    options = replace(options or DovecotOptions(), users=USERS, any_user_password=PASSWORD)
    with private_directory("dovecot") as directory:
        running = start_dovecot(directory, options)
        with running.server:
            yield running
