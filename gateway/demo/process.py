"""Start a server program on loopback, wait for it, and end it for sure.

Used by the demo and by the test fixtures. Everything that a server writes stays in one private directory, and
what was started dies with the process that started it, also when that process is killed.
"""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

LOOPBACK = "127.0.0.1"
READY_SECONDS = 30.0
END_SECONDS = 2.0
POLL_SECONDS = 0.02
LOG_TAIL_LINES = 30

# Below the range of ports that Linux hands out for outgoing connections, so that no client takes one.
FIRST_PORT, LAST_PORT = 20000, 32000

_GUARD = 'read -r _; kill -s TERM "$1" 2>/dev/null; sleep 1; kill -s KILL -- "-$1" 2>/dev/null'


class ServerError(Exception):
    """A server did not start, or ended by itself; the message ends with the tail of its log."""


_given: set[int] = set()


def free_port() -> int:
    """A TCP port on loopback that nobody listens on now, and that was not given out before.

    Raises:
        ServerError: no free port was found.
    """
    for _ in range(200):
        port = FIRST_PORT + secrets.randbelow(LAST_PORT - FIRST_PORT)
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            _given.add(port)
            return port
    raise ServerError(f"no free port between {FIRST_PORT} and {LAST_PORT}")


@contextlib.contextmanager
def private_directory(name: str, keep: bool = False, below: Path | None = None) -> Iterator[Path]:
    """A new directory that other users may pass through but not list; removed at the end unless `keep`.

    It is below a directory for temporary files, unless `below` says otherwise.
    Its path is short, because a Unix socket's path may have 107 bytes only. Passing through is needed where a
    server started by root drops to another user.
    """
    directory = Path(tempfile.mkdtemp(prefix=f"jmapgw-{name}-", dir=below))
    directory.chmod(0o711)
    try:
        yield directory
    finally:
        if not keep:
            shutil.rmtree(directory, ignore_errors=True)


def find_program(name: str) -> str | None:
    """Path of a program, also of those in the sbin directories, which an ordinary user's PATH leaves out."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])
    return shutil.which(name, path=path)


def listening(port: int, host: str = LOOPBACK) -> bool:
    """Whether something accepts connections on the port."""
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


class Server:
    """One running program with its log; a context manager that ends it.

    Args:
        name: for messages and the log's file name.
        argv: program (as an absolute path) and arguments; it must stay in the foreground.
        directory: where the log goes, and the working directory.
        environment: added to the environment of this process.
        log: a further log file, which the program writes by itself.
        patience: seconds that the program gets to end by itself.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        directory: Path,
        environment: Mapping[str, str] | None = None,
        log: Path | None = None,
        patience: float = END_SECONDS,
    ) -> None:
        self.name = name
        self.argv = list(argv)
        self.directory = directory
        self.environment = dict(environment or {})
        self.patience = patience
        self.output = directory / f"{name}.log"
        self.logs = [self.output] if log is None else [self.output, log]
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None

    def start(self, ready: Callable[[], bool], seconds: float = READY_SECONDS) -> Self:
        """Start the program and return when `ready` holds.

        Raises:
            ServerError: it ended, or was not ready in time; it is stopped then.
        """
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - the programs are ours, no shell
                self.argv,
                cwd=self.directory,
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # one group to end, and no Ctrl-C before the owner has seen it
            )
        self._guard = _guard(self._process.pid)
        try:
            self._wait_until(ready, seconds)
        except BaseException:
            self.stop()
            raise
        return self

    def start_on_ports(self, *ports: int, seconds: float = READY_SECONDS) -> Self:
        """Start the program and return when it accepts connections on all the ports.

        Raises:
            ServerError: as `start`.
        """
        return self.start(lambda: all(listening(port) for port in ports), seconds)

    @property
    def pid(self) -> int:
        """Process id of the program.

        Raises:
            ServerError: it was not started.
        """
        if self._process is None:
            raise ServerError(f"{self.name} was not started")
        return self._process.pid

    def running(self) -> bool:
        """Whether the program was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """End the program: SIGTERM, and SIGKILL to all that it started if it takes too long."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(self.patience)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # the group is the program's own
        process.wait()
        self._dismiss_guard()

    def tail(self, lines: int = LOG_TAIL_LINES) -> str:
        """The last lines of the program's logs."""
        return "\n".join(_tail(log, lines) for log in self.logs)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _dismiss_guard(self) -> None:
        guard, self._guard = self._guard, None
        if guard is not None:
            guard.kill()  # before its input ends, which is its signal
            guard.wait()
            if guard.stdin is not None:
                guard.stdin.close()

    def _wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not ready():
            if self._process is not None and (code := self._process.poll()) is not None:
                raise ServerError(f"{self.name} ended with status {code}\n{self.tail()}")
            if time.monotonic() > deadline:
                raise ServerError(f"{self.name} was not ready after {seconds:.0f} s\n{self.tail()}")
            time.sleep(POLL_SECONDS)


def _guard(pid: int) -> subprocess.Popen[bytes]:
    """A shell that ends the process group if this process goes away without having done so.

    It waits for the end of its input, which comes when the last holder of the pipe's other end, this process, dies.
    """
    return subprocess.Popen(  # noqa: S603 - constant but for a number, and no input but its end
        ["/bin/sh", "-c", _GUARD, "guard", str(pid)], stdin=subprocess.PIPE, start_new_session=True
    )


def _tail(log: Path, lines: int) -> str:
    if not log.exists():
        return f"--- no {log}"
    text = log.read_bytes().decode(errors="replace").splitlines()[-lines:]
    return "\n".join([f"--- {log}", *text])
