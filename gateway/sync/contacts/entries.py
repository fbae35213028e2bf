"""From stored vCards to what the index keeps of them: each card as JSON, without the octets of its pictures."""

import base64
import hashlib
import logging
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import orjson

from adapters.formats.data_uris import read_data_uri
from adapters.formats.jscontact.read import read_cards
from gateway.sync.memory import compact_json

_log: Final = logging.getLogger(__name__)

_PLACES: Final = uuid.UUID("0d3f3f5e-0f0b-5d3c-9a53-6c2f3f6b7a10")
"""Namespace (RFC 9562 §6.5) of the uids that are derived from a place."""


@dataclass(frozen=True, slots=True)
class Entry:
    """The card of a resource.

    rank: grows with the revision (`updated`). json: the JSContact Card; of Media with a data: URI it has, instead of
    that, `blobId` (see `media_digest`) and `mediaType` (RFC 9610 §3), so that no index holds what pictures weigh.
    """

    uid: str
    rank: str
    json: bytes

    def card(self) -> dict[str, Any]:
        """The JSContact Card, to be changed freely."""
        card: dict[str, Any] = orjson.loads(self.json)
        return card


def read_entry(data: bytes, path: str, name: str) -> Entry | None:
    """The Entry of a stored resource; None where it holds something else than one vCard, or cannot be read.

    path, name: where it lies, see `read_card`.
    """
    try:
        return entry_of(read_card(data, path, name))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        _note(type(error).__name__)
        return None


@cache
def _note(kind: str) -> None:
    """Say once of each kind of fault that it occurs: an address book may be full of them."""
    _log.warning("cards that cannot be read are left out: %s", kind)


def read_card(data: bytes, path: str, name: str) -> dict[str, Any]:
    """The whole JSContact Card of a stored resource, pictures included. Raises ValueError.

    path, name: where it lies; the uid of a card without one is derived from that, so that it stays.
    """
    cards = read_cards(data, uid=uid_of_place(path, name))
    if len(cards) != 1:
        raise ValueError("not one vCard")  # RFC 6352 §5.1
    return cards[0]


def uid_of_place(path: str, name: str) -> str:
    """The uid of a card that has none, by where it lies."""
    return f"urn:uuid:{uuid.uuid5(_PLACES, f'{path}{name}')}"


def entry_of(card: Mapping[str, Any]) -> Entry:
    """The Entry of a whole JSContact Card. Raises KeyError, TypeError, AttributeError for one that is not valid."""
    kept = dict(card)
    if "media" in kept:
        kept["media"] = {key: _without_data(medium) for key, medium in kept["media"].items()}
    # RFC 9553 §1.4.5: UTCDateTime may have fractions of a second, which sort behind none at all
    return Entry(kept["uid"], kept.get("updated", "").rstrip("Z"), compact_json(kept))


def _without_data(medium: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        media_type, data = read_data_uri(medium.get("uri", ""))
    except ValueError:
        return medium
    rest = {name: value for name, value in medium.items() if name != "uri"}
    return {"mediaType": media_type, **rest, "blobId": media_digest(data)}


def media_digest(data: bytes) -> str:
    """What stands for the octets of a picture: lower-case base32 of the first 20 octets of their SHA-256."""
    return base64.b32encode(hashlib.sha256(data).digest()[:20]).decode().lower()


def media_data(card: Mapping[str, Any], digest: str) -> tuple[str, bytes] | None:
    """Media type and octets of the picture with a digest in a whole Card, None where it has none such."""
    for medium in card.get("media", {}).values():
        with suppress(ValueError):
            media_type, data = read_data_uri(medium.get("uri", ""))
            if media_digest(data) == digest:
                return medium.get("mediaType", media_type), data
    return None
