"""What a pass found that others did, kept for the user to be told (-29 §7, RFC 9670 §3)."""

import logging
from collections.abc import Mapping
from typing import Final

from adapters.errors import Unavailable
from gateway.sync.calendars.index import EVENT, NOTIFICATION, Index
from gateway.sync.calendars.notes import MOST, notes
from gateway.sync.calendars.shares import MOST as MOST_SHARES
from gateway.sync.calendars.shares import SHARE, share_notes
from gateway.sync.journal import Changes
from gateway.sync.ledger import Edit, Ledger, Record

_log: Final = logging.getLogger(__name__)


async def keep_notices(
    ledger: Ledger, base: Index, index: Index, changes: Mapping[str, Changes], own: frozenset[str]
) -> None:
    """Keep what is new from `base` to `index`. own: the user's calendar addresses in normal form."""
    await _keep(ledger, SHARE, list(share_notes(base, index)), MOST_SHARES)
    if EVENT in changes:
        await _keep(ledger, NOTIFICATION, list(notes(base, index, changes[EVENT], own)), MOST)


async def _keep(ledger: Ledger, type_name: str, found: list[Record], most: int) -> None:
    """Notifications that cannot be kept are lost, the change itself is not."""
    if not found:
        return

    def edit(before: Mapping[str, Mapping[str, Record]]) -> Edit:
        made = Edit()
        for note in found[-most:]:
            made.write(type_name, note)
        kept = sorted(before[type_name].values(), key=lambda note: str(note["created"]))
        for note in kept[: max(0, len(kept) + len(found) - most)]:
            made.delete(type_name, note["id"])
        return made

    try:
        await ledger.commit(edit, [type_name])
    except Unavailable as error:
        _log.warning("notifications could not be kept: %s", error)
