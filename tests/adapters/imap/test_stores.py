"""STOREs that are given up before they begin."""

import asyncio
import gc
from typing import Any, cast

import pytest

from adapters.imap.connection import Connection
from adapters.imap.stores import store, stores
from adapters.ports.mail_write import FlagDelta


class Silent:
    """A connection on which nothing is ever answered."""

    async def command(self, *_: Any, **__: Any) -> None:
        """Wait."""
        await asyncio.Event().wait()


async def test_nothing_is_left_unawaited(recwarn: pytest.WarningsRecorder) -> None:
    changes = stores([FlagDelta((1,), frozenset({"$a"}), frozenset()), FlagDelta((2,), frozenset({"$b"}), frozenset())])
    storing = asyncio.create_task(store(cast("Connection", Silent()), changes, lambda _: None))
    await asyncio.sleep(0)
    storing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await storing
    gc.collect()
    assert [str(one.message) for one in recwarn] == []
