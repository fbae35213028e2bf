"""Identity (RFC 8621 §6): the login's own, which is always there, and those that clients make."""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final

from adapters.formats.smtp_path import is_address
from gateway.context import Account, Context
from gateway.jmap.checks import array_of, boolean, nullable, record, string
from gateway.jmap.datatype import Changeable, Changes, Fetched, Settable
from gateway.jmap.errors import SetError
from gateway.jmap.properties import ID, Property, PropertyTable, Update
from gateway.objects.results import fetched
from gateway.objects.submission.capability import SUBMISSION, changes_of, outbox_of
from gateway.sync import ids as id_texts
from gateway.sync.ledger import Edit, Record
from gateway.sync.outbox import IDENTITY, Outbox

_ADDRESSES: Final = nullable(array_of(record({"name": nullable(string), "email": string}, frozenset({"email"}))))

PROPERTIES: Final = PropertyTable(
    [
        ID,
        Property("name", string, default=""),
        Property("email", string, immutable=True),
        Property("replyTo", _ADDRESSES, default=None),
        Property("bcc", _ADDRESSES, default=None),
        Property("textSignature", string, default=""),
        Property("htmlSignature", string, default=""),
        Property("mayDelete", boolean, server_set=True),
    ]
)
MOST: Final = 100
"""Identities of one account."""


async def identities(box: Outbox) -> dict[str, Record]:
    """All Identities by id, the login's own first; what was changed of it is stored under its id."""
    stored = await box.ledger.read(IDENTITY)
    if box.senders.own is None:
        return stored
    own = _own(box.senders.own)
    return {own["id"]: own | stored.pop(own["id"], {}) | {"email": own["email"], "mayDelete": False}} | stored


def _own(email: str) -> Record:
    digest = hashlib.sha256(f"identity\0{email}".encode()).digest()[: id_texts.DIGEST_SIZE]
    return {
        "id": id_texts.to_text("i", digest),
        "name": "",
        "email": email,
        "replyTo": None,
        "bcc": None,
        "textSignature": "",
        "htmlSignature": "",
        "mayDelete": False,
    }


class IdentityType(Settable, Changeable):
    """The hooks of the standard methods for Identity."""

    name = IDENTITY
    capability = SUBMISSION
    methods = ("get", "changes", "set")
    properties = PROPERTIES

    async def state(self, context: Context, account: Account) -> str:
        """The state of all Identities."""
        return await outbox_of(account).ledger.state(IDENTITY)

    async def get(
        self,
        context: Context,
        account: Account,
        ids: list[str] | None,
        properties: tuple[str, ...],
        arguments: Mapping[str, Any],
    ) -> Fetched:
        """Identity/get (RFC 8621 §6.1)."""
        return fetched(await identities(outbox_of(account)), ids, properties)

    async def changes(self, context: Context, account: Account, since_state: str, max_changes: int | None) -> Changes:
        """Identity/changes (RFC 8621 §6.2)."""
        return await changes_of(outbox_of(account), IDENTITY, since_state, max_changes)

    async def create(
        self, context: Context, account: Account, records: Mapping[str, Mapping[str, Any]], arguments: Mapping[str, Any]
    ) -> Mapping[str, Mapping[str, Any] | SetError]:
        """Identity/set create (RFC 8621 §6.3)."""
        box = outbox_of(account)
        answers: dict[str, Mapping[str, Any] | SetError] = {}
        edit, room = Edit(), MOST - len(await identities(box))
        for key, wanted in records.items():
            refused = _refusal(box, wanted["email"])
            if refused is None and len(edit.put.get(IDENTITY, {})) >= room:
                refused = SetError("overQuota", f"there can be {MOST} Identities")
            if refused is not None:
                answers[key] = refused
                continue
            new_id = id_texts.to_text("i", secrets.token_bytes(id_texts.DIGEST_SIZE))
            edit.write(IDENTITY, {**wanted, "id": new_id, "mayDelete": True})
            answers[key] = {"id": new_id, "mayDelete": True}
        await box.ledger.commit(lambda _: edit, [IDENTITY])
        return answers

    async def update(
        self, context: Context, account: Account, updates: Mapping[str, Update], arguments: Mapping[str, Any]
    ) -> Mapping[str, Mapping[str, Any] | SetError | None]:
        """Identity/set update (RFC 8621 §6.3)."""
        box = outbox_of(account)
        own = {} if box.senders.own is None else _own(box.senders.own)

        def edit(before: Mapping[str, Mapping[str, Record]]) -> Edit:
            made = Edit(known={own["id"]} if own else set())
            for key, update in updates.items():
                current = before[IDENTITY].get(key) or (own if own.get("id") == key else None)
                if current is not None:
                    made.write(IDENTITY, {**current, **update.patched})
            return made

        await box.ledger.commit(edit, [IDENTITY])
        return {}

    async def destroy(
        self, context: Context, account: Account, ids: Sequence[str], arguments: Mapping[str, Any]
    ) -> Mapping[str, SetError]:
        """Identity/set destroy; the login's own stays (RFC 8621 §6, mayDelete)."""
        box = outbox_of(account)
        found = await identities(box)
        refused = {key: SetError("notFound") for key in ids if key not in found}
        refused |= {key: SetError("forbidden") for key in ids if key in found and not found[key]["mayDelete"]}

        def edit(before: Mapping[str, Mapping[str, Record]]) -> Edit:
            return Edit(remove={IDENTITY: [key for key in ids if key not in refused and key in before[IDENTITY]]})

        await box.ledger.commit(edit, [IDENTITY])
        return refused


def _refusal(box: Outbox, email: str) -> SetError | None:
    plain = email.removeprefix("*")
    if not is_address(email) and not (plain.startswith("@") and is_address(f"x{plain}")):
        return SetError("invalidProperties", "email is no address", ["email"])
    if not box.senders.allow(email):  # RFC 8621 §6.3
        return SetError("forbiddenFrom", "this login may not send from this address")
    return None
