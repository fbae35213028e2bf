"""SieveScript/set with its two further arguments, and SieveScript/validate (RFC 9661 §2.4, §2.6)."""

from collections.abc import Mapping
from typing import Any, Final

from adapters.formats.vacation_script import Vacation
from adapters.ports.filtering import InvalidScript
from gateway.context import Account, Context
from gateway.jmap.arguments import Argument
from gateway.jmap.checks import boolean, id_, nullable, string
from gateway.jmap.errors import MethodError, SetError
from gateway.jmap.methods import Answer, Method
from gateway.jmap.standard import set as standard_set
from gateway.jmap.standard.common import after_writing
from gateway.objects.sieve import chain
from gateway.objects.sieve.blobs import content_of
from gateway.objects.sieve.capability import SIEVE, scripts_of
from gateway.objects.sieve.sieve_script import SieveScriptType
from gateway.sync.scripts import Script, Scripts

_TYPE: Final = SieveScriptType()
_PLAIN_SET: Final = standard_set.method(_TYPE)
_FAILED: Final = ("notCreated", "notUpdated", "notDestroyed")
_DONE: Final = ("created", "updated", "destroyed")


async def set_scripts(context: Context, account: Account, arguments: Mapping[str, Any]) -> Answer:
    """The standard /set; then, if everything succeeded, what onSuccess… asks for."""
    answer = await _PLAIN_SET.handler(context, account, arguments)
    outcome = answer.arguments
    if any(outcome[member] for member in _FAILED):
        return answer
    target, deactivate = arguments["onSuccessActivateScript"], arguments["onSuccessDeactivateScript"]
    if target is None and not deactivate:
        return answer
    scripts = scripts_of(account)
    changed = any(outcome[member] for member in _DONE)
    with after_writing(changed):
        before = await scripts.all()
        try:
            await _switch(scripts, before, _wanted(context, before, target), deactivate=deactivate)
        except SetError as error:  # the vacation response cannot be switched on
            kind = "serverPartialFail" if changed or deactivate else "forbidden"
            raise MethodError(kind, error.description) from error
        after = await scripts.all()
        _report(outcome, before, after)
        outcome["newState"] = await _TYPE.state(context, account)
    return answer


def _wanted(context: Context, scripts: list[Script], target: str | None) -> Script | None:
    """The script to activate; None for an id that is invalid or unknown, which is ignored (RFC 9661 §2.4)."""
    if target is None:
        return None
    script_id = context.created_ids.get(target[1:]) if target.startswith("#") else target
    return next((script for script in scripts if script.id == script_id), None)


async def _switch(scripts: Scripts, before: list[Script], target: Script | None, *, deactivate: bool) -> None:
    """Deactivate first, then activate (RFC 9661 §2.4); the server does the first by the second.

    Raises SetError, adapters.errors.
    """
    if target is None:
        if deactivate:
            await scripts.port.activate(None)
    elif chain.is_vacation(target):
        found = chain.find(before)
        if deactivate and not found.is_enabled:
            await scripts.port.activate(None)
            found = chain.find(await scripts.all())
        await chain.enable(scripts, found, found.settings or Vacation())
    elif not target.is_active:
        await scripts.port.activate(target.name)


def _report(outcome: dict[str, Any], before: list[Script], after: list[Script]) -> None:
    """Tell which scripts became active or inactive (RFC 9661 §2.4: MUST), in `created` or in `updated`."""
    was = {script.id: script.is_active for script in before}
    made = {record["id"]: key for key, record in (outcome["created"] or {}).items()}
    updated = dict(outcome["updated"] or {})
    for script in after:
        if script.is_active == was.get(script.id):
            continue
        if script.id in made:
            outcome["created"][made[script.id]] |= {"isActive": script.is_active}
        else:
            updated[script.id] = (updated.get(script.id) or {}) | {"isActive": script.is_active}
    outcome["updated"] = updated or None


async def validate(context: Context, account: Account, arguments: Mapping[str, Any]) -> Answer:
    """Have the server check a script without storing it."""
    error: SetError | None = None
    try:
        content = await content_of(context, account, arguments["blobId"])
        await scripts_of(account).port.check(content)
    except SetError as refused:
        if refused.type == "blobNotFound":
            raise MethodError("invalidArguments", "There is no such blob.") from refused
        error = refused
    except InvalidScript as refused:
        error = SetError("invalidSieve", str(refused))
    return Answer({"accountId": arguments["accountId"], "error": None if error is None else error.to_json()})


SET: Final = Method(
    "SieveScript/set",
    SIEVE,
    (
        *_PLAIN_SET.arguments,
        Argument("onSuccessActivateScript", nullable(string), None),
        Argument("onSuccessDeactivateScript", nullable(boolean), False),
    ),
    set_scripts,
    writes=True,
)
VALIDATE: Final = Method("SieveScript/validate", SIEVE, (Argument("blobId", id_),), validate)
