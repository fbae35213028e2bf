"""Large mailboxes for the benches: Maildir files made once, kept in a cache, linked into each server started."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from gateway.demo.dovecot_config import mail_owner
from tests.bench.imap_floor import Imap
from tests.bench.messages import Message, message
from tests.servers.dovecot import Dovecot
from tests.servers.users import MailServer, User

_VERSION: Final = 1
"""Of what `messages` makes; a cache of another version is not used."""


def cached_maildir(first: int, count: int) -> Path:
    """A directory of `count` messages from number `first` on, made if it is not there yet."""
    directory = _cache() / f"maildir{_VERSION}-{first}-{count}"
    if not directory.exists():
        making = directory.with_suffix(".making")
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(parents=True)
        for number in range(first, first + count):
            _write(making, f"{number:08}", message(number))
        making.rename(directory)
    return directory


def give_folder(server: Dovecot, user: str, folder: str, source: Path) -> None:
    """Have a user's folder ("" for INBOX) hold the messages of a cached Maildir, before the user's first login."""
    place = server.home(user) / "Maildir" / (f".{folder}" if folder else "")
    for name in ("new", "tmp"):
        (place / name).mkdir(parents=True, exist_ok=True)
    link = subprocess.run(["cp", "-al", str(source), str(place / "cur")], capture_output=True, check=False)
    if link.returncode:  # another file system
        shutil.rmtree(place / "cur", ignore_errors=True)
        subprocess.run(["cp", "-a", str(source), str(place / "cur")], check=True)
    if os.geteuid() == 0:
        owner = ":".join(map(str, mail_owner()))
        subprocess.run(["chown", "-R", owner, str(server.home(user))], check=True)


def append(server: MailServer, user: User, folder: str, messages: Iterable[Message]) -> None:
    """Append messages over IMAP, many under way at once; for servers whose files are their own business."""
    with Imap(server.host, server.imap) as imap:
        imap.log_in(user)
        pending = 0
        for one in messages:
            text = one.text.replace(b"\n", b"\r\n")
            flags = "(\\Seen)" if one.seen else "()"
            date = time.strftime("%d-%b-%Y %H:%M:%S +0000", time.gmtime(one.received))
            imap.send(f'APPEND {folder} {flags} "{date}" {{{len(text)}+}}'.encode() + b"\r\n" + text)
            pending += 1
            if pending == 50:
                imap.finish()
                pending = 0
        if pending:
            imap.finish()


def _write(directory: Path, stem: str, one: Message) -> None:
    lines = one.text.count(b"\n")
    flags = "S" if one.seen else ""
    name = f"{one.received}.M{stem}P1.bench,S={len(one.text)},W={len(one.text) + lines}:2,{flags}"
    path = directory / name
    path.write_bytes(one.text)
    os.utime(path, (one.received, one.received))  # Dovecot's INTERNALDATE


def write_large(directory: Path, one: Message) -> None:
    """One more message for a directory that `give_folder` is to use."""
    directory.mkdir(parents=True, exist_ok=True)
    _write(directory, "large", one)


def _cache() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "jmap-gateway" / "bench"
