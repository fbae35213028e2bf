"""Long work in the loop that others hardly notice."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TypeVar

T = TypeVar("T")

_IDLE = 0.0002
"""Seconds: a turn of the loop that took less had nothing to do for anybody else."""
_TURNS = 50
"""Turns after which work goes on even in a loop that is never idle."""


async def give_way() -> None:
    """Let everybody else go first: a request needs many turns of the loop, each behind one slice of the work."""
    for _ in range(_TURNS):
        before = time.perf_counter()
        await asyncio.sleep(0)
        if time.perf_counter() - before < _IDLE:
            return


async def ahead(source: AsyncIterator[T]) -> AsyncGenerator[T, None]:
    """The same items, each asked for while the one before is worked on. Raises what the source raises."""
    following = asyncio.ensure_future(_next(source))
    try:
        while items := await following:
            following = asyncio.ensure_future(_next(source))
            yield items[0]
    finally:
        following.cancel()
        await asyncio.wait([following])


async def _next(source: AsyncIterator[T]) -> list[T]:
    """The next item, in a list that is empty at the end."""
    async for item in source:
        return [item]
    return []
