"""Put the sample account into the demo's servers."""

import imaplib
import json
from collections.abc import Iterable, Mapping
from itertools import accumulate, groupby
from operator import attrgetter
from pathlib import Path

from gateway.demo.sample_mail import SampleMessage


class LoadError(Exception):
    """A server refused a part of the sample account."""


def load_mail(host: str, port: int, user: str, password: str, messages: Iterable[SampleMessage]) -> int:
    """Append the messages over IMAP, creating their mailboxes; the number of messages.

    The server must have LITERAL+ and MULTIAPPEND (RFC 7888, RFC 3502): one command fills a mailbox.

    Raises:
        LoadError: the server refused the login, a message or a mailbox.
        OSError: the connection failed.
    """
    count = 0
    imap = imaplib.IMAP4(host, port)
    try:
        imap.login(user, password)
        for mailbox, group in groupby(sorted(messages, key=attrgetter("mailbox")), key=attrgetter("mailbox")):
            count += _append(imap, mailbox, list(group))
    except BaseException as error:
        imap.shutdown()
        if isinstance(error, imaplib.IMAP4.error):
            raise LoadError(f"IMAP for {user}: {error}") from error
        raise
    imap.logout()
    return count


def write_collection(
    root: Path, user: str, name: str, properties: Mapping[str, str], objects: Mapping[str, str]
) -> None:
    """Write a calendar or address book where a Radicale that is not running yet keeps its collections.

    `properties` are Radicale's: `tag` (VCALENDAR or VADDRESSBOOK) and WebDAV properties such as `D:displayname`.
    `objects`: file name to content.
    """
    folder = root / "collection-root" / user / name
    folder.mkdir(parents=True)
    (folder / ".Radicale.props").write_text(json.dumps(dict(properties)))
    for file, content in objects.items():
        (folder / file).write_bytes(content.encode())


def _append(imap: imaplib.IMAP4, mailbox: str, messages: list[SampleMessage]) -> int:
    for place in accumulate(mailbox.split("/"), "{}/{}".format):  # those above it too
        imap.create(_quoted(place))  # NO where it exists already
        imap.subscribe(_quoted(place))
    name = _quoted(mailbox)
    command = f"load APPEND {name}".encode()
    for message in messages:
        date = imaplib.Time2Internaldate(message.received)
        command += f" ({' '.join(message.flags)}) {date} {{{len(message.content)}+}}\r\n".encode() + message.content
    imap.send(command + b"\r\n")
    while not (line := imap.readline()).startswith(b"load "):
        if not line:
            raise LoadError("IMAP: the server closed the connection")
    if not line.startswith(b"load OK"):
        raise LoadError(f"IMAP APPEND to {mailbox}: {line.decode(errors='replace').strip()}")
    return len(messages)


def _quoted(mailbox: str) -> str:
    return '"' + mailbox.replace("\\", "\\\\").replace('"', '\\"') + '"'
