"""A judge that comes into being when it is first asked: what it needs takes 10 MB that many gateways never use."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

from adapters.ports.signatures import SignatureJudge, SignedMessage

__all__ = ["LazyJudge"]


class LazyJudge(SignatureJudge):
    """make: imports and builds the real one; it runs in a thread."""

    def __init__(self, make: Callable[[], SignatureJudge]) -> None:
        self._make = make
        self._making = asyncio.Lock()
        self._judge: SignatureJudge | None = None

    async def trust(self) -> str:
        """See SignatureJudge."""
        return await (await self._made()).trust()

    async def judge(self, message: SignedMessage, moments: Sequence[datetime]) -> list[list[str]]:
        """See SignatureJudge."""
        return await (await self._made()).judge(message, moments)

    async def close(self) -> None:
        """See SignatureJudge."""
        if self._judge is not None:
            await self._judge.close()

    async def _made(self) -> SignatureJudge:
        async with self._making:
            if self._judge is None:
                self._judge = await asyncio.to_thread(self._make)
            return self._judge
