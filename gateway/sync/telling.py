"""Telling whoever listens to an account, at any gateway of the store, which states are new (RFC 8620 §7.1)."""

import logging
from collections.abc import Mapping

import orjson

from gateway.store.base import Store, StoreUnavailable

_log = logging.getLogger(__name__)


def channel(account_id: str) -> str:
    """The store's channel with the news of an account: JSON objects, type name -> state."""
    return f"account/{account_id}"


async def tell(store: Store, account_id: str, states: Mapping[str, str]) -> None:
    """Publish new states, if there are any. A store that is away is no failure: what is true is so untold too."""
    if not states:
        return
    try:
        await store.publish(channel(account_id), orjson.dumps(states))
    except StoreUnavailable as error:
        _log.warning("states could not be published: %s", error)
