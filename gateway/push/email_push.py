"""EmailPush objects (draft-ietf-jmap-emailpush-03 §3), as large as a push message may be."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from gateway.sync.ledger import Record


def messages(account_id: str, emails: Sequence[Record], state: str, room: int) -> Iterator[bytes]:
    """The messages that tell of these Emails, several in one where they have room. room: octets of a message."""
    shown: list[Record] = []
    for email in emails:
        fitting = _fitting(account_id, email, state, room)
        if shown and len(_body(account_id, [*shown, fitting], state)) > room:
            yield _body(account_id, shown, state)
            shown = []
        shown.append(fitting)
    if shown:
        yield _body(account_id, shown, state)


def _fitting(account_id: str, email: Record, state: str, room: int) -> Record:
    """The properties of an Email that have room, added in their order; others MUST be omitted."""
    found: dict[str, Any] = {}
    for name, value in email.items():
        if len(_body(account_id, [{**found, name: value}], state)) <= room:
            found[name] = value
    return found


def _body(account_id: str, emails: Sequence[Mapping[str, Any]], state: str) -> bytes:
    return orjson.dumps({"@type": "EmailPush", "accountId": account_id, "emails": emails, "state": state})
