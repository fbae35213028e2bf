"""Responses and method-level errors (RFC 8620 §3.4, §3.6.2, §4)."""

import logging

import pytest

from adapters import errors as adapter_errors
from gateway.jmap.errors import FROM_ADAPTER
from tests.jmap.bakery import Client


async def test_echo() -> None:  # §4
    arguments = {"hello": True, "high": 5, "accountId": 7, "nested": [{"#": None}]}
    response = await Client().request([["Core/echo", arguments, "b3ff"]])
    assert response == {"methodResponses": [["Core/echo", arguments, "b3ff"]], "sessionState": "session-1"}


async def test_calls_are_answered_in_order_and_errors_stop_nothing() -> None:
    answers = await Client().responses(
        ("Core/echo", {"n": 1}),
        ("Cookie/eat", {}),
        ("Cookie/eat", {"#ids": {}}),
        ("Cookie/get", {}),
        ("Cookie/crumble", {"accountId": "A", "secret": "x"}),
        ("Core/echo", {"n": 2}),
    )
    kinds = [arguments.get("type", arguments.get("n")) for _, arguments in answers]
    assert kinds == [1, "unknownMethod", "unknownMethod", "invalidArguments", "serverFail", 2]


async def test_a_method_without_an_account() -> None:
    assert await Client().responses(("Bakery/hello", {})) == [["Bakery/hello", {"hello": "you", "account": None}]]
    (_, error), *_ = await Client().responses(("Bakery/hello", {"accountId": "A"}))
    assert error["type"] == "invalidArguments"


async def test_an_internal_fault_shows_an_id_only(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        error = await Client().error("Cookie/crumble", secret="butter")
    assert error["type"] == "serverFail"
    fault = error["description"].split()[-1]
    assert len(fault) == 32
    (record,) = caplog.records
    message = record.getMessage()
    assert (record.levelname, record.exc_info) == ("ERROR", None)
    assert fault in message
    assert "Cookie/crumble" in message
    assert "RuntimeError" in message
    assert "_crumble" in message
    assert "butter" not in message


@pytest.mark.parametrize(("kind", "names"), FROM_ADAPTER.items())
async def test_backend_errors(kind: type[adapter_errors.AdapterError], names: tuple[str, str]) -> None:
    class Special(kind):  # type: ignore[valid-type, misc]
        """An adapter may refine an error."""

    for error in (kind("host 10.0.0.1 said no"), Special("host 10.0.0.1 said no")):
        client = Client()
        client.bakery.fails = {"state": error}
        answer = await client.error("Cookie/get", ids=[])
        assert answer["type"] == names[0]
        assert "10.0.0.1" not in answer["description"]


def test_every_adapter_error_has_its_row() -> None:
    kinds = {
        kind
        for kind in vars(adapter_errors).values()
        if isinstance(kind, type) and issubclass(kind, adapter_errors.AdapterError)
    }
    assert kinds - {adapter_errors.AdapterError} == set(FROM_ADAPTER)


async def test_a_nameless_backend_error_is_an_internal_fault() -> None:
    client = Client()
    client.bakery.fails = {"state": adapter_errors.AdapterError("odd"), "create k": adapter_errors.AdapterError("odd")}
    assert (await client.error("Cookie/get"))["type"] == "serverFail"
    del client.bakery.fails["state"]
    answer = await client.error("Cookie/set", create={"k": {"name": "x"}})
    assert answer["type"] == "serverPartialFail"
