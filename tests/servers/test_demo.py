"""The demo: its sample account, its servers, and the command as a user runs it."""

import imaplib
import signal
import smtplib
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from gateway.demo.process import free_port, listening, private_directory
from gateway.demo.radicale import radicale_available
from gateway.demo.sample_dav import address_book, personal_calendar, work_calendar
from gateway.demo.sample_mail import sample_mail
from gateway.demo.servers import USERS, Backends, load_sample, running_backends
from tests.servers.fixtures import require, require_dovecot
from tests.servers.http_client import http_request
from tests.servers.imap_client import imap_client
from tests.servers.users import User

DAY = datetime(2026, 11, 22, 12, tzinfo=UTC)
MESSAGE = b"From: Alice <alice@example.org>\r\nSubject: by submission\r\n\r\nHello.\r\n"


@pytest.fixture(scope="module")
def backends() -> Iterator[Backends]:
    """The demo's servers, before the mail is loaded."""
    require_dovecot()
    require("radicale", radicale_available())
    with private_directory("demo") as directory, running_backends(directory) as running:
        yield running


def test_sample_is_the_same_every_time() -> None:
    assert sample_mail("alice", DAY) == sample_mail("alice", DAY)
    assert work_calendar(DAY) == work_calendar(DAY)


def test_sample_mail_is_believable() -> None:
    messages = sample_mail("alice", DAY)
    assert len(messages) > 200
    assert all(message.received < DAY for message in messages)
    assert (DAY - messages[0].received).days > 90
    for message in messages:
        assert b"\n" not in message.content.replace(b"\r\n", b"")
    made = [message for message in messages if message.mailbox != "Samples"]
    ids = Counter(message_from_bytes(message.content, policy=policy.default)["Message-ID"] for message in made)
    assert None not in ids
    assert ids.most_common(1)[0][1] == 1


def test_replies_refer_to_earlier_messages() -> None:
    known: set[str] = set()
    replies = 0
    for message in sample_mail("alice", DAY):
        if message.mailbox == "Samples":
            continue
        headers = message_from_bytes(message.content, policy=policy.default)
        parents = set(str(headers.get("References", "")).split())
        assert parents <= known
        replies += bool(parents)
        known.add(str(headers["Message-ID"]))
    assert replies > 50


def test_calendars_and_contacts_fold_and_end_lines_rightly() -> None:
    for text in (work_calendar(DAY) | personal_calendar(DAY) | address_book()).values():
        lines = text.split("\r\n")
        assert all(len(line.encode()) <= 75 for line in lines)  # RFC 5545 §3.1, RFC 6350 §3.2
        assert lines[-1] == ""
        assert text.count("BEGIN:") == text.count("END:")


def test_sample_is_loaded(backends: Backends) -> None:
    counts = load_sample(backends.dovecot)
    assert counts["alice"] == len(sample_mail("alice", DAY))
    with imap_client(backends.dovecot, User("alice", USERS["alice"])) as client:
        mailboxes = client.mailboxes()
        assert {"INBOX", "Archive", "Projects/Website", "Samples"} <= mailboxes
        assert len(client.imap.lsub()[1]) == len(mailboxes)  # clients hide what is not subscribed
        assert sum(len(client.uids(mailbox)) for mailbox in mailboxes) == counts["alice"]


def test_calendars_and_contacts_are_served(backends: Backends) -> None:
    url = f"{backends.radicale.url}/alice/"
    user = User("alice", USERS["alice"])
    for name, count in (("work", len(work_calendar(DAY))), ("contacts", len(address_book()))):
        assert http_request(f"{url}{name}/", "PROPFIND", user).count(b"<getetag>") == count + 1
    assert b"RRULE:FREQ=YEARLY" in http_request(f"{url}personal/day-0.ics", "GET", user)


def test_submission_delivers_to_users_who_logged_in(backends: Backends) -> None:
    with smtplib.SMTP("127.0.0.1", backends.submission) as smtp:
        with pytest.raises(smtplib.SMTPSenderRefused):
            smtp.sendmail("alice@example.org", ["carol@example.org"], MESSAGE)
        with pytest.raises(smtplib.SMTPAuthenticationError):
            smtp.login("alice", "wrong")
        smtp.login("alice", USERS["alice"])
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            smtp.sendmail("alice@example.org", ["someone@example.com"], MESSAGE)
        smtp.sendmail("alice@example.org", ["carol@example.org"], MESSAGE)
    with imap_client(backends.dovecot, User("carol", USERS["carol"])) as client:
        client.select("INBOX")
        assert client.uid("SEARCH", "SUBJECT", '"by submission"') != [b""]


def test_only_the_demos_users_exist(backends: Backends) -> None:
    imap = imaplib.IMAP4(backends.dovecot.host, backends.dovecot.imap)
    with pytest.raises(imaplib.IMAP4.error):
        imap.login("mallory", "demo")
    imap.shutdown()


def test_demo_checks_itself(backends: Backends, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "demo", "--check"], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "PASS"
    assert "FAIL" not in done.stdout


@contextmanager
def ended_at_last(process: subprocess.Popen[str]) -> Iterator[None]:
    """A process that a failing test leaves behind is killed, or leaving `Popen` would wait for it."""
    try:
        yield
    finally:
        process.kill()


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_demo_cleans_up(backends: Backends, ending: signal.Signals) -> None:
    port = free_port()
    command = [sys.executable, "-m", "gateway", "demo", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as demo, ended_at_last(demo):
        assert demo.stdout is not None
        said = ""
        for line in demo.stdout:
            said += line
            if line.startswith("Ctrl-C"):
                break
        assert listening(port), said
        directory = Path(said.split("Files", 1)[1].split()[0])
        assert directory.is_dir()
        demo.send_signal(ending)
        assert demo.wait(30) == 0
        assert demo.stdout.read().strip() == "Ended."
    assert not directory.exists()
    assert not listening(port)
