"""What /set and /copy share."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from adapters.errors import AdapterError
from gateway.jmap.context import CallContext
from gateway.jmap.errors import MethodError, SetError, set_error
from gateway.jmap.properties import Lookup, PropertyTable, UnknownReference

_log = logging.getLogger(__name__)


def require_state(wanted: str | None, state: str) -> None:
    """Raises MethodError("stateMismatch") if a client makes its call depend on another state (RFC 8620 §5.3)."""
    if wanted is not None and wanted != state:
        raise MethodError("stateMismatch")


def lookup_in(context: CallContext) -> Lookup:
    """Finds the ids of the records that this request created."""

    def lookup(creation_id: str) -> str:
        try:
            return context.created_ids[creation_id]
        except KeyError:
            raise UnknownReference from None

    return lookup


def creation_ids(table: PropertyTable, record: Mapping[str, Any]) -> set[str]:
    """The creation ids that a record mentions."""
    found: set[str] = set()

    def note(creation_id: str) -> str:
        found.add(creation_id)
        return creation_id

    table.resolve(record, note)
    return found


def refusals(error: AdapterError, keys: Iterable[str]) -> dict[str, SetError]:
    """The SetError of an adapter's error, for every record of the call. Raises what is not the client's to know."""
    refusal = set_error(error)
    if refusal is None:
        raise error
    _log.warning("a backend refused to write: %s: %s", type(error).__name__, error)
    return dict.fromkeys(keys, refusal)


@contextmanager
def after_writing(changed: bool) -> Iterator[None]:
    """What fails once records were changed is serverPartialFail: the client MUST resynchronise (RFC 8620 §3.6.2)."""
    try:
        yield
    except AdapterError as error:
        if not changed:
            raise
        _log.warning("a backend failed after writing: %s: %s", type(error).__name__, error)
        raise MethodError("serverPartialFail", "The changes were made; their outcome cannot be read.") from None
