"""A password check for Cyrus: saslauthd's protocol on a Unix socket, answered by a Python function."""

import socketserver
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

LENGTH = struct.Struct("!H")


@contextmanager
def saslauthd(path: Path, check: Callable[[str, str], bool]) -> Iterator[None]:
    """Answer password checks on a socket at `path` for as long as the context lasts.

    A request is four strings, each after its length in 16 bits: user, password, service, realm. The answer is one
    such string, "OK" or "NO".
    """

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            user, password, _service, _realm = (self.field() for _ in range(4))
            answer = b"OK" if check(user, password) else b"NO"
            self.wfile.write(LENGTH.pack(len(answer)) + answer)

        def field(self) -> str:
            (length,) = LENGTH.unpack(self.rfile.read(LENGTH.size))
            return self.rfile.read(length).decode()

    class ThreadedServer(socketserver.ThreadingUnixStreamServer):
        daemon_threads = True

    with ThreadedServer(str(path), Handler) as server:
        path.chmod(0o666)  # Cyrus asks as another user
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
