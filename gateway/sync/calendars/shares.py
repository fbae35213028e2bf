"""What a pass found to be different in what others share with the user, as ShareNotifications (RFC 9670 §3)."""

import secrets
from collections.abc import Iterator
from typing import Any, Final

from adapters.ports.calendars import Calendar
from gateway.sync.calendars.entries import now_text
from gateway.sync.calendars.index import Index
from gateway.sync.ids import DIGEST_SIZE, to_text

SHARE: Final = "ShareNotification"
MOST: Final = 100
"""Notifications that are kept; RFC 9670 §3 lets the oldest go."""


def share_notes(base: Index, index: Index) -> Iterator[dict[str, Any]]:
    """A record for each calendar of somebody else whose privileges came, changed or went.

    before, after: privileges by name in order; null where the calendar was not, or is no longer, to be seen.
    """
    for path in sorted({*base.foreign, *index.foreign}):
        old, new = base.foreign.get(path), index.foreign.get(path)
        told = new or old
        if told is not None and _privileges(old) != _privileges(new):
            yield {
                "id": to_text("n", secrets.token_bytes(DIGEST_SIZE)),
                "created": now_text(),
                "name": told.properties.name,
                "path": told.path,
                "owner": told.owner,
                "before": _privileges(old),
                "after": _privileges(new),
            }


def _privileges(info: Calendar | None) -> list[str] | None:
    return None if info is None else sorted(info.privileges or ())
