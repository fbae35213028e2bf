"""All that the demo runs: Dovecot, Radicale, submission, the sample account in them, and the gateway in front."""

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gateway.demo.dovecot import Dovecot, start_dovecot
from gateway.demo.dovecot_config import DovecotOptions
from gateway.demo.load import load_mail, write_collection
from gateway.demo.process import LOOPBACK, Server, private_directory
from gateway.demo.radicale import COLLECTIONS, Radicale, start_radicale
from gateway.demo.sample_dav import address_book, personal_calendar, work_calendar
from gateway.demo.sample_mail import DOMAIN, OWNER, sample_mail
from gateway.demo.submission import running_submission

USERS = {"alice": "demo", "bob": "demo", "carol": "demo"}


@dataclass(frozen=True)
class Backends:
    """The servers behind the gateway."""

    dovecot: Dovecot
    radicale: Radicale
    submission: int


@dataclass(frozen=True)
class Demo:
    """The running demo. `messages` is the number of sample messages of each user."""

    url: str
    directory: Path
    backends: Backends
    gateway: Server
    messages: dict[str, int]


@contextmanager
def running_demo(port: int, keep: bool = False) -> Iterator[Demo]:
    """Everything started and loaded, with the gateway on `port`, for as long as the context lasts.

    `keep` leaves the servers' files behind.

    Raises:
        ServerError: a server did not start.
        LoadError: a server refused a part of the sample.
    """
    with (
        private_directory("demo", keep) as directory,
        running_backends(directory) as backends,
        ThreadPoolExecutor(1) as meanwhile,
    ):
        loading = meanwhile.submit(load_sample, backends.dovecot)
        with start_gateway(directory, backends, port) as gateway:
            yield Demo(f"http://{LOOPBACK}:{port}", directory, backends, gateway, loading.result())


@contextmanager
def running_backends(directory: Path) -> Iterator[Backends]:
    """Dovecot without mail, Radicale with the sample's calendars and contacts, and submission.

    Raises:
        ServerError: a server did not start.
    """
    for name in ("dovecot", "radicale"):
        (directory / name).mkdir(mode=0o711)
    with ExitStack() as stack:
        dovecot = start_dovecot(directory / "dovecot", DovecotOptions(users=USERS))
        stack.enter_context(dovecot.server)
        _write_collections(directory / "radicale" / COLLECTIONS)
        radicale = start_radicale(directory / "radicale", USERS)
        stack.enter_context(radicale.server)
        submission = stack.enter_context(running_submission(dovecot, USERS))
        yield Backends(dovecot, radicale, submission)


def load_sample(dovecot: Dovecot) -> dict[str, int]:
    """Load the sample mail of every user; the number of messages of each.

    Raises:
        LoadError: Dovecot refused a part of it.
    """
    until = _today()
    return {
        user: load_mail(dovecot.host, dovecot.imap, user, password, sample_mail(user, until))
        for user, password in USERS.items()
    }


def start_gateway(directory: Path, backends: Backends, port: int) -> Server:
    """The gateway as a process of its own, in front of the servers.

    Raises:
        ServerError: it did not start.
    """
    configuration = directory / "gateway.toml"
    configuration.write_text(gateway_toml(directory, backends, port))
    source = str(Path(__file__).parents[2])
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH")]))}
    command = [sys.executable, "-m", "gateway", "serve", "--config", str(configuration)]
    return Server("gateway", command, directory, environment).start_on_ports(port)


def gateway_toml(directory: Path, backends: Backends, port: int) -> str:
    """The gateway's configuration in the demo."""
    dovecot = backends.dovecot
    return f"""\
[server]
listen = "{LOOPBACK}:{port}"

[store]
kind = "sqlite"
path = "{directory}/gateway.sqlite"

[log]
format = "text"

[backends.demo.imap]
host = "{dovecot.host}"
port = {dovecot.imap}
tls = "none"

[backends.demo.submission]
host = "{dovecot.host}"
port = {backends.submission}
tls = "none"
identity_domain = "{DOMAIN}"

[backends.demo.managesieve]
host = "{dovecot.host}"
port = {dovecot.managesieve}
tls = "none"

[backends.demo.caldav]
url = "{backends.radicale.url}/"

[backends.demo.carddav]
url = "{backends.radicale.url}/"
"""


def _write_collections(root: Path) -> None:
    until = _today()
    calendars = {"work": ("Work", work_calendar(until)), "personal": ("Personal", personal_calendar(until))}
    for name, (title, events) in calendars.items():
        write_collection(root, OWNER, name, {"tag": "VCALENDAR", "D:displayname": title}, events)
    write_collection(root, OWNER, "contacts", {"tag": "VADDRESSBOOK", "D:displayname": "Contacts"}, address_book())


def _today() -> datetime:
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
