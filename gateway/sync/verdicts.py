"""What was found out about the S/MIME signatures of Emails (RFC 9219 §4.1): kept, so that it isn't done again.

A verdict isn't derived from the mail alone, so each has a value of its own that outlives an index that is built anew.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from adapters.ports.signatures import SignatureJudge
from gateway.store.base import Delete, Key, Put, Store, StoreUnavailable, Write
from gateway.sync.codec import Damaged, seal_json, unseal_json

_log = logging.getLogger(__name__)

SPACE: Final = "mail.smime"
VERIFIED: Final = "signed/verified"
FAILED: Final = "signed/failed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """status, at_delivery: values of smimeStatus. errors: of the status. verified_at: seconds since 1970, 0 where
    nothing was verified. trust: the name of the trust anchors that it was made with."""

    status: str | None
    at_delivery: str | None
    errors: tuple[str, ...] = ()
    verified_at: int = 0
    trust: str = ""

    def is_good(self, now: float, max_age: float, trust: str) -> bool:
        """Whether it may still be told (RFC 9219 §4.1: for 24 hours at most, and while trust is the same)."""
        return self.trust == trust and 0 <= now - self.verified_at < max_age

    def differs(self, other: "Verdict") -> bool:
        """Whether a client must be told (RFC 9219 §4.3): not for the time of verification."""
        mine = (self.status, self.at_delivery, self.errors)
        return mine != (other.status, other.at_delivery, other.errors)


def succeed(before: Verdict | None, new: Verdict) -> Verdict:
    """The verdict to keep: the status at delivery stays what it was first found to be, unless trust anchors were
    added that make it better (RFC 9219 §4.1)."""
    if before is None or before.at_delivery == new.at_delivery:
        return new
    better = before.at_delivery == FAILED and before.trust != new.trust
    at_delivery = new.at_delivery if better else before.at_delivery
    return Verdict(new.status, at_delivery, new.errors, new.verified_at, new.trust)


class Verdicts:
    """Those of one account, in the store. Without a store they are made anew each time."""

    def __init__(self, store: Store, account_id: str) -> None:
        self._store = store
        self._account = account_id
        self._swept = False

    async def read(self, email_ids: Sequence[str]) -> dict[str, Verdict]:
        """By Email id, as far as there are any."""
        try:
            values = await self._store.read([self._key(email_id) for email_id in email_ids]) if email_ids else []
        except StoreUnavailable as error:
            _log.warning("verdicts cannot be read: %s", error)
            return {}
        found = zip(email_ids, map(_decoded, values), strict=True) if values else ()
        return {email_id: verdict for email_id, verdict in found if verdict is not None}

    async def write(self, verdicts: Mapping[str, Verdict], is_alive: Callable[[str], bool]) -> None:
        """Keep some. The first time those of Emails that are gone are dropped."""
        writes: list[Write] = [Put(self._key(email_id), seal_json(asdict(one))) for email_id, one in verdicts.items()]
        try:
            writes += await self._outlived(is_alive)
            await self._store.commit(self._account, writes)
        except StoreUnavailable as error:
            _log.warning("verdicts cannot be kept: %s", error)

    async def _outlived(self, is_alive: Callable[[str], bool]) -> Iterable[Write]:
        if self._swept:
            return []
        kept = await self._store.scan(self._account, SPACE)
        self._swept = True
        return [Delete(self._key(email_id)) for email_id, _ in kept if not is_alive(email_id)]

    def _key(self, email_id: str) -> Key:
        return Key(self._account, SPACE, email_id)


@dataclass(frozen=True, slots=True, eq=False)
class Signatures:
    """What the signatures of one account are judged with.

    max_age: seconds that a verdict is told again; max_octets: the size of a message from which on it isn't verified.
    """

    judge: SignatureJudge
    verdicts: Verdicts
    max_age: float
    max_octets: int


def _decoded(value: bytes | None) -> Verdict | None:
    try:
        fields = unseal_json(value)
        return Verdict(**{**fields, "errors": tuple(fields["errors"])})
    except (Damaged, KeyError, TypeError):
        return None
