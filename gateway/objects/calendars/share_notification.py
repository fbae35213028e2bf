"""ShareNotification: properties and the hooks of the standard methods (RFC 9670 §3).

What others share with the user are calendars in the home that he sees; a change of rights is found by the next pass.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

from gateway.context import Account, Context
from gateway.jmap.checks import id_, nullable, string, utc_date
from gateway.jmap.datatype import Fetched
from gateway.jmap.filters import Filter
from gateway.jmap.properties import ID, PropertyTable
from gateway.objects.calendars.calendar_view import rights
from gateway.objects.calendars.capability import calendars_of, calendars_open
from gateway.objects.calendars.notifications import NotificationType, told
from gateway.objects.collections import titled
from gateway.sync.calendars.account import CalendarAccount
from gateway.sync.calendars.index import Ids
from gateway.sync.calendars.people import people
from gateway.sync.calendars.shares import SHARE
from gateway.sync.ledger import Record

PRINCIPALS: Final = "urn:ietf:params:jmap:principals"


class ShareNotificationType(NotificationType):
    """The hooks of the standard methods for ShareNotification."""

    name = SHARE
    capability = PRINCIPALS
    properties = PropertyTable(
        [
            ID,
            *map(told, ("created", "changedBy", "objectType", "objectAccountId", "objectId")),
            *map(told, ("oldRights", "newRights", "name")),
        ]
    )
    filter_conditions: Mapping[str, Any] = {
        "after": nullable(utc_date),
        "before": nullable(utc_date),
        "objectType": string,
        "objectAccountId": id_,
    }

    async def get(
        self,
        context: Context,
        account: Account,
        ids: list[str] | None,
        properties: tuple[str, ...],
        arguments: Mapping[str, Any],
    ) -> Fetched:
        """ShareNotification/get (RFC 9670 §3.1)."""
        calendars = await calendars_of(context, account)
        notes = await calendars.ledger.read(SHARE)
        wanted = [key for key in (notes if ids is None else ids) if key in notes]
        owners = await _owners(account, calendars) if wanted and "changedBy" in properties else {}
        sharing = calendars.facts.sharing
        records = [_shown(calendars, notes[key], owners, sharing=sharing) for key in wanted]
        found = [{name: record[name] for name in properties} for record in records]
        return Fetched(found, [key for key in ids or () if key not in notes])

    def matches(self, account: Account, note: Record, condition: Filter) -> bool:
        """See NotificationType (RFC 9670 §3.4.1)."""
        theirs = calendars_open(account).whose.account_of(note["owner"])
        return (condition.get("objectType", "Calendar"), condition.get("objectAccountId", theirs)) == (
            "Calendar",
            theirs,
        )


def _shown(
    calendars: CalendarAccount, note: Record, owners: Mapping[str, Mapping[str, Any]], *, sharing: bool
) -> dict[str, Any]:
    theirs = calendars.whose.account_of(note["owner"])
    last = unquote(note["owner"].rstrip("/").rpartition("/")[2])
    return {
        "id": note["id"],
        "created": note["created"],
        "changedBy": owners.get(note["owner"]) or {"name": last, "email": None, "principalId": None},
        "objectType": "Calendar",
        "objectAccountId": theirs,
        "objectId": Ids(theirs).calendar(note["path"]),
        **{
            name: None if told is None else rights(told, shared=True, sharing=sharing)
            for name, told in (("oldRights", note["before"]), ("newRights", note["after"]))
        },
        "name": titled(note["name"], note["path"], "Calendar"),
    }


async def _owners(account: Account, calendars: CalendarAccount) -> dict[str, dict[str, Any]]:
    """Entities by the path of their principal, as far as the server knows them. Raises adapters.errors."""
    known = await people(calendars, account.name, account.own_address)
    return {
        person.principal.path: {"name": person.principal.name, "email": person.email, "principalId": person.id}
        for person in known
    }
