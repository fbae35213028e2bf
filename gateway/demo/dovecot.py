"""Dovecot 2.3 as a private server, for the demo and, with more options, for the tests."""

import os
import smtplib
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.demo.dovecot_config import DovecotOptions, configuration, mail_owner
from gateway.demo.process import LOOPBACK, Server, ServerError, find_program, free_port

MASTER_USER = "gateway"
MASTER_PASSWORD = "master-secret"  # noqa: S105 - of a private server on loopback


@dataclass(frozen=True)
class Dovecot:
    """A running Dovecot: where it listens, who may log in, and what a test may do behind its back."""

    host: str
    imap: int
    imaps: int | None
    lmtp: int
    managesieve: int
    sasl: int | None
    users: Mapping[str, str]
    master_user: str
    master_password: str
    directory: Path
    options: DovecotOptions
    server: Server

    def password(self, user: str) -> str:
        """The user's password.

        Raises:
            KeyError: there is no such user.
        """
        if user not in self.users and self.options.any_user_password is not None:
            return self.options.any_user_password
        return self.users[user]

    def create_user(self, name: str) -> None:
        """Nothing to do where every name exists.

        Raises:
            ServerError: only the users given at start exist.
        """
        if name not in self.users and self.options.any_user_password is None:
            raise ServerError(f"no user {name}: this Dovecot has only {', '.join(self.users)}")

    def deliver(self, user: str, message: bytes, sender: str = "sender@example.org") -> None:
        """Deliver a message by LMTP (RFC 2033) to the user, through the user's active Sieve script.

        Raises:
            smtplib.SMTPException: the server refused it.
        """
        with smtplib.LMTP(self.host, self.lmtp) as lmtp:
            lmtp.sendmail(sender, [user], message)

    def doveadm(self, *arguments: str) -> str:
        """Output of a `doveadm` command on this instance.

        Raises:
            ServerError: the command failed.
        """
        command = [require_program("doveadm"), "-c", str(self.directory / "dovecot.conf"), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - no shell
        if done.returncode:
            raise ServerError(f"doveadm {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def home(self, user: str) -> Path:
        """The user's home directory, which holds the mail."""
        return self.directory / "home" / user

    def own(self, path: Path) -> None:
        """Give a file or tree that was written here to the user that Dovecot serves mail as."""
        uid, gid = mail_owner()
        if os.geteuid() == 0:
            for entry in [path, *path.rglob("*")]:
                os.chown(entry, uid, gid)


def dovecot_obstacle() -> str | None:
    """Why this machine's Dovecot cannot be used; none if it can."""
    program = find_program("dovecot")
    if program is None:
        return "is not installed"
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603 - Dovecot by its path
    if not version.startswith("2.3."):
        return f"is version {version.split()[0] if version else 'unknown'}, and the configuration is for 2.3"
    if not Path("/usr/lib/dovecot/modules/sieve").exists():
        return "has no Sieve (Debian: dovecot-sieve, dovecot-managesieved, dovecot-lmtpd)"
    return None


def dovecot_available() -> bool:
    """Whether there is a Dovecot that can be used."""
    return dovecot_obstacle() is None


def start_dovecot(directory: Path, options: DovecotOptions) -> Dovecot:
    """Start a Dovecot in `directory`, which must be new (see `process.private_directory`).

    Raises:
        ServerError: not installed, of another version, or it did not start.
    """
    obstacle = dovecot_obstacle()
    if obstacle is not None:
        raise ServerError(f"Dovecot {obstacle}")
    dovecot = require_program("dovecot")
    ports = {name: free_port() for name in ("imap", "lmtp", "managesieve", "imaps", "sasl")}
    (directory / "dovecot.conf").write_text(configuration(directory, options, ports))
    _write_users(directory, options)
    _make_home(directory, options)
    server = Server(
        "dovecot",
        [dovecot, "-F", "-c", str(directory / "dovecot.conf")],
        directory,
        log=directory / "mail.log",
        patience=0.1,  # its processes end at once, and it sleeps for a second then
    )
    wanted = ["imap", "lmtp", "managesieve"]
    wanted += ["imaps"] if options.tls else []
    wanted += ["sasl"] if options.sasl_listener else []
    server.start_on_ports(*(ports[name] for name in wanted))
    return Dovecot(
        host=LOOPBACK,
        imap=ports["imap"],
        imaps=ports["imaps"] if options.tls else None,
        lmtp=ports["lmtp"],
        managesieve=ports["managesieve"],
        sasl=ports["sasl"] if options.sasl_listener else None,
        users=options.users,
        master_user=MASTER_USER,
        master_password=MASTER_PASSWORD,
        directory=directory,
        options=options,
        server=server,
    )


def require_program(name: str) -> str:
    """Path of a program.

    Raises:
        ServerError: it is not installed.
    """
    path = find_program(name)
    if path is None:
        raise ServerError(f"{name} is not installed")
    return path


def _write_users(directory: Path, options: DovecotOptions) -> None:
    users = "".join(f"{name}:{{PLAIN}}{password}::::::\n" for name, password in options.users.items())
    (directory / "users").write_text(users)
    (directory / "master-users").write_text(f"{MASTER_USER}:{{PLAIN}}{MASTER_PASSWORD}\n")


def _make_home(directory: Path, options: DovecotOptions) -> None:
    uid, gid = mail_owner()
    made = [directory / "home", directory / "shared"]
    for path in made:
        path.mkdir()
    if options.virtual_all:
        made += _write_virtual_mailbox(directory)
    if os.geteuid() == 0:
        for path in made:
            os.chown(path, uid, gid)


def _write_virtual_mailbox(directory: Path) -> list[Path]:
    mailbox = directory / "virtual" / "All"
    mailbox.mkdir(parents=True)
    rules = mailbox / "dovecot-virtual"
    rules.write_text("*\n-Virtual\n-Virtual/*\n  all\n")
    return [mailbox.parent, mailbox, rules]
