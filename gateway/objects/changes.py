"""From the journal's answer to that of a /changes method."""

from typing import Protocol

from gateway.jmap.datatype import Changes
from gateway.jmap.errors import MethodError
from gateway.sync.journal import CannotCalculateChanges, ChangeSet
from gateway.sync.ledger import Ledger


class Journalled(Protocol):
    """What an index tells of its changes."""

    def changes(self, type_name: str, since: str, max_changes: int | None = None) -> ChangeSet:
        """RFC 8620 §5.2. Raises CannotCalculateChanges."""
        ...


def change_set(index: Journalled, type_name: str, since_state: str, max_changes: int | None = None) -> ChangeSet:
    """What happened since a state; MethodError("cannotCalculateChanges") for a state that is not known any more."""
    try:
        return index.changes(type_name, since_state, max_changes)
    except CannotCalculateChanges as error:
        raise MethodError("cannotCalculateChanges") from error


def changes_of(
    index: Journalled, type_name: str, since_state: str, max_changes: int | None, *, tell_properties: bool = False
) -> Changes:
    """The answer of a /changes method (RFC 8620 §5.2), with updatedProperties where the type has it."""
    found = change_set(index, type_name, since_state, max_changes)
    extra = {"updatedProperties": found.updated_properties} if tell_properties else {}
    return Changes(
        found.old_state, found.new_state, found.has_more, found.created, found.updated, found.destroyed, extra
    )


async def ledger_changes(ledger: Ledger, type_name: str, since_state: str, max_changes: int | None) -> Changes:
    """The answer of a /changes method for records that the gateway itself keeps."""
    try:
        found = await ledger.changes(type_name, since_state, max_changes)
    except CannotCalculateChanges as error:
        raise MethodError("cannotCalculateChanges") from error
    return Changes(found.old_state, found.new_state, found.has_more, found.created, found.updated, found.destroyed)
