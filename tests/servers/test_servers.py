"""The test servers themselves: each starts, lets its users in, and takes a message."""

import imaplib
import json
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.demo.dovecot_config import TlsFiles
from gateway.demo.process import Server, ServerError, free_port
from gateway.demo.radicale import Radicale
from tests.servers.cyrus import Cyrus
from tests.servers.dovecot import Dovecot, DovecotOptions, running_dovecot
from tests.servers.http_client import http_request
from tests.servers.imap_client import imap_client
from tests.servers.postfix import Postfix
from tests.servers.pymap import Pymap
from tests.servers.redis import Redis
from tests.servers.users import MailServer, User, fresh_user

MESSAGE = b"From: a@example.org\r\nSubject: hello\r\nMessage-ID: <1@example.org>\r\n\r\nText.\r\n"
NAMED_USER = User("alice", "alice-secret")


def check_mail(server: MailServer) -> None:
    """Another client can do what tests want of it."""
    with imap_client(server, fresh_user(server)) as client:
        client.append("INBOX", MESSAGE, ["\\Seen"])
        (uid,) = client.uids("INBOX")
        assert "\\Seen" in client.flags("INBOX", uid)
        client.flag("INBOX", uid, "-FLAGS", "\\Seen")
        assert client.flags("INBOX", uid) == set()
        client.create("Work")
        client.rename("Work", "Play")
        client.move("INBOX", uid, "Play")
        assert client.uids("INBOX") == []
        assert len(client.uids("Play")) == 1
        client.remove("Play")
        assert "Play" not in client.mailboxes()


def check_wrong_password(server: MailServer) -> None:
    imap = imaplib.IMAP4(server.host, server.imap)
    with pytest.raises(imaplib.IMAP4.error):
        imap.login("alice", "wrong")
    imap.shutdown()


def test_dovecot(dovecot: Dovecot) -> None:
    check_mail(dovecot)
    check_wrong_password(dovecot)
    with imap_client(dovecot, NAMED_USER) as client:
        assert {"NOTIFY", "QRESYNC", "METADATA", "QUOTA", "SPECIAL-USE"} <= client.capabilities()
        assert client.mailboxes() >= {"INBOX", "Drafts", "Sent", "Junk", "Trash", "Archive"}


def test_dovecot_delivers(dovecot: Dovecot) -> None:
    user = fresh_user(dovecot)
    dovecot.deliver(f"{user.name}@example.org", MESSAGE)
    with imap_client(dovecot, user) as client:
        assert len(client.uids("INBOX")) == 1
    assert dovecot.doveadm("search", "-u", user.name, "subject", "hello").count("\n") == 1


def test_dovecot_master_user(dovecot: Dovecot) -> None:
    user = fresh_user(dovecot)
    dovecot.deliver(user.name, MESSAGE)
    master = User(f"{user.name}*{dovecot.master_user}", dovecot.master_password)
    with imap_client(dovecot, master) as client:
        assert len(client.uids("INBOX")) == 1
    imap = imaplib.IMAP4(dovecot.host, dovecot.imap)
    answer = f"{user.name}\0{dovecot.master_user}\0{dovecot.master_password}".encode()
    assert imap.authenticate("PLAIN", lambda _: answer)[0] == "OK"
    assert imap.select()[1] == [b"1"]
    imap.logout()


def test_dovecot_tls(dovecot: Dovecot, tls_files: TlsFiles) -> None:
    trusting = ssl.create_default_context(cafile=str(tls_files.authority))
    assert dovecot.imaps is not None
    with imaplib.IMAP4_SSL(dovecot.host, dovecot.imaps, ssl_context=trusting) as imap:
        assert imap.login(*NAMED_USER)[0] == "OK"
    with imaplib.IMAP4("localhost", dovecot.imap) as imap:
        imap.starttls(trusting)
        assert imap.login(*NAMED_USER)[0] == "OK"
    with pytest.raises(ssl.SSLCertVerificationError):
        imaplib.IMAP4_SSL(dovecot.host, dovecot.imaps, ssl_context=ssl.create_default_context())


def test_masked_dovecot(dovecot_plain: Dovecot) -> None:
    check_mail(dovecot_plain)
    with imap_client(dovecot_plain, NAMED_USER) as client:
        assert {word for word in client.capabilities() if not word.startswith("AUTH=")} == {"IMAP4REV1"}


def test_dovecot_options() -> None:
    options = DovecotOptions(mail_format="mdbox", acl=True, virtual_all=True, max_user_connections=1)
    with running_dovecot(options) as server:
        user = fresh_user(server)
        server.deliver(user.name, MESSAGE)
        with imap_client(server, user) as client:
            assert "ACL" in client.capabilities()
            assert len(client.uids("Virtual/All")) == 1
            refused = imaplib.IMAP4(server.host, server.imap)
            with pytest.raises(imaplib.IMAP4.error, match="connections"):
                refused.login(*user)
            refused.shutdown()


def test_cyrus(cyrus: Cyrus) -> None:
    check_mail(cyrus)
    check_wrong_password(cyrus)
    with imap_client(cyrus, NAMED_USER) as client:
        assert {"OBJECTID", "QRESYNC", "LIST-STATUS"} <= client.capabilities()
        assert client.mailboxes() == {"INBOX", "Drafts", "Sent", "Junk", "Trash", "Archive"}


def test_cyrus_delivers_and_speaks_jmap(cyrus: Cyrus) -> None:
    user = fresh_user(cyrus)
    cyrus.deliver(user.name, MESSAGE)
    with imap_client(cyrus, user) as client:
        assert len(client.uids("INBOX")) == 1
    session = get_json(f"http://{cyrus.host}:{cyrus.http}/jmap/", user)
    assert session["username"] == user.name
    assert managesieve_greeting(cyrus.host, cyrus.managesieve).startswith(b'"IMPLEMENTATION" "Cyrus')


def test_pymap(pymap_server: Pymap) -> None:
    check_mail(pymap_server)
    check_wrong_password(pymap_server)
    with imap_client(pymap_server, NAMED_USER) as client:
        assert not {"CONDSTORE", "SORT", "ESEARCH", "NAMESPACE", "LIST-STATUS"} & client.capabilities()


def test_postfix_delivers_what_a_user_submits(postfix: Postfix) -> None:
    sender, recipient = fresh_user(postfix.dovecot), fresh_user(postfix.dovecot)
    with smtplib.SMTP(postfix.host, postfix.submission) as smtp:
        smtp.login(*sender)
        smtp.sendmail(f"{sender.name}@example.org", [f"{recipient.name}@{postfix.domain}"], MESSAGE)
    with imap_client(postfix.dovecot, recipient) as client:
        assert wait_for(lambda: client.uids("INBOX"))


def test_postfix_refuses(postfix: Postfix) -> None:
    with smtplib.SMTP(postfix.host, postfix.submission) as smtp:
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            smtp.sendmail("a@example.org", ["someone@example.com"], MESSAGE)
        with pytest.raises(smtplib.SMTPAuthenticationError):
            smtp.login("alice", "wrong")


def test_redis(redis_server: Redis) -> None:
    with socket.create_connection((redis_server.host, redis_server.port)) as connection:
        connection.sendall(b"PING\r\n")
        assert connection.recv(100) == b"+PONG\r\n"


def test_radicale(radicale: Radicale) -> None:
    with pytest.raises(urllib.error.HTTPError, match="401") as refused:
        http_request(f"{radicale.url}/alice/", "PROPFIND", User("alice", "wrong"))
    refused.value.close()
    radicale.create_user("newcomer", "secret")
    assert b"newcomer" in http_request(f"{radicale.url}/newcomer/", "PROPFIND", User("newcomer", "secret"))


def get_json(url: str, user: User) -> dict[str, object]:
    answer = json.loads(http_request(url, "GET", user))
    assert isinstance(answer, dict)
    return answer


def managesieve_greeting(host: str, port: int) -> bytes:
    with socket.create_connection((host, port)) as connection:
        return connection.recv(4096)


def wait_for(condition: Callable[[], object], seconds: float = 20) -> bool:
    """Whether the condition came to hold."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def test_failure_shows_the_log(tmp_path: Path) -> None:
    server = Server("talker", ["/bin/sh", "-c", "echo no such luck; exit 3"], tmp_path)
    with pytest.raises(ServerError, match=r"(?s)talker ended with status 3.*no such luck"):
        server.start_on_ports(free_port())
    assert not server.running()


def test_a_server_that_never_listens_is_stopped(tmp_path: Path) -> None:
    server = Server("sleeper", ["/bin/sleep", "600"], tmp_path)
    with pytest.raises(ServerError, match="sleeper was not ready"):
        server.start_on_ports(free_port(), seconds=0.1)
    assert not server.running()


def test_a_server_ends_when_its_starter_is_killed(tmp_path: Path) -> None:
    stubborn = "trap '' TERM; echo $$ > pid; while :; do sleep 0.1; done"
    starter = f"""
import os, pathlib, signal
from gateway.demo.process import Server
directory = pathlib.Path({str(tmp_path)!r})
server = Server("stubborn", ["/bin/sh", "-c", {stubborn!r}], directory)
server.start(lambda: (directory / "pid").exists())
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", starter], check=False, cwd=Path(__file__).parents[2])
    assert done.returncode == -signal.SIGKILL
    pid = int((tmp_path / "pid").read_text())
    assert wait_for(lambda: not Path(f"/proc/{pid}").exists())
