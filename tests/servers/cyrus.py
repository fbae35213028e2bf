"""Cyrus IMAP 3.6 for tests: IMAP, LMTP, ManageSieve, CalDAV, CardDAV and its own JMAP.

`bin/fetch-cyrus` unpacks it into a cache directory, because Debian's package cannot stand beside Dovecot's.
"""

import os
import pwd
import shutil
import smtplib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.demo.dovecot_config import mail_owner
from gateway.demo.process import LOOPBACK, Server, free_port, private_directory
from tests.servers.saslauthd import saslauthd

PASSWORD = "secret"
USERS = {name: f"{name}-secret" for name in ("alice", "bob", "carol", "cyrus")}
ADMIN = "cyrus"
MEMORY = Path("/dev/shm")  # noqa: S108 - what is made there has a name of its own
ROOM = 2**30
DIRECTORIES = ("config", "config/db", "config/log", "config/proc", "config/socket", "mail", "search", "sieve")


@dataclass(frozen=True)
class Cyrus:
    """A running Cyrus. Users come into being at their first login or first message, with the special folders."""

    host: str
    imap: int
    http: int
    lmtp: int
    managesieve: int
    directory: Path
    server: Server

    def password(self, user: str) -> str:
        """The user's password; the administrator is `cyrus`."""
        return USERS.get(user, PASSWORD)

    def create_user(self, name: str) -> None:
        """Nothing to do: every name exists."""

    def deliver(self, user: str, message: bytes, sender: str = "sender@example.org") -> None:
        """Deliver a message by LMTP (RFC 2033) to the user, through the user's active Sieve script.

        Raises:
            smtplib.SMTPException: the server refused it.
        """
        with smtplib.LMTP(self.host, self.lmtp) as lmtp:
            lmtp.sendmail(sender, [user], message)


def cyrus_root() -> Path:
    """Where `bin/fetch-cyrus` unpacks Cyrus."""
    if os.geteuid() == 0:
        return Path("/var/cache/jmap-gateway/cyrus")
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "jmap-gateway" / "cyrus"


def cyrus_available() -> bool:
    """Whether Cyrus was unpacked."""
    return (cyrus_root() / "complete").exists()


@contextmanager
def running_cyrus() -> Iterator[Cyrus]:
    """A Cyrus for as long as the context lasts.

    alice, bob, carol and the administrator cyrus have passwords of their own, every other name has "secret".

    Raises:
        ServerError: it did not start.
    """
    ports = {name: free_port() for name in ("imap", "http", "lmtp", "managesieve")}
    with private_directory("cyrus", below=_in_memory()) as directory:
        _prepare(directory, ports)
        binaries = cyrus_root() / "usr/lib/cyrus/bin"
        command = [str(binaries / "master"), "-C", str(directory / "imapd.conf"), "-p", str(directory / "pid")]
        command += ["-M", str(directory / "cyrus.conf"), "-L", str(directory / "master.log")]
        server = Server("cyrus", command, directory, _environment(), log=directory / "master.log", patience=0.3)
        with saslauthd(directory / "mux", _check), server.start_on_ports(*ports.values()):
            yield Cyrus(host=LOOPBACK, directory=directory, server=server, **ports)


def _in_memory() -> Path | None:
    """A file system in memory with room, if there is one: Cyrus waits for the disk after each change."""
    return MEMORY if MEMORY.exists() and shutil.disk_usage(MEMORY).free > ROOM else None


def _check(user: str, password: str) -> bool:
    return password == USERS.get(user, PASSWORD)


def _environment() -> dict[str, str]:
    roots = [cyrus_root() / "usr" / "lib", cyrus_root() / "lib"]
    libraries = [str(path) for root in roots for path in root.glob("*-linux-gnu")]
    plugins = [f"{library}/sasl2" for library in libraries]
    plugins += [str(path) for path in Path("/usr/lib").glob("*-linux-gnu/sasl2")]
    return {
        "LD_LIBRARY_PATH": ":".join(libraries),
        "SASL_PATH": ":".join(plugins),
        "CYRUS_USER": pwd.getpwuid(mail_owner()[0]).pw_name,
    }


def _prepare(directory: Path, ports: dict[str, int]) -> None:
    made = [directory / name for name in DIRECTORIES]
    for path in made:
        path.mkdir()
    if os.geteuid() == 0:
        for path in made:
            os.chown(path, *mail_owner())
    (directory / "imapd.conf").write_text(_IMAPD_CONF.format(directory=directory, admin=ADMIN))
    binaries = cyrus_root() / "usr/lib/cyrus/bin"
    (directory / "cyrus.conf").write_text(
        _CYRUS_CONF.format(binaries=binaries, conf=directory / "imapd.conf", host=LOOPBACK, **ports)
    )


_IMAPD_CONF = """\
configdirectory: {directory}/config
defaultpartition: default
partition-default: {directory}/mail
sievedir: {directory}/sieve
sieveusehomedir: no
servername: mail.example.org
admins: {admin}
allowplaintext: yes
sasl_pwcheck_method: saslauthd
sasl_saslauthd_path: {directory}/mux
sasl_mech_list: PLAIN LOGIN
virtdomains: off
unixhierarchysep: yes
altnamespace: yes
autocreate_quota: 0
autocreate_post: yes
autocreate_inbox_folders: Drafts|Sent|Junk|Trash|Archive
autocreate_subscribe_folders: Drafts|Sent|Junk|Trash|Archive
xlist-drafts: Drafts
xlist-sent: Sent
xlist-junk: Junk
xlist-trash: Trash
xlist-archive: Archive
lmtp_downcase_rcpt: yes
lmtp_fuzzy_mailbox_match: no
conversations: yes
search_engine: xapian
defaultsearchtier: t1
t1searchpartition-default: {directory}/search
httpmodules: caldav carddav jmap
jmap_nonstandard_extensions: yes
caldav_allowscheduling: yes
skiplist_unsafe: yes
maxlogins_per_user: 0
failedloginpause: 0
syslog_prefix: test
"""

_CYRUS_CONF = """\
START {{
  recover cmd="{binaries}/ctl_cyrusdb -C {conf} -r"
}}
SERVICES {{
  imap cmd="{binaries}/imapd -C {conf}" listen="{host}:{imap}" proto="tcp4" prefork=2
  http cmd="{binaries}/httpd -C {conf}" listen="{host}:{http}" proto="tcp4" prefork=1
  lmtp cmd="{binaries}/lmtpd -C {conf} -a" listen="{host}:{lmtp}" proto="tcp4" prefork=1
  sieve cmd="{binaries}/timsieved -C {conf}" listen="{host}:{managesieve}" proto="tcp4" prefork=0
}}
EVENTS {{
}}
DAEMON {{
  idled cmd="{binaries}/idled -C {conf}"
}}
"""
