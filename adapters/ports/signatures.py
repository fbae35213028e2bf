"""Judging the S/MIME signatures of messages, as the gateway sees it: trust and revocation are the judge's business."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class SignedMessage:
    """A message whose structure says that it is signed (`adapters.formats.smime.kinds`).

    octets: the raw message; or the CMS of an opaque one, decoded, and then from_ is who the message is from.
    """

    octets: bytes | bytearray
    from_: Sequence[str] | None = None


class SignatureJudge(Protocol):
    """Verifies signatures. Raises nothing for what a message holds."""

    async def trust(self) -> str:
        """A name for the trust anchors that are in force: another one whenever they change."""
        ...

    async def judge(self, message: SignedMessage, moments: Sequence[datetime]) -> list[list[str]]:
        """For each moment (aware) what is wrong, in words; nothing where every signature counts."""
        ...

    async def close(self) -> None:
        """Release what it holds."""
        ...
