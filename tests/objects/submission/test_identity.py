"""Identity (RFC 8621 §6)."""

from tests.client import JmapClient
from tests.objects.submission.sending import call, identity


async def test_the_logins_own(alice: JmapClient) -> None:
    mine = await identity(alice)
    assert mine == {
        "id": mine["id"],
        "name": "",
        "email": mine["email"],
        "replyTo": None,
        "bcc": None,
        "textSignature": "",
        "htmlSignature": "",
        "mayDelete": False,
    }
    refused = await call(alice, "Identity/set", destroy=[mine["id"], "other"])
    assert refused["notDestroyed"][mine["id"]]["type"] == "forbidden"
    assert refused["notDestroyed"]["other"]["type"] == "notFound"


async def test_changes_are_kept(alice: JmapClient) -> None:
    mine = await identity(alice)
    state = (await call(alice, "Identity/get", ids=[]))["state"]
    made = await call(
        alice,
        "Identity/set",
        create={"i": {"email": mine["email"], "name": "Work", "replyTo": [{"email": "boss@example.org"}]}},
        update={mine["id"]: {"textSignature": "-- \nAlice"}},
    )
    assert made["oldState"] == state
    new = made["created"]["i"]["id"]
    assert made["created"]["i"]["mayDelete"] is True
    found = {one["id"]: one for one in (await call(alice, "Identity/get", ids=None))["list"]}
    assert found[new]["name"] == "Work"
    assert found[mine["id"]]["textSignature"] == "-- \nAlice"
    changes = await call(alice, "Identity/changes", sinceState=state)
    assert (changes["created"], changes["updated"]) == ([new], [mine["id"]])
    page = await call(alice, "Identity/changes", sinceState=state, maxChanges=1)
    assert page["hasMoreChanges"]
    rest = await call(alice, "Identity/changes", sinceState=page["newState"], maxChanges=1)
    assert not rest["hasMoreChanges"]
    assert rest["newState"] == made["newState"]
    await call(alice, "Identity/set", destroy=[new])
    netted = await call(alice, "Identity/changes", sinceState=state)
    assert (netted["created"], netted["updated"], netted["destroyed"]) == ([], [mine["id"]], [])


async def test_refusals(alice: JmapClient) -> None:
    create = {"a": {"email": "mallory@example.org"}, "b": {"email": "nothing"}, "c": {"email": "*@example.org"}}
    refused = (await call(alice, "Identity/set", create=create))["notCreated"]
    assert {key: error["type"] for key, error in refused.items()} == {
        "a": "forbiddenFrom",
        "b": "invalidProperties",
        "c": "forbiddenFrom",
    }
    mine = await identity(alice)
    update = {mine["id"]: {"email": "other@example.org"}}
    assert (await call(alice, "Identity/set", update=update))["notUpdated"][mine["id"]]["type"] == "invalidProperties"
