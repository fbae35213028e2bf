"""PROPPATCH, one property refused not spoiling the others."""

from collections.abc import Mapping

from adapters.dav.bodies import Element, element, proppatch
from adapters.dav.connection import DavConnection
from adapters.dav.quirks import Quirks


async def write(
    connection: DavConnection, path: str, values: Mapping[str, Element | None], quirks: Quirks
) -> frozenset[str]:
    """Write properties (Clark name -> the new element, None to remove); answers those that the server refused.

    Raises NotFound, Forbidden (nothing may be written here), Unavailable, AuthFailed.
    """
    refused = set(values.keys() & quirks.loses)
    values = {name: value for name, value in values.items() if name not in refused}
    if quirks.no_remove:
        values = {name: element(name) if value is None else value for name, value in values.items()}
    if quirks.all_or_nothing:
        portions = [{name: value} for name, value in values.items()]
    else:
        portions = [dict(values)] if values else []
    while portions:
        portion = portions.pop()
        statuses = await _patch(connection, path, portion)
        failed = {name for name, status in statuses.items() if status >= 300 and status != 424}
        # RFC 4918 §9.2.1: 424 is what would have gone well, had it not been for another one.
        held_back = {name: portion[name] for name, status in statuses.items() if status == 424 and name in portion}
        refused |= failed
        if held_back and failed:
            portions.append(held_back)
        else:
            refused |= held_back.keys()
    return frozenset(refused)


async def _patch(connection: DavConnection, path: str, values: Mapping[str, Element | None]) -> dict[str, int]:
    statuses: dict[str, int] = {}
    async for entry in connection.multistatus("PROPPATCH", path, proppatch(values)):
        whole = entry.status or 200
        statuses |= {name: entry.refused.get(name, whole) for name in values}
    return statuses
