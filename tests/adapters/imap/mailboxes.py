"""What the tests of the mail backend share: messages, and a stand-in for the gateway's index of one folder."""

from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from adapters.imap.backend import ImapMail
from adapters.imap.connection import Credentials, Endpoint
from adapters.ports.mail import Arrivals, Folder, FolderDelta, FolderStatus, IdSource, Keywords, MailPort
from tests.servers.users import MailServer, User

MIXED = b"""\
From: Ann <ann@example.org>
To: bob@example.org
Subject: =?utf-8?q?caf=C3=A9?=
Message-ID: <mixed@example.org>
References: <a@example.org>
 <b@example.org>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=x

--x
Content-Type: text/plain; charset=utf-8

The needle in the text.
--x
Content-Type: application/octet-stream
Content-Transfer-Encoding: base64
Content-Disposition: attachment; filename=a.bin

AAECAwQFBgcICQ==
--x
Content-Type: message/rfc822

Subject: inner
X-Inner: yes

inner text
--x--
""".replace(b"\n", b"\r\n")


def simple(number: int, body: bytes = b"text", size: int = 0) -> bytes:
    """A small message of its own."""
    return (
        b"From: ann@example.org\r\nSubject: message %d\r\nMessage-ID: <%d@example.org>\r\n"
        b"Date: Fri, 17 Jul 2026 02:44:25 +0000\r\n\r\n%b\r\n" % (number, number, body.ljust(size, b"."))
    )


@dataclass(frozen=True)
class Tier:
    """A kind of server: where it is, where ids come from, what may be enabled."""

    name: str
    server: MailServer
    id_source: IdSource | None
    enable: tuple[str, ...] = ("CONDSTORE", "QRESYNC")

    def stored(self, message: bytes) -> bytes:
        """The octets as the server keeps them: pymap turns line ends into LF."""
        return message.replace(b"\r\n", b"\n") if self.name == "pymap" else message


@asynccontextmanager
async def opened(tier: Tier, user: User) -> AsyncIterator[ImapMail]:
    """A mail backend for a user of a test server, logged in."""
    endpoint = Endpoint(tier.server.host, tier.server.imap, tls="none", enable=tier.enable)
    mail = ImapMail(endpoint, Credentials(user.name, user.password), id_source=tier.id_source)
    try:
        await mail.open()
        yield mail
    finally:
        await mail.close()


@dataclass
class Index:
    """The gateway's knowledge of one folder: applies deltas, and insists that each makes sense."""

    status: FolderStatus | None = None
    flags: dict[int, Keywords] = field(default_factory=dict)
    ids: dict[int, bytes] = field(default_factory=dict)

    @property
    def uids(self) -> "array[int]":
        """All known UIDs, ascending."""
        return array("I", sorted(self.flags))

    def keywords(self, uid: int) -> Keywords:
        """Keywords of a known UID."""
        return self.flags[uid]

    async def update(self, mail: MailPort, path: str) -> FolderDelta:
        """Ask for the delta and apply it."""
        delta = await mail.changes(path, self.status, self)
        if delta.reset:
            self.flags.clear()
            self.ids.clear()
        assert list(delta.arrivals.uids) == sorted(set(delta.arrivals.uids) - self.flags.keys())
        self.add(delta.arrivals)
        for uid, keywords in delta.flags:
            assert self.flags[uid] != keywords
            self.flags[uid] = keywords
        for uid in delta.vanished:
            del self.flags[uid], self.ids[uid]
        self.status = delta.cursor
        return delta

    def add(self, arrivals: Arrivals) -> None:
        """Enter arrivals."""
        columns = (arrivals.native_ids, arrivals.received, arrivals.sizes, arrivals.keywords)
        assert all(len(column) == len(arrivals.uids) for column in columns)
        assert arrivals.thread_ids is None or len(arrivals.thread_ids) == len(arrivals.uids)
        self.flags.update(zip(arrivals.uids, arrivals.keywords, strict=True))
        self.ids.update(zip(arrivals.uids, arrivals.native_ids, strict=True))


async def folder_named(mail: ImapMail, path: str) -> Folder:
    """One folder of the listing."""
    return next(folder for folder in await mail.folders() if folder.path == path)
