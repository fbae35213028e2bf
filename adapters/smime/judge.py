"""Judges S/MIME signatures with the configured trust anchors, large messages off the event loop."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Final, Protocol

from adapters.formats.smime.verify import Finding, verify_cms, verify_message
from adapters.ports.signatures import SignatureJudge, SignedMessage
from adapters.smime.anchors import Anchors

__all__ = ["INLINE_OCTETS", "Judge", "Revocation"]

INLINE_OCTETS: Final = 16 * 1024
"""Octets up to which a message is verified where it is: about a millisecond, as long as a thread would cost."""

_THREADS: Final = 2


class Revocation(Protocol):
    """Looks at the revocation of certificates."""

    async def problems(self, finding: Finding) -> list[str]:
        """What is wrong with the certificates of a Finding that holds otherwise, in words."""
        ...

    async def close(self) -> None:
        """Release what it holds."""
        ...


class Judge(SignatureJudge):
    """See the port. revocation: None where it isn't looked at."""

    def __init__(self, anchors: Anchors, revocation: Revocation | None = None) -> None:
        self._anchors = anchors
        self._revocation = revocation
        self._threads = asyncio.Semaphore(_THREADS)

    async def trust(self) -> str:
        """See SignatureJudge."""
        current = self._anchors.current
        return (await asyncio.to_thread(current) if self._anchors.is_due() else current())[1]

    async def judge(self, message: SignedMessage, moments: Sequence[datetime]) -> list[list[str]]:
        """See SignatureJudge."""
        if len(message.octets) <= INLINE_OCTETS:
            findings = self._verify(message, moments)
            await asyncio.sleep(0)  # many in a row must not keep others waiting
        else:
            async with self._threads:
                findings = await asyncio.to_thread(self._verify, message, moments)
        return [[*finding.errors, *await self._revoked(finding)] for finding in findings]

    async def close(self) -> None:
        """See SignatureJudge."""
        if self._revocation is not None:
            await self._revocation.close()

    def _verify(self, message: SignedMessage, moments: Sequence[datetime]) -> list[Finding]:
        trust, _ = self._anchors.current()
        if message.from_ is None:
            return verify_message(message.octets, trust, moments)
        return verify_cms(message.octets, message.from_, trust, moments)

    async def _revoked(self, finding: Finding) -> list[str]:
        """Nothing is asked, and nobody, about a signature that doesn't count anyway."""
        if self._revocation is None or finding.errors:
            return []
        return await self._revocation.problems(finding)
