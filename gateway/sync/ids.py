"""Ids that are derived, never minted, where a durable fact exists.

An id is one letter and 26 characters of lower-case base32 (RFC 4648 §7 alphabet), the first 16 bytes of a SHA-256 over
the backend's namespace, the kind of the fact and the fact. Losing every stored record therefore changes no id.
The letter keeps ids clear of digits, dashes and "NIL" at the start (RFC 8620 §1.2).
"""

import hashlib
import re
import sys
from array import array
from collections.abc import Iterable
from functools import lru_cache

DIGEST_SIZE = 16

_NATIVE = re.compile(rb"[A-Za-z0-9_.,=:-]{1,255}")
_TEXT = re.compile(r"[a-z][0-7][0-9a-v]{25}")
_ALPHABET = "0123456789abcdefghijklmnopqrstuv"
_PAIRS = tuple(a + b for a in _ALPHABET for b in _ALPHABET)
_SHIFTS = tuple(range(120, -1, -10))
_KEPT = 4096  # ids on both ways: those of the pages that clients look at again and again


def valid_native(native: bytes) -> bool:
    """Whether an id that a server gave can be trusted to be one: some versions answer with raw garbage bytes."""
    return _NATIVE.fullmatch(native) is not None


class Digester:
    """Digests of facts of one kind in one namespace; the common prefix is hashed once."""

    def __init__(self, namespace: str, kind: str) -> None:
        self._prefix = hashlib.sha256(b"\0".join((namespace.encode(), kind.encode(), b"")))

    def digest(self, fact: bytes) -> bytes:
        """The 16 bytes that stand for the fact."""
        return self.digests((fact,))[0]

    def digests(self, facts: Iterable[bytes]) -> list[bytes]:
        """Those of several facts."""
        found, prefix = [], self._prefix.copy
        for fact in facts:
            state = prefix()
            state.update(fact)
            found.append(state.digest()[:DIGEST_SIZE])
        return found


@lru_cache(_KEPT)
def to_text(letter: str, digest: bytes) -> str:
    """The id of a digest; `letter` names the type."""
    number = int.from_bytes(digest, "big")
    return letter + "".join([_PAIRS[number >> shift & 1023] for shift in _SHIFTS])


@lru_cache(_KEPT)
def from_text(letter: str, text: str) -> bytes | None:
    """The digest of an id, or None where no such id can exist. The inverse of `to_text`."""
    if not text.startswith(letter) or _TEXT.fullmatch(text) is None:
        return None
    return int(text[1:], 32).to_bytes(DIGEST_SIZE, "big")


def key_of(digest: bytes) -> int:
    """The 64-bit key under which a `HashIndex` files a digest."""
    return int.from_bytes(digest[:8], "big")


def keys_of(digests: bytes) -> "array[int]":
    """The keys of several digests, which lie side by side."""
    keys = array("Q", digests)[:: DIGEST_SIZE // 8]
    if sys.byteorder == "little":
        keys.byteswap()
    return keys


def email_id(namespace: str, source: str, native: bytes) -> str:
    """The Email id of a native id; `source` is an `IdSource`: a change of source changes all ids."""
    return to_text("m", Digester(namespace, source).digest(native))


def mailbox_id(namespace: str, native: str) -> str:
    """The Mailbox id of a MAILBOXID or GUID."""
    return to_text("f", Digester(namespace, "mailboxid").digest(native.encode()))


def mailbox_id_of_path(namespace: str, path: str, uid_validity: int, attempt: int = 0) -> str:
    """The first id of a Mailbox that has no native one; from then on the stored id counts.

    attempt: counts up while the id is taken, e.g. by a renamed Mailbox whose old name and UIDVALIDITY came back.
    """
    fact = f"{uid_validity}\0{attempt}\0{path}".encode("utf-8", "surrogatepass")
    return to_text("f", Digester(namespace, "path").digest(fact))


def thread_id(namespace: str, native: bytes) -> str:
    """The Thread id of a native THREADID."""
    return to_text("t", Digester(namespace, "threadid").digest(native))


def account_id(namespace: str, owner: str) -> str:
    """The account of an owner: the same for every login that may see the owner's data."""
    return to_text("a", Digester(namespace, "account").digest(owner.encode()))


def shared_account_id(namespace: str, prefix: str) -> str:
    """The account of mailboxes that are nobody's own, by the prefix of their namespace (RFC 2342)."""
    return to_text("a", Digester(namespace, "shared").digest(prefix.encode("utf-8", "surrogatepass")))


def view_id(viewer: str, account: str) -> str:
    """What stands for all that one account's login sees of another's account: rights differ, so nothing is common."""
    return to_text("v", Digester(viewer, "view").digest(account.encode()))
