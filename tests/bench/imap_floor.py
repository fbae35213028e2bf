"""The floor: bare blocking sockets that do over IMAP what the gateway must do, and look at nothing they get."""

import socket
from types import TracebackType
from typing import Final, Self

from tests.servers.users import User

FACTS: Final = "(UID FLAGS X-GUID INTERNALDATE RFC822.SIZE)"
THREAD_HEADERS: Final = "(UID BODY.PEEK[HEADER.FIELDS (IN-REPLY-TO MESSAGE-ID REFERENCES SUBJECT)])"
LIST_ROWS: Final = "(UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE PREVIEW)"
NEWEST: Final = "UID SORT RETURN (PARTIAL 1:50) (REVERSE ARRIVAL) UTF-8 ALL"
FOLDERS: Final = (
    'LIST "" "*" RETURN (SUBSCRIBED SPECIAL-USE STATUS (MESSAGES UIDNEXT UIDVALIDITY UNSEEN HIGHESTMODSEQ))'
)


def fast_socket(host: str, port: int) -> socket.socket:
    """A connection without Nagle's delay."""
    connection = socket.create_connection((host, port), timeout=60)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def quick_acknowledge(connection: socket.socket) -> None:
    """An answer in two segments waits 40 ms for a delayed ACK otherwise; the kernel forgets it, so: each time."""
    if hasattr(socket, "TCP_QUICKACK"):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


class Imap:
    """One connection; commands may be sent ahead and finished together."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = fast_socket(host, port)
        self._number = 0
        self._socket.recv(4096)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def log_in(self, user: User) -> None:
        """LOGIN."""
        self.run(f"LOGIN {user.name} {user.password}")

    def send(self, command: bytes) -> None:
        """Send a command without waiting."""
        self._number += 1
        self._socket.sendall(b"zq%dzq %b\r\n" % (self._number, command))

    def finish(self) -> bytes:
        """The last octets of all answers to what was sent, up to some 64 KiB; the rest is thrown away."""
        tag = b"zq%dzq " % self._number
        tail = b""
        while True:
            piece = self._socket.recv(262_144)
            if not piece:
                raise ConnectionError("the server hung up")
            quick_acknowledge(self._socket)
            tail = (tail if len(piece) < 65_536 else tail[-64:]) + piece
            tail = tail[-400_000:]
            at = tail.rfind(tag)
            if at >= 0 and tail.endswith(b"\r\n") and (at == 0 or tail[at - 1 : at] == b"\n"):
                if not tail.startswith(b"OK", at + len(tag)):
                    raise AssertionError(tail[at:].decode(errors="replace"))
                return tail

    def run(self, *commands: str) -> bytes:
        """Send commands in one go and wait for the last answer."""
        for command in commands:
            self.send(command.encode())
        return self.finish()
