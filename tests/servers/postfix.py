"""Postfix for tests: a submission server that checks passwords with Dovecot and delivers to it, or to Cyrus, by LMTP.

Mail for example.org is delivered. Mail for bounces.example is taken and bounces then. Mail for the domain of
`INTERNATIONAL` is delivered too, as RFC 6531 has it: any.name.alice@ is alice. All other is refused: nothing leaves the
machine. Postfix needs root.
"""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.demo.dovecot import Dovecot, require_program
from gateway.demo.dovecot_config import mail_owner
from gateway.demo.process import LOOPBACK, Server, ServerError, find_program, private_directory
from tests.servers.cyrus import Cyrus

DOMAIN = "example.org"
BOUNCES = "bounces.example"
"""Mail for this domain is taken, and comes back."""
INTERNATIONAL = "grå.example"
"""Dovecot 2.3 does not offer SMTPUTF8 by LMTP, so its delivery agent is run."""


@dataclass(frozen=True)
class Postfix:
    """A running Postfix. Logins are those of `dovecot`; the mail goes to `mail`, which is the same where not said."""

    host: str
    submission: int
    domain: str
    dovecot: Dovecot
    mail: Dovecot | Cyrus
    directory: Path
    server: Server


def postfix_obstacle() -> str | None:
    """Why Postfix cannot run here; none if it can."""
    if find_program("postfix") is None:
        return "is not installed"
    return None if os.geteuid() == 0 else "can be run by root only"


@contextmanager
def running_postfix(dovecot: Dovecot, port: int, mail: Cyrus | None = None) -> Iterator[Postfix]:
    """A Postfix for as long as the context lasts; `dovecot` needs its `sasl_listener`.

    Mail for example.org is taken without a login too, so that `dovecot` can send through it. mail: where it goes
    instead of to `dovecot`.

    Raises:
        ServerError: it did not start.
    """
    if dovecot.sasl is None:
        raise ServerError("Postfix needs a Dovecot with sasl_listener")
    with private_directory("postfix") as directory:
        configuration = directory / "etc"
        for name in ("etc", "queue", "data"):
            (directory / name).mkdir(mode=0o755)
        shutil.chown(directory / "data", "postfix")
        (configuration / "main.cf").write_text(
            _MAIN.format(
                directory=directory,
                lmtp=(mail or dovecot).lmtp,
                sasl=dovecot.sasl,
                domain=DOMAIN,
                bounces=BOUNCES,
                international=INTERNATIONAL,
            )
        )
        owner = pwd.getpwuid(mail_owner()[0]).pw_name
        (configuration / "master.cf").write_text(
            _MASTER.format(host=LOOPBACK, port=port, owner=owner, directory=directory)
        )
        (directory / "agent").write_text(_AGENT.format(dovecot=dovecot.directory))
        # `check` makes the queue's directories; `master` is run by itself, since `postfix start-fg` leaves it alone.
        check = [require_program("postfix"), "-c", str(configuration), "check"]
        subprocess.run(check, check=True, capture_output=True)
        command = [master_program(), "-c", str(configuration), "-d"]
        server = Server("postfix", command, directory, log=directory / "mail.log")
        with server.start_on_ports(port):
            yield Postfix(LOOPBACK, port, DOMAIN, dovecot, mail or dovecot, directory, server)


def master_program() -> str:
    """Path of Postfix's master."""
    found = subprocess.run(
        [require_program("postconf"), "-h", "daemon_directory"], capture_output=True, text=True, check=True
    )
    return f"{found.stdout.strip()}/master"


_MAIN = """\
compatibility_level = 3.6
queue_directory = {directory}/queue
data_directory = {directory}/data
maillog_file = {directory}/mail.log
maillog_file_prefixes = {directory}
myhostname = mail.{domain}
mydestination =
mynetworks =
inet_protocols = ipv4
alias_maps =
alias_database =
virtual_mailbox_domains = {domain} {international}
virtual_mailbox_maps = static:all
virtual_transport = lmtp:inet:127.0.0.1:{lmtp}
lmtp_assume_final = yes
default_transport = error:5.7.1 no mail leaves the tests
transport_maps = inline:{{ {{ {bounces} = bounced: }} {{ {international} = agent: }} }}
smtputf8_enable = yes
agent_destination_recipient_limit = 1
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:127.0.0.1:{sasl}
smtpd_sasl_security_options = noanonymous
smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination
smtpd_discard_ehlo_keywords = chunking
message_size_limit = 52428800
in_flow_delay = 0
"""

_MASTER = """\
{host}:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
bounced unix - n n - - pipe user=nobody argv=/bin/sh -c {{ exit 67 }}
agent unix - n n - - pipe user={owner} argv=/bin/sh {directory}/agent ${{sender}} ${{user}}
retry unix - - n - - error
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""

_AGENT = """\
exec /usr/lib/dovecot/dovecot-lda -c {dovecot}/dovecot.conf \\
  -o log_path=/dev/stderr -o stats_writer_socket_path= -f "$1" -d "${{2##*.}}"
"""
