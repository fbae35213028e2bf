"""Trust anchors from PEM files: read when they are first needed, and again when a file has changed."""

import hashlib
import logging
import re
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from adapters.formats.smime.chain import Trust

__all__ = ["Anchors"]

_log = logging.getLogger(__name__)

CHECK_SECONDS: Final = 10.0
"""How long what was read is used without a look at the files."""

MAX_OCTETS: Final = 16 << 20
_SUFFIXES: Final = frozenset({".pem", ".crt", ".cer"})
_CERTIFICATE = re.compile(
    rb"-----BEGIN (?:TRUSTED )?CERTIFICATE-----.+?-----END (?:TRUSTED )?CERTIFICATE-----", re.DOTALL
)

_Seen = tuple[tuple[str, int, int], ...]


class Anchors:
    """path: a PEM file, or a directory of them (.pem, .crt, .cer); None: those of the system."""

    def __init__(self, path: Path | None) -> None:
        self._path = path if path is not None else _system()
        self._checked_at = -CHECK_SECONDS
        self._seen: _Seen | None = None
        self._trust = Trust([])
        self._name = ""

    def is_due(self) -> bool:
        """Whether the files are to be looked at again."""
        return time.monotonic() - self._checked_at >= CHECK_SECONDS

    def current(self) -> tuple[Trust, str]:
        """The anchors, and a name for this very set of them. Blocks while it reads; what can't be read is logged."""
        if self.is_due():
            self._checked_at = time.monotonic()
            try:
                self._look()
            except OSError as error:
                _log.warning("trust anchors cannot be read, those known before stay in force: %s", error)
        return self._trust, self._name

    def _look(self) -> None:
        files = _files(self._path)
        seen = tuple((str(file), file.stat().st_mtime_ns, file.stat().st_size) for file in files)
        if seen == self._seen:
            return
        found: dict[bytes, x509.Certificate] = {}
        for file in files:
            found |= {one.fingerprint(SHA256()): one for one in _certificates(file)}
        self._trust, self._seen = Trust(list(found.values())), seen
        self._name = hashlib.sha256(b"".join(sorted(found))).hexdigest()[:32]
        _log.info("%d trust anchors for S/MIME from %s", len(found), self._path)


def _system() -> Path:
    paths = ssl.get_default_verify_paths()
    return Path(paths.cafile or paths.capath or paths.openssl_cafile)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.iterdir() if file.suffix in _SUFFIXES and file.is_file())


def _certificates(file: Path) -> Iterator[x509.Certificate]:
    if file.stat().st_size > MAX_OCTETS:
        _log.warning("%s is too large to hold trust anchors", file)
        return
    for block in _CERTIFICATE.findall(file.read_bytes()):
        try:
            certificate = x509.load_pem_x509_certificate(block)
            certificate.subject.public_bytes()
        except (ValueError, x509.InvalidVersion) as error:
            _log.warning("%s holds a trust anchor that cannot be read: %s", file, error)
        else:
            yield certificate
