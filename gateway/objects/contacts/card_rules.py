"""What a ContactCard must be as a whole, and what the server completes (RFC 9553 §2, RFC 9610 §3)."""

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from adapters.formats.pointer import InvalidPatch, apply_patch, tokens
from gateway.jmap.errors import SetError
from gateway.jmap.properties import refuse
from gateway.objects.contacts.card_properties import METADATA, NAMES, VERSION, faults

Values = dict[str, Any]

_NOT_LOCALIZED: Final = frozenset({*METADATA, "@type", "version", "uid", "localizations"})


def invalid(description: str, *properties: str) -> SetError:
    """invalidProperties, of these properties where it is known which they are."""
    return SetError("invalidProperties", description, list(properties) or None)


def completed(record: Mapping[str, Any]) -> Values:
    """A new card with what the server sets where the client did not."""
    now = now_text()
    card = {name: value for name, value in record.items() if value is not None and name not in METADATA}
    return {
        "@type": "Card",
        "version": VERSION,
        "uid": f"urn:uuid:{uuid.uuid4()}",  # RFC 9553 §2.1.9: SHOULD be a URN, version 4 is RECOMMENDED
        "created": now,
        "updated": now,
        **card,
    }


def now_text() -> str:
    """The present as UTCDateTime (RFC 9553 §1.4.5)."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def check(card: Mapping[str, Any], before: Mapping[str, Any], names: Collection[str]) -> None:
    """Raises SetError for a card that is not valid. before: as stored, {} for a new one. names: what is to change."""
    refuse(faults(card, before, names))
    if "members" in card and card.get("kind") != "group" and {"members", "kind"}.intersection(names):
        raise invalid("only a group has members", "members")  # RFC 9553 §2.1.6
    if "vCardProps" in names and any(_is_other_uid(prop, card["uid"]) for prop in _new_props(card, before)):
        raise invalid("a card has one UID", "vCardProps")  # RFC 6350 §6.7.6
    if "localizations" in names:
        wrong = {f"localizations/{tag}": _localized(card, patch) for tag, patch in _localizations(card, before)}
        refuse({name: fault for name, fault in wrong.items() if fault})


def _new_props(card: Mapping[str, Any], before: Mapping[str, Any]) -> Iterable[Sequence[Any]]:
    known = before.get("vCardProps") or ()
    return (prop for prop in card.get("vCardProps") or () if prop not in known)


def _is_other_uid(prop: Sequence[Any], uid: str) -> bool:
    return str(prop[0]).lower() == "uid" and list(prop[3:]) != [uid]


def _localizations(card: Mapping[str, Any], before: Mapping[str, Any]) -> Iterable[tuple[str, Mapping[str, Any]]]:
    known = before.get("localizations") or {}
    return [(tag, patch) for tag, patch in (card.get("localizations") or {}).items() if known.get(tag) != patch]


def _localized(card: Mapping[str, Any], patch: Mapping[str, Any]) -> str | None:
    """What is wrong with a PatchObject of `localizations` (RFC 9553 §1.4.3, §2.7.1)."""
    named = {tokens(pointer)[0] for pointer in patch}
    if named & _NOT_LOCALIZED:
        return f"must not change {', '.join(sorted(named & _NOT_LOCALIZED))}"
    try:
        result = apply_patch({name: value for name, value in card.items() if name != "localizations"}, dict(patch))
    except InvalidPatch as error:
        return f"is no valid PatchObject: {error}"[:200]
    wrong = faults(result, {}, named & NAMES)
    return next((f"is not valid: {name} {fault}" for name, fault in wrong.items()), None)
