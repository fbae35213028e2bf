"""SieveScript (RFC 9661 §2)."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from adapters.errors import AdapterError, Conflict, InvalidData
from adapters.ports.filtering import InvalidScript
from gateway.context import Account, Context
from gateway.jmap.arguments import Argument
from gateway.jmap.checks import Check, boolean, id_, nullable, string
from gateway.jmap.collations import sort_key
from gateway.jmap.datatype import Fetched, Query, Queryable, QueryResult, Settable
from gateway.jmap.errors import SetError, set_error
from gateway.jmap.filters import Comparator, evaluate
from gateway.jmap.properties import ID, Property, PropertyTable, Update
from gateway.objects.results import ListResult
from gateway.objects.sieve import chain
from gateway.objects.sieve.blobs import content_of
from gateway.objects.sieve.capability import MAX_NAME, SIEVE, scripts_of
from gateway.objects.sieve.states import of_scripts
from gateway.sync.scripts import Script, Scripts

_REFUSED: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")  # RFC 9661 §2.1


def script_name(value: Any) -> str | None:
    """A name that RFC 9661 §2.1 allows."""
    if wrong := string(value):
        return wrong
    if not value or len(value.encode()) > MAX_NAME:
        return f"must have between 1 and {MAX_NAME} octets"
    return "must not hold control characters" if _REFUSED.search(value) else None


class SieveScriptType(Settable, Queryable):
    """The hooks of the standard methods for SieveScript. `activation` makes SieveScript/set of them."""

    name = "SieveScript"
    capability = SIEVE
    methods = ("get", "query")
    properties = PropertyTable(
        [
            ID,
            Property("name", nullable(script_name), default=None),
            Property("blobId", id_),
            Property("isActive", boolean, server_set=True),
        ]
    )
    filter_conditions: Mapping[str, Check] = {"name": string, "isActive": boolean}
    sort_properties: Mapping[str, tuple[Argument, ...]] = {"name": (), "isActive": ()}

    async def state(self, context: Context, account: Account) -> str:
        """A digest of all scripts."""
        return of_scripts(await scripts_of(account).all())

    async def get(
        self,
        context: Context,
        account: Account,
        ids: list[str] | None,
        properties: tuple[str, ...],
        arguments: Mapping[str, Any],
    ) -> Fetched:
        """SieveScript/get (RFC 9661 §2.3)."""
        scripts = {script.id: script for script in await scripts_of(account).all()}
        wanted = list(scripts) if ids is None else ids
        found = [_to_json(scripts[script_id], properties) for script_id in wanted if script_id in scripts]
        return Fetched(found, [script_id for script_id in wanted if script_id not in scripts])

    async def create(
        self, context: Context, account: Account, records: Mapping[str, Mapping[str, Any]], arguments: Mapping[str, Any]
    ) -> Mapping[str, Mapping[str, Any] | SetError]:
        """SieveScript/set create (RFC 9661 §2.4)."""
        scripts = scripts_of(account)
        answers: dict[str, Mapping[str, Any] | SetError] = {}
        for key, record in records.items():
            try:
                script = await _create(context, account, scripts, record)
                answers[key] = _to_json(script, self.properties.default)
            except (SetError, AdapterError, InvalidScript) as error:
                answers[key] = _refusal(error)
        return answers

    async def update(
        self, context: Context, account: Account, updates: Mapping[str, Update], arguments: Mapping[str, Any]
    ) -> Mapping[str, Mapping[str, Any] | SetError | None]:
        """SieveScript/set update (RFC 9661 §2.4)."""
        scripts = scripts_of(account)
        answers: dict[str, Mapping[str, Any] | SetError | None] = {}
        for script_id, update in updates.items():
            try:
                await _update(context, account, scripts, update)
            except (SetError, AdapterError, InvalidScript) as error:
                answers[script_id] = _refusal(error)
        done = updates.keys() - answers.keys()
        stored = {script.id: script for script in await scripts.all()} if done else {}
        for script_id in done & stored.keys():
            values, asked = _to_json(stored[script_id], ("name", "blobId")), updates[script_id].patched
            answers[script_id] = {name: value for name, value in values.items() if asked.get(name, value) != value}
        return answers

    async def destroy(
        self, context: Context, account: Account, ids: Sequence[str], arguments: Mapping[str, Any]
    ) -> Mapping[str, SetError]:
        """SieveScript/set destroy (RFC 9661 §2.4)."""
        scripts = scripts_of(account)
        stored = {script.id: script for script in await scripts.all()}
        refused: dict[str, SetError] = {}
        for script_id in ids:
            try:
                await _destroy(scripts, stored.get(script_id))
            except (SetError, AdapterError) as error:
                refused[script_id] = _refusal(error)
        return refused

    async def query(self, context: Context, account: Account, query: Query) -> QueryResult:
        """SieveScript/query (RFC 9661 §2.5)."""
        scripts = await scripts_of(account).all()
        found = sorted((s for s in scripts if evaluate(query.filter, partial(_matches, s))), key=lambda s: s.id)
        for comparator in reversed(query.sort or (Comparator("name"),)):
            found.sort(key=_key(comparator), reverse=not comparator.is_ascending)
        return ListResult([script.id for script in found], of_scripts(scripts), can_calculate_changes=False)


async def _create(context: Context, account: Account, scripts: Scripts, record: Mapping[str, Any]) -> Script:
    """Store one script. Raises SetError, AdapterError, InvalidScript."""
    names = {script.name: script.id for script in await scripts.all()}
    name = _free_name(names) if record["name"] is None else record["name"]
    _check_name(names, name)
    await scripts.port.put(name, await content_of(context, account, record["blobId"]))
    stored = next((script for script in await scripts.all() if script.name == name), None)
    if stored is None:
        raise SetError("serverFail", "The script was stored and is not there any more.")
    return stored


async def _update(context: Context, account: Account, scripts: Scripts, update: Update) -> None:
    """Change one script. Raises SetError, AdapterError, InvalidScript."""
    stored = await scripts.all()
    script = next((script for script in stored if script.id == update.id), None)
    if script is None:
        raise SetError("notFound")
    if chain.is_vacation(script):  # RFC 9661 §4
        raise _vacation_only()
    name = update.patched.get("name") or script.name
    content = None
    if "blobId" in update.changed:
        content = await content_of(context, account, update.patched["blobId"])
        await scripts.port.check(content)  # before anything is changed
    if name != script.name:
        _check_name({other.name: other.id for other in stored}, name)
        await scripts.rename(script, name)
        await chain.renamed(scripts, chain.find(stored), script.name, name)
    if content is not None:
        await scripts.port.put(name, content)


async def _destroy(scripts: Scripts, script: Script | None) -> None:
    if script is None:
        raise SetError("notFound")
    if chain.is_vacation(script):
        raise _vacation_only()
    if script.is_active:
        raise SetError("sieveIsActive")
    try:
        await scripts.port.delete(script.name)
    except Conflict as error:  # made active meanwhile
        raise SetError("sieveIsActive") from error


def _vacation_only() -> SetError:
    return SetError("forbidden", "This script is changed by VacationResponse/set only.")


def _check_name(names: Mapping[str, str], name: str) -> None:
    if name == chain.NAME:
        raise SetError("invalidProperties", "This name belongs to the vacation response.", ["name"])
    if name in names:  # RFC 9661 §2.4
        raise SetError("alreadyExists", existingId=names[name])


def _free_name(names: Mapping[str, str]) -> str:
    """The name of a script that was given none (RFC 9661 §2.1: server dependent)."""
    number = 1
    while (name := f"script {number}") in names:
        number += 1
    return name


def _refusal(error: SetError | AdapterError | InvalidScript) -> SetError:
    if isinstance(error, SetError):
        return error
    if isinstance(error, InvalidScript):  # RFC 9661 §2.4: with the line number, as the server says it
        return SetError("invalidSieve", str(error))
    if isinstance(error, InvalidData):
        return SetError("invalidProperties", "The server does not take this name.", ["name"])
    return set_error(error) or SetError("serverFail")


def _to_json(script: Script, properties: Sequence[str]) -> dict[str, Any]:
    values = {"id": script.id, "name": script.name, "blobId": script.blob_id, "isActive": script.is_active}
    return {name: values[name] for name in properties}


def _matches(script: Script, condition: Mapping[str, Any]) -> bool:
    name, is_active = condition.get("name"), condition.get("isActive")
    fits = name is None or name.casefold() in script.name.casefold()
    return fits and is_active in (None, script.is_active)


def _key(comparator: Comparator) -> Callable[[Script], Any]:
    if comparator.property == "isActive":
        return lambda script: script.is_active
    collate = sort_key(comparator.collation)
    return lambda script: collate(script.name)
