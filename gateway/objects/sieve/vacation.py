"""VacationResponse (RFC 8621 §8)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from gateway.context import Account, Context
from gateway.jmap.checks import boolean, nullable, string, utc_date
from gateway.jmap.datatype import Fetched, Settable
from gateway.jmap.errors import SetError
from gateway.jmap.properties import ID, Property, PropertyTable, Update
from gateway.objects.sieve import chain
from gateway.objects.sieve.capability import VACATION, scripts_of
from gateway.objects.sieve.states import FIELDS, SINGLETON, of_vacation, vacation


def text(value: Any) -> str | None:
    """A String that a Sieve script can hold (RFC 5228 §2.1)."""
    return string(value) or ("must not hold NUL" if "\x00" in value else None)


def subject(value: Any) -> str | None:
    """A text of one line: it becomes a header field."""
    wrong = text(value)
    if wrong is None and any(char in value for char in "\r\n"):
        return "must be one line"
    return wrong


class VacationResponseType(Settable):
    """The hooks of the standard methods for VacationResponse."""

    name = "VacationResponse"
    capability = VACATION
    methods = ("get", "set")
    singleton = True
    properties = PropertyTable(
        [
            ID,
            Property("isEnabled", boolean, default=False),
            Property("fromDate", nullable(utc_date), default=None),
            Property("toDate", nullable(utc_date), default=None),
            Property("subject", nullable(subject), default=None),
            Property("textBody", nullable(text), default=None),
            Property("htmlBody", nullable(text), default=None),
        ]
    )

    async def state(self, context: Context, account: Account) -> str:
        """A digest of the settings."""
        return of_vacation(await scripts_of(account).all())

    async def get(
        self,
        context: Context,
        account: Account,
        ids: list[str] | None,
        properties: tuple[str, ...],
        arguments: Mapping[str, Any],
    ) -> Fetched:
        """VacationResponse/get (RFC 8621 §8.1)."""
        values = vacation(chain.find(await scripts_of(account).all()))
        shown = {name: values[name] for name in properties}
        unknown = [other for other in ids or () if other != SINGLETON]
        return Fetched([shown] if ids is None or SINGLETON in ids else [], unknown)

    async def create(
        self, context: Context, account: Account, records: Mapping[str, Mapping[str, Any]], arguments: Mapping[str, Any]
    ) -> Mapping[str, Mapping[str, Any] | SetError]:
        """Never called: there is one, always."""
        return dict.fromkeys(records, SetError("singleton"))

    async def update(
        self, context: Context, account: Account, updates: Mapping[str, Update], arguments: Mapping[str, Any]
    ) -> Mapping[str, Mapping[str, Any] | SetError | None]:
        """VacationResponse/set update (RFC 8621 §8.2)."""
        scripts = scripts_of(account)
        found = chain.find(await scripts.all())
        if found.settings is None:
            refusal = SetError("forbidden", f"A script that the gateway did not write is named {chain.NAME!r}.")
            return dict.fromkeys(updates, refusal)
        (update,) = updates.values()  # the singleton
        values = {FIELDS[name]: value for name, value in update.patched.items() if name in FIELDS}
        settings = replace(found.settings, **values)
        try:
            if update.patched.get("isEnabled", found.is_enabled):
                await chain.enable(scripts, found, settings)
            else:
                await chain.disable(scripts, found, settings)
        except SetError as error:
            return {update.id: error}
        return {}

    async def destroy(
        self, context: Context, account: Account, ids: Sequence[str], arguments: Mapping[str, Any]
    ) -> Mapping[str, SetError]:
        """Never called: there is one, always."""
        return dict.fromkeys(ids, SetError("singleton"))
