"""Odd values for each argument, property and condition of all that the gateway offers (trust model, rows 9 and 10): a
refusal of the standard or an answer, never an internal fault, in front of real servers of every kind."""

import itertools
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any, cast

import pytest

from gateway.demo.radicale import Radicale
from gateway.jmap import datatype
from gateway.jmap.arguments import REQUIRED
from gateway.jmap.registry import Registry
from gateway.objects import DATA_TYPES, METHODS
from tests.client import JmapClient, jmap_client
from tests.gateway import running_gateway
from tests.objects.sieve.conftest import sieve_keys
from tests.objects.submission.conftest import submission_keys
from tests.servers.postfix import Postfix
from tests.servers.users import User, fresh_user

REGISTRY = Registry.build(DATA_TYPES, METHODS)
FAULTS = {"serverFail", "serverPartialFail", "serverUnavailable"}
ODD: list[Any] = [
    None, True, -1, 1.5, 2**60, 1e300, "", "\x00", "x y", "\r\n", "#k", "\ud7ff\U0001f600", "2026-02-30T00:00:00Z", [],
    [None], [[]], [{}], {}, {"a": None}, {"": {}}, {"a": {}}, {"a": True}, {"a": {"@type": "x", "id": []}}, "x" * 5_000,
]  # fmt: skip
GOOD: dict[str, Any] = {
    "sinceState": "x", "sinceQueryState": "x", "create": {}, "ids": ["x"], "blobIds": ["x"], "emailIds": ["x"],
    "emails": {}, "typeNames": ["Email"], "forEmailIds": ["x"], "identityId": "x", "blobId": "x", "id": "x",
    "utcStart": "2026-01-01T00:00:00Z", "utcEnd": "2026-01-02T00:00:00Z",
}  # fmt: skip
PER_REQUEST = 16


@pytest.fixture(scope="module")
async def url(postfix: Postfix, radicale: Radicale) -> AsyncIterator[str]:
    keys = submission_keys(postfix.submission) | sieve_keys(postfix.dovecot.managesieve)
    keys |= {"backends__default__caldav__url": radicale.url}
    async with running_gateway(postfix.dovecot, **keys) as found:
        yield found


@pytest.fixture(scope="module")
def user(postfix: Postfix, radicale: Radicale) -> User:
    found = fresh_user(postfix.dovecot)
    radicale.create_user(*found)
    return found


@pytest.fixture
async def jmap(url: str, user: User) -> AsyncIterator[JmapClient]:
    async with jmap_client(url, *user) as client:
        yield client


def faults(answers: Iterable[tuple[str, dict[str, Any], str]]) -> Iterator[tuple[str, Any]]:
    """What is no answer of the standard, with the id of its call."""
    for name, answer, call_id in answers:
        if name == "error" and answer["type"] in FAULTS:
            yield call_id, answer
        for refused in ("notCreated", "notUpdated", "notDestroyed"):
            for error in (answer.get(refused) or {}).values():
                if error["type"] in FAULTS:
                    yield call_id, error


async def ask(jmap: JmapClient, calls: list[tuple[str, dict[str, Any]]]) -> list[str]:
    """The calls that were answered with a fault. `accountId` is added where the method takes one."""
    wrong = []
    using = list(jmap.session["capabilities"])
    for start in range(0, len(calls), PER_REQUEST):
        batch = calls[start : start + PER_REQUEST]
        numbered = []
        for number, (name, given) in enumerate(batch):
            method = REGISTRY.find(name, None)
            assert method is not None
            account = {"accountId": jmap.account} if method.needs_account else {}
            numbered.append([name, account | given, f"{number}"])
        answers = (await jmap.request(numbered, using))["methodResponses"]
        wrong += [f"{numbered[int(call)]} -> {error}"[:400] for call, error in faults(map(tuple, answers))]
    return wrong


@pytest.mark.parametrize("name", [name for name in REGISTRY.names() if name != "Core/echo"])
async def test_every_argument(jmap: JmapClient, name: str) -> None:
    method = REGISTRY.find(name, None)
    assert method is not None
    needed = {a.name: GOOD.get(a.name, "x") for a in method.arguments if a.default is REQUIRED}
    if "fromAccountId" in needed:
        needed["fromAccountId"] = jmap.account
    calls = [(name, needed | {argument.name: value}) for argument in method.arguments for value in ODD]
    assert await ask(jmap, calls) == []


def settable() -> list[str]:
    return [kind.name for kind in DATA_TYPES if "set" in kind.methods]


async def base(jmap: JmapClient, name: str) -> dict[str, Any]:
    """The least that a record of the type needs, so that the odd property decides."""
    if name == "Email":
        return {"mailboxIds": {(await jmap.mailbox_ids())["Inbox"]: True}}
    if name == "CalendarEvent":
        calls = [["Calendar/set", {"accountId": jmap.account, "create": {"k": {"name": "events"}}}, "c"]]
        ((_, answer, _),) = (await jmap.request(calls, list(jmap.session["capabilities"])))["methodResponses"]
        return {"calendarIds": {answer["created"]["k"]["id"]: True}, "start": "2026-12-01T10:00:00"}
    return {
        "Mailbox": {"name": "box"},
        "Calendar": {"name": "calendar"},
        "Identity": {"email": "x@example.org"},
        "EmailSubmission": {"emailId": "x", "identityId": "x"},
        "SieveScript": {"blobId": "x"},
        "PushSubscription": {"deviceClientId": "x", "url": "https://push.example.org/x"},
    }.get(name, {})


@pytest.mark.parametrize("name", settable())
async def test_every_property(jmap: JmapClient, name: str) -> None:
    (kind,) = [kind for kind in DATA_TYPES if kind.name == name]
    given = await base(jmap, name)
    calls: list[tuple[str, dict[str, Any]]] = []
    for wanted in [*kind.properties.default, "odd", "", "a/b", "/"]:
        for value in ODD:
            record = given | {wanted: value}
            updates = {"x": {wanted: value}, "singleton": {wanted: value}}
            calls.append((f"{name}/set", {"create": {"k": record}, "update": updates, "destroy": ["#k"]}))
    assert await ask(jmap, calls) == []


@pytest.mark.parametrize("name", [kind.name for kind in DATA_TYPES if "query" in kind.methods])
async def test_every_condition_and_order(jmap: JmapClient, name: str) -> None:
    (kind,) = [kind for kind in DATA_TYPES if kind.name == name]
    kind = cast("datatype.Queryable", kind)
    conditions = [*kind.filter_conditions, *itertools.chain.from_iterable(kind.extra_conditions.values()), "odd"]
    filters = [{condition: value} for condition in conditions for value in ODD]
    orders = [{"property": prop, "keyword": value} for prop in [*kind.sort_properties, "odd"] for value in ODD]
    orders += [{"property": prop} for prop in kind.sort_properties]
    calls: list[tuple[str, dict[str, Any]]] = [(f"{name}/query", {"filter": each}) for each in filters]
    calls += [(f"{name}/query", {"sort": [each]}) for each in orders]
    assert await ask(jmap, calls) == []
