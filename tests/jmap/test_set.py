"""Foo/set (RFC 8620 §5.3)."""

from typing import Any

import pytest

from adapters.errors import Forbidden, OverQuota, Unavailable
from gateway.jmap.capabilities import CORE
from tests.jmap.bakery import BAKERY, LIMITS, OVEN, Account, Client

NOTHING = {
    "created": None,
    "updated": None,
    "destroyed": None,
    "notCreated": None,
    "notUpdated": None,
    "notDestroyed": None,
}


@pytest.fixture
def client() -> Client:
    account = Account("A")
    for name in ("oat", "nut", "jam"):
        account.add(name)
    return Client(account)


async def test_an_empty_set(client: Client) -> None:
    answer = await client.call("Cookie/set")
    assert answer == {"accountId": "A", "oldState": "s3", "newState": "s3", **NOTHING}
    assert client.bakery.calls == ["state", "after_set", "state"]


async def test_create_answers_what_the_client_did_not_send(client: Client) -> None:
    answer = await client.call("Cookie/set", create={"k": {"name": "new", "flavour": "mint", "toppings": {}}})
    assert answer["created"] == {
        "k": {"id": "c3", "batch": 3, "recipe": None, "bakedAt": None, "friendId": None, "boxIds": {}}
    }
    assert (answer["oldState"], answer["newState"]) == ("s3", "s4")


async def test_each_record_is_refused_by_itself(client: Client) -> None:  # MUST continue with the next
    answer = await client.call(
        "Cookie/set",
        create={
            "good": {"name": "good"},
            "burnt": {"name": "burnt"},
            "bad": {"name": 1, "batch": 7, "id": "c9", "odd": 1, "toppings": {"nuts": False}},
            "missing": {},
        },
        update={"c0": {"name": "OAT"}, "c1": {"name": None}, "c9": {"name": "x"}, "c2": {"name/x": 1}},
        destroy=["c9", "c2"],
    )
    assert list(answer["created"]) == ["good"]
    assert answer["notCreated"]["burnt"] == {"type": "forbidden", "description": "no burnt cookies"}
    assert answer["notCreated"]["bad"]["type"] == "invalidProperties"
    assert answer["notCreated"]["bad"]["properties"] == ["name", "batch", "id", "odd", "toppings"]  # all of them
    assert answer["notCreated"]["missing"]["properties"] == ["name"]
    assert answer["updated"] == {"c0": None}
    refusals = {key: error["type"] for key, error in answer["notUpdated"].items()}
    assert refusals == {"c1": "invalidProperties", "c9": "willDestroy", "c2": "willDestroy"}
    assert answer["destroyed"] == ["c2"]
    assert answer["notDestroyed"] == {"c9": {"type": "notFound"}}


async def test_update_and_what_else_it_changed(client: Client) -> None:
    answer = await client.call(
        "Cookie/set", update={"c0": {"flavour": "magic"}, "c1": {"toppings/nuts": True}, "c9": {"name": "x"}}
    )
    assert answer["updated"] == {"c0": {"batch": 99}, "c1": None}
    assert answer["notUpdated"] == {"c9": {"type": "notFound"}}
    assert client.bakery.cookies["c1"]["toppings"] == {"nuts": True}
    assert "update c0 c1" in client.bakery.calls  # all at once


async def test_records_that_were_serialised_before_can_be_patched(client: Client) -> None:
    client.bakery.as_fragments = True
    await client.call("Cookie/set", update={"c0": {"toppings/nuts": True}})
    assert client.bakery.cookies["c0"]["toppings"] == {"nuts": True}


async def test_one_patch_is_applied_to_each_record_as_it_is(client: Client) -> None:
    cookies = client.bakery.cookies
    cookies["c1"]["toppings"] = {"nuts": True}
    cookies["c2"]["toppings"] = {"sugar": True}
    patch = {"toppings/nuts": True, "flavour": "mint"}
    answer = await client.call("Cookie/set", update=dict.fromkeys(["c0", "c1", "c2", "c9"], patch))
    assert answer["updated"] == dict.fromkeys(["c0", "c1", "c2"])
    assert answer["notUpdated"] == {"c9": {"type": "notFound"}}
    nuts = {"nuts": True}
    assert [cookies[one]["toppings"] for one in ("c0", "c1", "c2")] == [nuts, nuts, {"sugar": True, **nuts}]
    answer = await client.call("Cookie/set", update={key: {"id": "c0", "name": "one"} for key in ("c0", "c1")})
    assert answer["updated"] == {"c0": None}  # RFC 8620 §5.3: an id may be given if it is the record's own
    assert answer["notUpdated"]["c1"]["properties"] == ["id"]


async def test_an_update_that_changes_nothing_writes_nothing(client: Client) -> None:
    whole = (await client.call("Cookie/get", ids=["c0"]))["list"][0]
    answer = await client.call("Cookie/set", update={"c0": whole})
    assert (answer["updated"], answer["newState"]) == ({"c0": None}, answer["oldState"])
    assert not [call for call in client.bakery.calls if call.startswith("update")]


async def test_immutable_and_server_set_properties(client: Client) -> None:
    answer = await client.call(
        "Cookie/set",
        update={"c0": {"batch": 0, "bakedAt": None}, "c1": {"batch": 5}, "c2": {"bakedAt": "2026-01-01T00:00:00Z"}},
    )
    assert answer["updated"] == {"c0": None}
    assert answer["notUpdated"]["c1"]["properties"] == ["batch"]
    assert answer["notUpdated"]["c2"]["properties"] == ["bakedAt"]


async def test_null_sets_the_default_or_removes(client: Client) -> None:
    client.bakery.cookies["c0"].update(toppings={"a": True}, wrapping="foil")
    await client.call("Cookie/set", update={"c0": {"toppings": None, "wrapping": None}})
    assert client.bakery.cookies["c0"]["toppings"] == {}
    assert "wrapping" not in client.bakery.cookies["c0"]


async def test_if_in_state(client: Client) -> None:
    assert (await client.call("Cookie/set", ifInState="s3", destroy=["c0"]))["destroyed"] == ["c0"]
    error = await client.error("Cookie/set", ifInState="s3", destroy=["c1"], create={"k": {"name": "x"}})
    assert error["type"] == "stateMismatch"
    assert sorted(client.bakery.cookies) == ["c1", "c2"]  # nothing happened


async def test_more_records_than_max_objects_in_set(client: Client) -> None:
    create = {f"k{index}": {"name": "x"} for index in range(LIMITS.max_objects_in_set - 2)}
    error = await client.error("Cookie/set", create=create, update={"c0": {}}, destroy=["c1", "c2"])
    assert error["type"] == "requestTooLarge"
    answer = await client.call("Cookie/set", create=create, update={"c0": {}}, destroy=["c1"])
    assert len(answer["created"]) == LIMITS.max_objects_in_set - 2


async def test_creates_come_before_those_that_refer_to_them(client: Client) -> None:
    answer = await client.call(
        "Cookie/set",
        create={
            "c": {"name": "c", "friendId": "#b"},
            "b": {"name": "b", "boxIds": {"#a": True, "c0": True}},
            "a": {"name": "a"},
            "z": {"name": "#a"},
        },
        update={"c1": {"friendId": "#c"}, "#a": {"name": "A"}, "c0": {"boxIds/#b": True}},
        destroy=["#z"],
    )
    ids = {key: record["id"] for key, record in answer["created"].items()}
    cookies = client.bakery.cookies
    assert cookies[ids["c"]]["friendId"] == ids["b"]
    assert cookies[ids["b"]]["boxIds"] == {ids["a"]: True, "c0": True}
    assert cookies[ids["a"]]["name"] == "A"  # erratum: keys of update may be creation ids
    assert cookies["c1"]["friendId"] == ids["c"]
    assert cookies["c0"]["boxIds"] == {ids["b"]: True}
    assert answer["updated"].keys() == {"c1", ids["a"], "c0"}
    assert answer["destroyed"] == [ids["z"]]
    assert [call for call in client.bakery.calls if call.startswith("create")] == ["create a z", "create b", "create c"]


async def test_circles_and_unknown_creation_ids(client: Client) -> None:
    answer = await client.call(
        "Cookie/set",
        create={
            "self": {"name": "x", "friendId": "#self"},
            "one": {"name": "x", "friendId": "#two"},
            "two": {"name": "x", "boxIds": {"#one": True}},
            "hanger": {"name": "x", "friendId": "#one"},
            "lost": {"name": "x", "friendId": "#nobody"},
            "burnt": {"name": "burnt"},
            "orphan": {"name": "x", "friendId": "#burnt"},
            "fine": {"name": "x"},
        },
        update={"#nobody": {"name": "y"}, "c0": {"friendId": "#nobody"}, "c1": {"boxIds/#nobody": True}},
        destroy=["#nobody", "#self"],
    )
    assert list(answer["created"]) == ["fine"]
    kinds = {key: error["type"] for key, error in answer["notCreated"].items()}
    assert kinds.pop("burnt") == "forbidden"
    assert kinds == dict.fromkeys(["self", "one", "two", "hanger", "lost", "orphan"], "invalidProperties")
    assert answer["notCreated"]["lost"]["properties"] == ["friendId"]
    assert answer["notUpdated"]["#nobody"] == {"type": "notFound"}
    assert answer["notUpdated"]["c0"]["properties"] == ["friendId"]
    assert answer["notUpdated"]["c1"]["properties"] == ["boxIds/#nobody"]
    assert answer["notDestroyed"] == {"#nobody": {"type": "notFound"}, "#self": {"type": "notFound"}}


async def test_a_reused_creation_id_means_the_newest_record(client: Client) -> None:
    first, second, third = await client.responses(
        ("Cookie/set", {"accountId": "A", "create": {"k": {"name": "first"}}}),
        ("Cookie/set", {"accountId": "A", "create": {"k": {"name": "second"}, "f": {"name": "x", "friendId": "#k"}}}),
        ("Cookie/set", {"accountId": "A", "create": {"g": {"name": "y", "friendId": "#k"}}}),
    )
    newest = second[1]["created"]["k"]["id"]
    assert newest != first[1]["created"]["k"]["id"]
    assert client.bakery.cookies[second[1]["created"]["f"]["id"]]["friendId"] == newest
    assert client.bakery.cookies[third[1]["created"]["g"]["id"]]["friendId"] == newest


async def test_created_ids_are_returned_if_given(client: Client) -> None:  # §3.4
    calls = [["Cookie/set", {"accountId": "A", "create": {"k": {"name": "x", "friendId": "#old"}}}, "0"]]
    response = await client.request(calls, createdIds={"old": "c1"})
    assert response["createdIds"] == {"old": "c1", "k": "c3"}
    assert client.bakery.cookies["c3"]["friendId"] == "c1"
    assert "createdIds" not in await client.request(calls)


async def test_the_same_record_twice(client: Client) -> None:
    response = await client.request(
        [
            [
                "Cookie/set",
                {"accountId": "A", "update": {"c1": {"name": "a"}, "#k": {"name": "b"}}, "destroy": ["c2", "c2"]},
                "0",
            ]
        ],
        createdIds={"k": "c1"},
    )
    answer = response["methodResponses"][0][1]
    assert answer["updated"] == {"c1": None}
    assert answer["notUpdated"]["#k"]["type"] == "invalidPatch"
    assert answer["destroyed"] == ["c2"]


async def test_a_singleton_is_neither_created_nor_destroyed() -> None:
    client = Client(Account("A", capabilities={CORE: {}, OVEN: {}}))
    arguments = {"create": {"k": {"heat": 1}}, "update": {"singleton": {"heat": 3}}, "destroy": ["other"]}
    (_, answer), *_ = await client.responses(("Oven/set", {"accountId": "A", **arguments}), using=(CORE, OVEN))
    assert answer["notCreated"] == {"k": {"type": "singleton"}}
    assert answer["notDestroyed"] == {"other": {"type": "singleton"}}
    assert answer["updated"] == {"singleton": None}


async def test_extra_calls_follow_with_the_same_call_id(client: Client) -> None:
    calls = [
        ["Cookie/set", {"accountId": "A", "create": {"k": {"name": "x"}}, "onSuccessEcho": True}, "a"],
        ["Core/echo", {}, "b"],
    ]
    response = await client.request(calls)
    assert [[name, call_id] for name, _, call_id in response["methodResponses"]] == [
        ["Cookie/set", "a"],
        ["Core/echo", "a"],
        ["Core/echo", "b"],
    ]
    assert response["methodResponses"][1][1] == {"k": "c3"}
    # a method on behalf of another needs no capability of its own in `using`
    quiet = await client.request(calls[:1], using=[BAKERY])
    assert [name for name, *_ in quiet["methodResponses"]] == ["Cookie/set", "Core/echo"]


async def test_backend_errors_become_set_errors(client: Client) -> None:
    client.bakery.fails = {
        "create k": OverQuota("full"),
        "update c0": Forbidden("no"),
        "destroy c1": Unavailable("gone"),
    }
    answer = await client.call("Cookie/set", create={"k": {"name": "x"}}, update={"c0": {"name": "y"}}, destroy=["c1"])
    assert answer["notCreated"]["k"]["type"] == "overQuota"
    assert answer["notUpdated"]["c0"]["type"] == "forbidden"
    assert answer["notDestroyed"]["c1"]["type"] == "serverUnavailable"
    assert "gone" not in str(answer)
    client.bakery.fails = {"get": Unavailable("gone")}
    answer = await client.call("Cookie/set", create={"k": {"name": "x"}}, update={"c0": {"name": "y"}})
    assert answer["created"]
    assert answer["notUpdated"]["c0"]["type"] == "serverUnavailable"


async def test_a_failure_after_writing_tells_the_client_to_resynchronise(client: Client) -> None:  # §3.6.2
    client.bakery.fails = {"after_set": Unavailable("gone")}
    assert (await client.error("Cookie/set", destroy=["c0"]))["type"] == "serverPartialFail"
    assert (await client.error("Cookie/set"))["type"] == "serverUnavailable"  # nothing was done
    client.bakery.fails = {"destroy c1": KeyError("c1")}
    assert (await client.error("Cookie/set", destroy=["c1"]))["type"] == "serverPartialFail"


@pytest.mark.parametrize(
    "arguments",
    [
        {"create": []},
        {"create": {"k": None}},
        {"create": {"k": []}},
        {"create": {"": {}}},
        {"create": {"#k": {}}},
        {"create": {"k" * 256: {}}},
        {"update": []},
        {"update": {"c0": None}},
        {"update": {"c 0": {}}},
        {"destroy": "c0"},
        {"destroy": {"c0": True}},
        {"destroy": [None]},
        {"destroy": ["c 0"]},
        {"ifInState": 1},
        {"onSuccessEcho": None},
        {"onSuccessEcho": 1},
        {"ids": []},
    ],
)
async def test_wrong_arguments(client: Client, arguments: dict[str, Any]) -> None:
    assert (await client.error("Cookie/set", **arguments))["type"] == "invalidArguments"
    assert client.bakery.calls == []
