"""Fixtures: every server once per test session, started when the first test asks for it."""

import os
from collections.abc import Iterator
from typing import NoReturn

import pytest

from gateway.demo.dovecot import dovecot_obstacle
from gateway.demo.dovecot_config import TlsFiles
from gateway.demo.process import LOOPBACK, free_port, private_directory
from gateway.demo.radicale import Radicale, radicale_available, start_radicale
from tests.servers.certificates import write_certificates
from tests.servers.cyrus import Cyrus, cyrus_available, running_cyrus
from tests.servers.dovecot import MASKED, USERS, Dovecot, DovecotOptions, running_dovecot
from tests.servers.postfix import Postfix, postfix_obstacle, running_postfix
from tests.servers.pymap import Pymap, pymap_available, running_pymap
from tests.servers.redis import Redis, redis_available, running_redis
from tests.servers.xandikos import Xandikos, running_xandikos, xandikos_available


def missing(name: str, why: str) -> NoReturn:
    """End the test for want of a server: an error where CI is set, a named skip elsewhere."""
    message = f"{name}: {why}"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


def require(name: str, available: bool, why: str = "is not installed") -> None:
    """End the test unless the server is there; see `missing`."""
    if not available:
        missing(name, why)


def require_dovecot() -> None:
    """End the test unless a Dovecot can be run; see `missing`."""
    obstacle = dovecot_obstacle()
    if obstacle is not None:
        missing("dovecot", obstacle)


@pytest.fixture(scope="session")
def tls_files(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    """A server certificate for 127.0.0.1 and localhost, and the authority that a client must trust."""
    return write_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def dovecot(tls_files: TlsFiles) -> Iterator[Dovecot]:
    """Dovecot with all its extensions, Maildir; also TLS, on a port of its own and by STARTTLS."""
    require_dovecot()
    with running_dovecot(DovecotOptions(tls=tls_files)) as server:
        yield server


@pytest.fixture(scope="session")
def dovecot_plain() -> Iterator[Dovecot]:
    """Dovecot that advertises IMAP4rev1 and nothing else."""
    require_dovecot()
    with running_dovecot(MASKED) as server:
        yield server


@pytest.fixture(scope="session")
def dovecot_shared() -> Iterator[Dovecot]:
    """Dovecot whose users may share mailboxes with each other."""
    require_dovecot()
    with running_dovecot(DovecotOptions(acl=True)) as server:
        yield server


@pytest.fixture(scope="session")
def cyrus() -> Iterator[Cyrus]:
    """Cyrus with IMAP, LMTP, ManageSieve, CalDAV, CardDAV and its own JMAP."""
    require("cyrus", cyrus_available(), "was not unpacked (bin/fetch-cyrus)")
    with running_cyrus() as server:
        yield server


@pytest.fixture(scope="session")
def pymap_server() -> Iterator[Pymap]:
    """pymap: an IMAP server that can do very little."""
    require("pymap", pymap_available())
    with running_pymap() as server:
        yield server


@pytest.fixture(scope="session")
def postfix() -> Iterator[Postfix]:
    """Postfix submission, with a Dovecot of its own behind it (`postfix.dovecot`)."""
    obstacle = postfix_obstacle()
    if obstacle is not None:
        missing("postfix", obstacle)
    require_dovecot()
    port = free_port()
    options = DovecotOptions(sasl_listener=True, relay=f"{LOOPBACK}:{port}")
    with running_dovecot(options) as behind, running_postfix(behind, port) as server:
        yield server


@pytest.fixture(scope="session")
def postfix_before_cyrus(cyrus: Cyrus) -> Iterator[Postfix]:
    """Postfix submission that delivers to Cyrus (`postfix.mail`); passwords are checked with a Dovecot of its own."""
    obstacle = postfix_obstacle()
    if obstacle is not None:
        missing("postfix", obstacle)
    require_dovecot()
    options = DovecotOptions(sasl_listener=True)
    with running_dovecot(options) as logins, running_postfix(logins, free_port(), cyrus) as server:
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Redis]:
    """redis-server that keeps nothing."""
    require("redis-server", redis_available())
    with running_redis() as server:
        yield server


@pytest.fixture(scope="session")
def radicale() -> Iterator[Radicale]:
    """Radicale with the users of the other servers."""
    require("radicale", radicale_available())
    with private_directory("radicale") as directory:
        running = start_radicale(directory, USERS)
        with running.server:
            yield running


@pytest.fixture(scope="session")
def xandikos() -> Iterator[Xandikos]:
    """Xandikos with its one user, alice."""
    require("xandikos", xandikos_available(), "is not in .venvs/xandikos (bin/test)")
    with running_xandikos() as server:
        yield server
