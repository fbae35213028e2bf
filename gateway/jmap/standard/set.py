"""Foo/set (RFC 8620 §5.3): create, then update, then destroy, each record accepted or refused by itself."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final

import orjson

from adapters.errors import AdapterError
from gateway.jmap import patch as patches
from gateway.jmap.arguments import Argument
from gateway.jmap.checks import array_of, id_, id_or_reference, map_of, nullable, object_, string
from gateway.jmap.context import CallContext
from gateway.jmap.datatype import SetResult, Settable
from gateway.jmap.errors import MethodError, SetError
from gateway.jmap.fragments import plain
from gateway.jmap.methods import Answer, Method
from gateway.jmap.patch import Patch
from gateway.jmap.properties import Update
from gateway.jmap.standard.common import after_writing, creation_ids, lookup_in, refusals, require_state

_IF_IN_STATE: Final = Argument("ifInState", nullable(string), None)
_ARGUMENTS: Final = (
    Argument("create", nullable(map_of(id_, object_)), None),
    Argument("update", nullable(map_of(id_or_reference, object_)), None),
    Argument("destroy", nullable(array_of(id_or_reference)), None),
)


def method(data_type: Settable) -> Method:
    """Foo/set of the type."""

    async def handler(context: CallContext, account: Any, arguments: Mapping[str, Any]) -> Answer:
        return await _set(data_type, context, account, arguments)

    declared = (*_ARGUMENTS, *data_type.set_arguments)
    needs_account = not data_type.accountless
    if needs_account:
        declared = (_IF_IN_STATE, *declared)
    return Method(f"{data_type.name}/set", data_type.capability, declared, handler, needs_account, writes=True)


@dataclass(slots=True)
class _Run:
    """One /set under way: where it works and what has come out so far."""

    data_type: Settable
    context: CallContext
    account: Any
    arguments: Mapping[str, Any]
    creating: Mapping[str, Any] = field(default_factory=dict)
    created: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    updated: dict[str, Mapping[str, Any] | None] = field(default_factory=dict)
    destroyed: list[str] = field(default_factory=list)
    not_created: dict[str, SetError] = field(default_factory=dict)
    not_updated: dict[str, SetError] = field(default_factory=dict)
    not_destroyed: dict[str, SetError] = field(default_factory=dict)


async def _set(data_type: Settable, context: CallContext, account: Any, arguments: Mapping[str, Any]) -> Answer:
    create, update = arguments["create"] or {}, arguments["update"] or {}
    destroy = dict.fromkeys(arguments["destroy"] or [])
    if len(create) + len(update) + len(destroy) > context.limits.max_objects_in_set:
        raise MethodError("requestTooLarge", f"more than {context.limits.max_objects_in_set} records")
    old_state = await data_type.state(context, account)
    require_state(arguments.get("ifInState"), old_state)
    own = {argument.name: arguments[argument.name] for argument in data_type.set_arguments}
    run = _Run(data_type, context, account, own)
    if data_type.replaces:
        run.creating = {"destroy": frozenset(destroy)}
    await _create_all(run, create)
    doomed = _found(run, destroy, run.not_destroyed)
    await _update_all(run, update, doomed)
    await _destroy_all(run, list(doomed))
    result = SetResult(
        {key: str(record["id"]) for key, record in run.created.items()}, list(run.updated), run.destroyed
    )
    with after_writing(bool(result.created or result.updated or result.destroyed)):
        then = await data_type.after_set(context, account, result, own)
        new_state = await data_type.state(context, account)
    if data_type.accountless:
        return Answer(_outcome(run), then)
    answer = {"accountId": arguments["accountId"], "oldState": old_state, "newState": new_state}
    return Answer(answer | _outcome(run), then)


def _outcome(run: _Run) -> dict[str, Any]:
    """The members of the response that tell what was done; null where nothing was."""
    return {
        "created": run.created or None,
        "updated": run.updated or None,
        "destroyed": run.destroyed or None,
        "notCreated": _errors(run.not_created),
        "notUpdated": _errors(run.not_updated),
        "notDestroyed": _errors(run.not_destroyed),
    }


def _errors(refused: Mapping[str, SetError]) -> dict[str, Any] | None:
    return {key: error.to_json() for key, error in refused.items()} or None


async def _create_all(run: _Run, create: Mapping[str, Mapping[str, Any]]) -> None:
    """Create in waves: a record after those of the same call whose creation ids it mentions (RFC 8620 §5.3)."""
    if run.data_type.singleton:
        run.not_created.update(dict.fromkeys(create, SetError("singleton")))
        return
    order: TopologicalSorter[str] = TopologicalSorter()
    for key, record in create.items():
        order.add(key, *(creation_ids(run.data_type.properties, record) & create.keys()))
    with suppress(CycleError):  # the sorter still gives out what does not depend on a circle
        order.prepare()
    waiting = dict(create)
    while ready := order.get_ready():
        await _create_wave(run, {key: waiting.pop(key) for key in ready})
        order.done(*ready)
    circle = SetError("invalidProperties", "refers to itself, directly or through others of this call")
    run.not_created.update(dict.fromkeys(waiting, circle))


async def _create_wave(run: _Run, wave: Mapping[str, Mapping[str, Any]]) -> None:
    table, lookup = run.data_type.properties, lookup_in(run.context)
    records: dict[str, dict[str, Any]] = {}
    defaults: dict[str, dict[str, Any]] = {}
    for key, record in wave.items():
        try:
            records[key], defaults[key] = table.complete(table.resolve(record, lookup), run.context.using)
        except SetError as error:
            run.not_created[key] = error
    if not records:
        return
    try:
        answers = await run.data_type.create(run.context, run.account, records, {**run.arguments, **run.creating})
    except AdapterError as error:
        answers = refusals(error, records)
    for key in records:
        answer = answers[key]
        if isinstance(answer, SetError):
            run.not_created[key] = answer
        else:
            # RFC 8620 §5.3: what the client did not send, set by the server or by default.
            run.created[key] = {**defaults[key], **answer}
            run.context.created_ids[key] = str(answer["id"])


def _found(run: _Run, keys: Iterable[str], missing: dict[str, SetError]) -> dict[str, str]:
    """Id -> the key it was given as (an id, or "#" and a creation id); unknown creation ids go to `missing`."""
    found: dict[str, str] = {}
    for key in keys:
        id_of = run.context.created_ids.get(key[1:]) if key.startswith("#") else key
        if id_of is None:
            missing[key] = SetError("notFound")
        else:
            found.setdefault(id_of, key)
    return found


async def _update_all(run: _Run, update: Mapping[str, Mapping[str, Any]], doomed: Mapping[str, str]) -> None:
    targets = _found(run, update, run.not_updated)
    for key in update.keys() - targets.values() - run.not_updated.keys():
        run.not_updated[key] = SetError("invalidPatch", "the same record is updated twice in this call")
    parsed: dict[str, Patch] = {}
    alike: dict[bytes, Patch] = {}  # many records are mostly changed in the same way
    for record_id, key in targets.items():
        if record_id in doomed:
            run.not_updated[record_id] = SetError("willDestroy")
            continue
        text = orjson.dumps(update[key])
        try:
            if text not in alike:
                table = run.data_type.properties
                alike[text] = patches.resolve(table, patches.parse(update[key]), lookup_in(run.context))
            parsed[record_id] = alike[text]
        except SetError as error:
            run.not_updated[record_id] = error
    if parsed:
        await _write_updates(run, await _applied(run, parsed))


async def _applied(run: _Run, parsed: Mapping[str, Patch]) -> dict[str, Update]:
    """The patches applied to the current records; what cannot be is in `run.not_updated`."""
    table = run.data_type.properties
    named = frozenset[str]().union(*(patches.names(patch) for patch in parsed.values()))
    known = table.select([name for name in sorted(named) if table.find(name) is not None])
    defaults = {argument.name: argument.default for argument in run.data_type.get_arguments}
    try:
        fetched = await run.data_type.get(run.context, run.account, list(parsed), known, defaults)
    except AdapterError as error:
        run.not_updated.update(refusals(error, parsed))
        return {}
    records = {record["id"]: record for record in map(plain, fetched.list)}
    applied: dict[str, Update] = {}
    alike: dict[tuple[int, bytes], Update] = {}  # the same patch of the same values
    for record_id, patch in parsed.items():
        if record_id not in records:
            run.not_updated[record_id] = SetError("notFound")
            continue
        record = {name: value for name, value in records[record_id].items() if name != "id" or "id" in named}
        like = id(patch), orjson.dumps(record)
        try:
            if like not in alike:
                alike[like] = patches.apply(table, records[record_id], patch, run.context.using)
            one = alike[like]
            applied[record_id] = Update(record_id, one.current, one.patched, one.changed)
        except SetError as error:
            run.not_updated[record_id] = error
    return applied


async def _write_updates(run: _Run, applied: Mapping[str, Update]) -> None:
    changing = {record_id: update for record_id, update in applied.items() if update.changed}
    answers: Mapping[str, Mapping[str, Any] | SetError | None] = {}
    if changing:
        try:
            answers = await run.data_type.update(run.context, run.account, changing, run.arguments)
        except AdapterError as error:
            answers = refusals(error, changing)
    for record_id in applied:
        answer = answers.get(record_id)
        if isinstance(answer, SetError):
            run.not_updated[record_id] = answer
        else:
            run.updated[record_id] = answer or None


async def _destroy_all(run: _Run, ids: list[str]) -> None:
    if not ids:
        return
    if run.data_type.singleton:
        run.not_destroyed.update(dict.fromkeys(ids, SetError("singleton")))
        return
    try:
        refused = await run.data_type.destroy(run.context, run.account, ids, run.arguments)
    except AdapterError as error:
        refused = refusals(error, ids)
    run.not_destroyed.update(refused)
    run.destroyed.extend(record_id for record_id in ids if record_id not in refused)
