"""ParticipantIdentity (draft-ietf-jmap-calendars-29 §3): the user's calendar addresses, and what was said of them.

There is one for each address that the server tells of the user, else one for the login's own address. Another address
cannot be claimed, so none is made or destroyed.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from gateway.context import Account, Context
from gateway.jmap.checks import anything, string
from gateway.jmap.datatype import Changeable, Changes, Fetched, Settable
from gateway.jmap.errors import SetError
from gateway.jmap.properties import ID, Property, PropertyTable, Update
from gateway.objects.calendars.addresses import Addresses
from gateway.objects.calendars.capability import CALENDARS, calendars_open, own_addresses
from gateway.objects.changes import ledger_changes
from gateway.objects.json_types import uri
from gateway.objects.results import fetched
from gateway.sync import ids as id_texts
from gateway.sync.calendars.account import CalendarAccount
from gateway.sync.calendars.index import IDENTITY
from gateway.sync.ledger import Edit, Record

_FIXED: Final = SetError("forbidden", "The calendar addresses of a user are those that the server knows.")


async def identities(account: Account, calendars: CalendarAccount) -> dict[str, Record]:
    """All ParticipantIdentities by id."""
    stored = await calendars.ledger.read(IDENTITY)
    name = calendars.facts.display_name or ""
    found = {}
    for address in own_addresses(account, calendars).all:
        record = _derived(address, "" if name and name in address else name)
        found[record["id"]] = record | stored.get(record["id"], {})
    chosen = [key for key, record in found.items() if record.get("isDefault")]
    default = next(iter([*chosen, *found]), None)
    return {key: record | {"isDefault": key == default} for key, record in found.items()}


def _derived(address: str, name: str) -> Record:
    digest = hashlib.sha256(f"participant\0{address.lower()}".encode()).digest()[: id_texts.DIGEST_SIZE]
    return {"id": id_texts.to_text("p", digest), "name": name, "calendarAddress": address}


async def preferred_first(account: Account, calendars: CalendarAccount) -> Addresses:
    """The user's addresses, the default identity's first."""
    found = await identities(account, calendars)
    ordered = sorted(found.values(), key=lambda record: not record["isDefault"])
    return Addresses(tuple(record["calendarAddress"] for record in ordered))


async def make_default(account: Account, calendars: CalendarAccount, identity_id: str) -> None:
    """Let an identity be the default one. Raises Unavailable."""
    known = await identities(account, calendars)

    def edit(before: Mapping[str, Mapping[str, Record]]) -> Edit:
        made = Edit(known=set(known))
        for key, record in known.items():
            if record["isDefault"] != (key == identity_id):
                stored = before[IDENTITY].get(key, {name: record[name] for name in ("id", "name", "calendarAddress")})
                made.write(IDENTITY, {**stored, "isDefault": key == identity_id})
        return made

    await calendars.ledger.commit(edit, [IDENTITY])


class ParticipantIdentityType(Settable, Changeable):
    """The hooks of the standard methods for ParticipantIdentity; its /set stands in `defaults`."""

    name = IDENTITY
    capability = CALENDARS
    methods = ("get", "changes")
    properties = PropertyTable(
        [
            ID,
            Property("name", string, default=""),
            Property("calendarAddress", uri),
            Property("isDefault", anything, server_set=True),
        ]
    )

    async def state(self, context: Context, account: Account) -> str:
        """The state of all ParticipantIdentities."""
        return await calendars_open(account).ledger.state(IDENTITY)

    async def get(
        self,
        context: Context,
        account: Account,
        ids: list[str] | None,
        properties: tuple[str, ...],
        arguments: Mapping[str, Any],
    ) -> Fetched:
        """ParticipantIdentity/get (-29 §3.1)."""
        return fetched(await identities(account, calendars_open(account)), ids, properties)

    async def changes(self, context: Context, account: Account, since_state: str, max_changes: int | None) -> Changes:
        """ParticipantIdentity/changes (-29 §3.2)."""
        return await ledger_changes(calendars_open(account).ledger, IDENTITY, since_state, max_changes)

    async def create(
        self, context: Context, account: Account, records: Mapping[str, Mapping[str, Any]], arguments: Mapping[str, Any]
    ) -> Mapping[str, Mapping[str, Any] | SetError]:
        """ParticipantIdentity/set create: the server MAY restrict the addresses (-29 §3.3)."""
        return dict.fromkeys(records, _FIXED)

    async def update(
        self, context: Context, account: Account, updates: Mapping[str, Update], arguments: Mapping[str, Any]
    ) -> Mapping[str, Mapping[str, Any] | SetError | None]:
        """ParticipantIdentity/set update: the name."""
        calendars = calendars_open(account)
        known = await identities(account, calendars)
        refused = {key: _FIXED for key, update in updates.items() if "calendarAddress" in update.changed}

        def edit(before: Mapping[str, Mapping[str, Record]]) -> Edit:
            made = Edit(known=set(known))
            for key, update in updates.items():
                if key in known and key not in refused:
                    record = before[IDENTITY].get(key) or {"id": key}
                    made.write(IDENTITY, {**record, "name": update.patched["name"]})
            return made

        await calendars.ledger.commit(edit, [IDENTITY])
        return refused

    async def destroy(
        self, context: Context, account: Account, ids: Sequence[str], arguments: Mapping[str, Any]
    ) -> Mapping[str, SetError]:
        """ParticipantIdentity/set destroy: none goes."""
        known = await identities(account, calendars_open(account))
        return {key: _FIXED if key in known else SetError("notFound") for key in ids}
