"""/set with onSuccessSetIsDefault: Calendar, ParticipantIdentity (-29 §4.3, §3.3), AddressBook (RFC 9610 §2.3)."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from gateway.context import Account, Context
from gateway.jmap.arguments import Argument
from gateway.jmap.checks import id_or_reference, nullable
from gateway.jmap.datatype import Settable
from gateway.jmap.methods import Answer, Method
from gateway.jmap.standard import set as standard_set
from gateway.jmap.standard.common import after_writing

_FAILED: Final = ("notCreated", "notUpdated", "notDestroyed")
_DONE: Final = ("created", "updated", "destroyed")

Current = Callable[[Context, Account], Awaitable[str | None]]
"""The id of the default record."""
Choose = Callable[[Context, Account, str], Awaitable[None]]
"""Make a record the default; does nothing where there is none of this id, or where it cannot be."""


def method(data_type: Settable, current: Current, choose: Choose) -> Method:
    """The standard /set; then, if everything succeeded, the new default."""
    plain = standard_set.method(data_type)

    async def handler(context: Context, account: Account, arguments: Mapping[str, Any]) -> Answer:
        answer = await plain.handler(context, account, arguments)
        outcome, wanted = answer.arguments, arguments["onSuccessSetIsDefault"]
        if wanted is None or any(outcome[member] for member in _FAILED):
            return answer
        chosen = context.created_ids.get(wanted[1:]) if wanted.startswith("#") else wanted
        if chosen is None:  # -29 §3.3, §4.3, RFC 9610 §2.3: MUST be ignored
            return answer
        with after_writing(any(outcome[member] for member in _DONE)):
            before = await current(context, account)
            await choose(context, account, chosen)
            after = await current(context, account)
            for changed in {before, after} - {None} if before != after else ():
                _report(outcome, str(changed), is_default=changed == after)
            outcome["newState"] = await data_type.state(context, account)
        return answer

    declared = (*plain.arguments, Argument("onSuccessSetIsDefault", nullable(id_or_reference), None))
    return Method(plain.name, plain.capability, declared, handler, writes=True)


def _report(outcome: dict[str, Any], record_id: str, *, is_default: bool) -> None:
    """Tell which record became the default or ceased to be it, in `created` or in `updated`."""
    for record in (outcome["created"] or {}).values():
        if record["id"] == record_id:
            record["isDefault"] = is_default
            return
    updated = dict(outcome["updated"] or {})
    updated[record_id] = (updated.get(record_id) or {}) | {"isDefault": is_default}
    outcome["updated"] = updated
