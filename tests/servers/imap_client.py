"""Another mail client: changes a mailbox behind the gateway's back, over imaplib."""

import imaplib
import re
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from tests.servers.users import MailServer, User

Answer = tuple[str, Sequence[object]]
"""As imaplib gives it: OK or NO, and data."""

_CONFUSED = re.compile(rb"\[SERVERBUG\]|deleted under us")
_FLAGS = re.compile(rb"FLAGS \(([^)]*)\)")
_APPENDUID = re.compile(rb"APPENDUID \d+ (\d+)")


class ImapClient:
    """A logged-in IMAP connection with the few verbs that tests need.

    Mailbox names are given as they go over the wire (modified UTF-7). Every verb raises `AssertionError` with
    the server's words if the server says NO, and `imaplib.IMAP4.error` for BAD.
    """

    def __init__(self, host: str, port: int, user: User) -> None:
        self._server = host, port
        self._user = user
        self._log_in()

    def _log_in(self) -> None:
        self.imap = imaplib.IMAP4(*self._server)
        # It writes the end of a literal by itself, which would wait for the server's delayed acknowledgement.
        self.imap.socket().setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.imap.login(self._user.name, self._user.password)
        self._selected: str | None = None

    def append(self, mailbox: str, message: bytes, flags: Iterable[str] = (), date: str | None = None) -> int | None:
        """Add a message; the UID that it got, or none from a server without UIDPLUS.

        `date` is in IMAP's form, e.g. '"17-Jul-2026 02:44:25 +0000"'.
        """
        stamp = date if date is not None else ""
        reply = self._ok(self.imap.append(_quoted(mailbox), f"({' '.join(flags)})", stamp, message))
        found = _APPENDUID.search(reply[0] if isinstance(reply[0], bytes) else b"")
        return int(found[1]) if found else None

    def move(self, mailbox: str, uid: int, target: str) -> None:
        """Move a message, with COPY and EXPUNGE where the server has no MOVE."""
        self.select(mailbox)
        if "MOVE" in self.capabilities():
            self.uid("MOVE", str(uid), _quoted(target))
            return
        self.copy(mailbox, uid, target)
        self.delete(mailbox, uid)

    def copy(self, mailbox: str, uid: int, target: str) -> None:
        """Copy a message."""
        self.select(mailbox)
        self.uid("COPY", str(uid), _quoted(target))

    def delete(self, mailbox: str, uid: int) -> None:
        """Flag a message as deleted and expunge the mailbox."""
        self.flag(mailbox, uid, "+FLAGS", "\\Deleted")
        self._ok(self.imap.expunge())

    def flag(self, mailbox: str, uid: int, how: str, *flags: str) -> None:
        """Change flags; `how` is "+FLAGS", "-FLAGS" or "FLAGS"."""
        self.select(mailbox)
        self.uid("STORE", str(uid), how, f"({' '.join(flags)})")

    def flags(self, mailbox: str, uid: int) -> set[str]:
        """The flags of a message, without \\Recent."""
        self.select(mailbox)
        reply = self.uid("FETCH", str(uid), "(FLAGS)")
        of_it = re.compile(rb"\bUID %d\b" % uid)  # it may be told of others too, and again of this one
        told = [
            found[1]
            for part in reply
            if isinstance(part, bytes) and of_it.search(part) and (found := _FLAGS.search(part))
        ]
        return set(told[-1].decode().split()) - {"\\Recent"} if told else set()

    def uids(self, mailbox: str) -> list[int]:
        """All UIDs of a mailbox, ascending."""
        self.select(mailbox)
        reply = self.uid("SEARCH", "ALL")
        return sorted(int(uid) for part in reply if isinstance(part, bytes) for uid in part.split())

    def create(self, mailbox: str) -> None:
        """Create a mailbox that is not there and subscribe to it.

        Dovecot made it also where it says ALREADYEXISTS, because another session saw it before it was done.
        """
        status, data = self.imap.create(_quoted(mailbox))
        assert status == "OK" or b"[ALREADYEXISTS]" in data[0], data
        self._ok(self.imap.subscribe(_quoted(mailbox)))

    def rename(self, mailbox: str, name: str) -> None:
        """Rename a mailbox."""
        self._leave()
        self._ok(self.imap.rename(_quoted(mailbox), _quoted(name)))

    def remove(self, mailbox: str) -> bool:
        """Delete a mailbox; False where the server keeps it, as it is there for those below it (RFC 9051 §6.3.5)."""
        self._leave()
        answer = self.imap.delete(_quoted(mailbox))
        return b"[HASCHILDREN]" not in (answer[1][0] or b"") and bool(self._ok(answer))

    def share(self, mailbox: str, user: str, rights: str) -> None:
        """Give another user exactly these rights to a mailbox (RFC 4314 §3.1); none at all for an empty string."""
        if rights:
            self._ok(self.imap.setacl(_quoted(mailbox), user, rights))
        else:
            self._ok(self.imap.deleteacl(_quoted(mailbox), user))

    def mailboxes(self) -> set[str]:
        """Names of all mailboxes that can be selected."""
        lines = [line.decode() for line in self._ok(self.imap.list()) if isinstance(line, bytes)]
        real = (line for line in lines if not re.match(r"\([^)]*\\(Noselect|NonExistent)\b", line, re.IGNORECASE))
        return {_unquoted(line.rsplit(' "/" ', 1)[-1]) for line in real}

    def capabilities(self) -> set[str]:
        """What the server advertises to a logged-in client."""
        reply = self._ok(self.imap.capability())
        return {word for part in reply if isinstance(part, bytes) for word in part.decode().upper().split()}

    def select(self, mailbox: str) -> None:
        """Select a mailbox, or see what happened in the selected one."""
        if self._selected == mailbox:
            self._ok(self.imap.noop())
            return
        self._ok(self._settled(lambda: self.imap.select(_quoted(mailbox))))
        self._selected = mailbox

    def exists(self, mailbox: str) -> bool:
        """Whether the server lets a mailbox be looked at, whatever LIST says."""
        return self._settled(lambda: self.imap.status(_quoted(mailbox), "(MESSAGES)"))[0] == "OK"

    def _settled(self, ask: Callable[[], Answer]) -> Answer:
        """The answer of a server that is itself: a session of Dovecot 2.3.19 has internal errors with a mailbox that
        others held open while it was deleted and made again; a new one has none.
        """
        answer = ask()
        for _ in range(20):
            if not any(isinstance(part, bytes) and _CONFUSED.search(part) for part in answer[1]):
                break
            time.sleep(0.1)
            self.imap.logout()
            self._log_in()
            answer = ask()
        return answer

    def uid(self, command: str, *arguments: str) -> list[object]:
        """A UID command on the selected mailbox; its untagged responses as imaplib gives them."""
        self.imap.untagged_responses.pop("FETCH", None)  # what came with earlier ones is older than the answer
        return self._ok(self.imap.uid(command, *arguments))

    def close(self) -> None:
        """Log out."""
        self.imap.logout()

    def _leave(self) -> None:
        if self._selected is not None:
            self._ok(self.imap.close())
            self._selected = None

    @staticmethod
    def _ok(answer: Answer) -> list[object]:
        status, data = answer
        assert status == "OK", data
        return list(data)


@contextmanager
def imap_client(server: MailServer, user: User) -> Iterator[ImapClient]:
    """An `ImapClient` for as long as the context lasts."""
    client = ImapClient(server.host, server.imap, user)
    try:
        yield client
    finally:
        client.close()


def _quoted(mailbox: str) -> str:
    return '"' + mailbox.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _unquoted(name: str) -> str:
    return name[1:-1] if len(name) > 1 and name[0] == name[-1] == '"' else name
