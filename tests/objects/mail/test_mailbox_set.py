"""Mailbox/set (RFC 8621 §2.5) on every tier of server."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.client import JmapClient, jmap_client
from tests.gateway import running_gateway
from tests.objects.mail.conftest import TIERS, Tier
from tests.objects.mail.messages import message
from tests.servers.imap_client import ImapClient
from tests.servers.users import User


async def boxes(jmap: JmapClient) -> dict[str, dict[str, Any]]:
    """Path of names -> Mailbox."""
    found = {box["id"]: box for box in (await jmap.call("Mailbox/get", ids=None))["list"]}

    def path(box: dict[str, Any]) -> str:
        return box["name"] if box["parentId"] is None else f"{path(found[box['parentId']])}/{box['name']}"

    return {path(box): box for box in found.values()}


async def create(jmap: JmapClient, name: str, **properties: Any) -> str:
    answer = await jmap.call("Mailbox/set", create={"new": {"name": name} | properties})
    assert answer["notCreated"] is None, answer["notCreated"]
    return str(answer["created"]["new"]["id"])


async def refusal(jmap: JmapClient, **properties: Any) -> tuple[str, list[str]]:
    """Why a Mailbox is not created: type and properties."""
    answer = await jmap.call("Mailbox/set", create={"new": properties})
    error = answer["notCreated"]["new"]
    return error["type"], error.get("properties", [])


async def test_create_tells_all_that_was_not_said(jmap: JmapClient, imap: ImapClient) -> None:
    parent = {"name": "Projects", "sortOrder": 7}
    child = {"name": "Übersicht 日本", "parentId": "#p", "isSubscribed": False}
    answer = await jmap.call("Mailbox/set", create={"c": child, "p": parent})
    assert answer["notCreated"] is None
    made, below = answer["created"]["p"], answer["created"]["c"]
    assert made.keys() == {
        *("id", "parentId", "role", "totalEmails", "unreadEmails", "totalThreads", "unreadThreads"),
        *("myRights", "isSubscribed"),
    }
    assert (made["isSubscribed"], made["parentId"], made["role"], made["totalEmails"]) == (True, None, None, 0)
    found = await boxes(jmap)
    assert found["Projects"] == {**made, "name": "Projects", "sortOrder": 7}
    assert found["Projects/Übersicht 日本"]["id"] == below["id"]
    assert found["Projects/Übersicht 日本"]["isSubscribed"] is False
    assert "Projects/&ANw-bersicht &ZeVnLA-" in imap.mailboxes()
    changes = await jmap.call("Mailbox/changes", sinceState=answer["oldState"])
    assert set(changes["created"]) == {made["id"], below["id"]}
    assert changes["newState"] == answer["newState"]


async def test_what_cannot_be_created(jmap: JmapClient, imap: ImapClient) -> None:
    await create(jmap, "Here")
    before = imap.mailboxes()
    inbox = (await boxes(jmap))["Inbox"]["id"]
    for name in ("", "a/b", "a\r\nb", "a\x00", "x\x7f", "\u2028", "ü" * 128, "Here", "inbox", "\uf70d"):
        assert await refusal(jmap, name=name) == ("invalidProperties", ["name"]), name
    assert await refusal(jmap, name="x", parentId="f" + "0" * 26) == ("invalidProperties", ["parentId"])
    assert await refusal(jmap, name="x", parentId="#nothing") == ("invalidProperties", ["parentId"])
    for role in ("inbox", "trash", "nonsense", "all"):
        assert await refusal(jmap, name="x", role=role) == ("invalidProperties", ["role"]), role
    assert await refusal(jmap, name="x", sortOrder=-1) == ("invalidProperties", ["sortOrder"])
    assert await refusal(jmap, name="x", totalEmails=0) == ("invalidProperties", ["totalEmails"])
    assert (await refusal(jmap, parentId=inbox))[0] == "invalidProperties"
    assert imap.mailboxes() == before


async def test_the_longest_name_is_taken_or_refused_by_name(tier: Tier, jmap: JmapClient) -> None:
    """Dovecot's Maildir has room for 254 octets, and says that the 255th is not found."""
    if tier.name == "cyrus":
        assert await create(jmap, "x" * 255)
    else:
        assert await refusal(jmap, name="x" * 255) == ("invalidProperties", ["name"])


async def test_a_name_in_another_normal_form_is_the_same_name(jmap: JmapClient) -> None:
    answer = await jmap.call("Mailbox/set", create={"new": {"name": "u\u0308ber"}})
    assert answer["created"]["new"]["name"] == "\u00fcber"  # Net-Unicode (RFC 5198)
    assert await refusal(jmap, name="u\u0308ber") == ("invalidProperties", ["name"])


async def test_a_role_comes_true(tier: Tier, jmap: JmapClient, imap: ImapClient) -> None:
    answer = await jmap.call("Mailbox/set", create={"new": {"name": "Weighty", "role": "important"}})
    assert answer["created"]["new"].get("role", "important") == "important"
    assert (await boxes(jmap))["Weighty"]["role"] == "important"
    if tier.name == "cyrus":  # CREATE-SPECIAL-USE; elsewhere the gateway keeps it
        assert b"\\Important" in b" ".join(line for line in imap.imap.list()[1] if isinstance(line, bytes))


async def test_rename_and_move_keep_the_id_and_what_is_inside(jmap: JmapClient, imap: ImapClient) -> None:
    a = await create(jmap, "A")
    b = await create(jmap, "B", parentId=a)
    c = await create(jmap, "C", parentId=b)
    d = await create(jmap, "D")
    imap.append("A/B/C", message("inside"))
    (email_id,) = (await jmap.call("Email/query", filter={"inMailbox": c}))["ids"]
    answer = await jmap.call("Mailbox/set", update={b: {"name": "Bé", "parentId": d}})
    assert answer["updated"] == {b: None}
    found = await boxes(jmap)
    assert {path: box["id"] for path, box in found.items() if path[0] in "AD" and box["role"] is None} == {
        "A": a, "D": d, "D/Bé": b, "D/Bé/C": c,
    }  # fmt: skip
    assert found["D/Bé/C"]["isSubscribed"] is True
    (email,) = (await jmap.call("Email/get", ids=[email_id], properties=["mailboxIds"]))["list"]
    assert email["mailboxIds"] == {c: True}
    changes = await jmap.call("Mailbox/changes", sinceState=answer["oldState"])
    assert (changes["created"], changes["updated"], changes["destroyed"]) == ([], [b], [])
    await jmap.call("Mailbox/set", update={b: {"parentId": None, "isSubscribed": False}})
    found = await boxes(jmap)
    assert (found["Bé"]["id"], found["Bé"]["isSubscribed"], found["Bé/C"]["id"]) == (b, False, c)


async def test_what_cannot_be_changed(jmap: JmapClient) -> None:
    a = await create(jmap, "A")
    b = await create(jmap, "B", parentId=a)
    inbox = (await boxes(jmap))["Inbox"]["id"]
    wrong: dict[tuple[str, str | None], list[tuple[str, dict[str, Any]]]] = {
        ("invalidProperties", "parentId"): [
            (a, {"parentId": b}),
            (a, {"parentId": a}),
            (a, {"parentId": "f" + "0" * 26}),
        ],
        ("invalidProperties", "name"): [(a, {"name": "Trash"}), (a, {"name": "x/y"}), (b, {"name": ""})],
        ("invalidProperties", "role"): [(a, {"role": "archive"}), (inbox, {"role": None})],
        ("invalidProperties", "totalEmails"): [(a, {"totalEmails": 5})],
        ("forbidden", None): [(inbox, {"name": "Outbox"}), (inbox, {"parentId": a})],
        ("notFound", None): [("f" + "0" * 26, {"name": "x"})],
        ("invalidPatch", None): [(a, {"name/x": 1})],
    }
    before = await boxes(jmap)
    for (kind, name), cases in wrong.items():
        for mailbox_id, patch in cases:
            error = (await jmap.call("Mailbox/set", update={mailbox_id: patch}))["notUpdated"][mailbox_id]
            assert (error["type"], error.get("properties")) == (kind, [name] if name else None), patch
    assert await boxes(jmap) == before


async def test_names_can_be_swapped_in_one_call(jmap: JmapClient) -> None:
    """RFC 8620 §5.3: the final state counts."""
    a, b, c = [await create(jmap, name) for name in "ABC"]
    answer = await jmap.call("Mailbox/set", update={a: {"name": "B"}, b: {"name": "C"}, c: {"name": "A"}})
    assert answer["notUpdated"] is None
    found = await boxes(jmap)
    assert [found[name]["id"] for name in "ABC"] == [c, a, b]
    answer = await jmap.call("Mailbox/set", update={a: {"name": "C"}, b: {"name": "B"}, c: {"name": "Trash"}})
    assert list(answer["notUpdated"]) == [c]
    found = await boxes(jmap)
    assert [found[name]["id"] for name in "ABC"] == [c, b, a]


async def test_the_order_is_kept_by_the_gateway(jmap: JmapClient) -> None:
    a, b = await create(jmap, "A"), await create(jmap, "B")
    answer = await jmap.call("Mailbox/set", update={a: {"sortOrder": 500}, b: {"sortOrder": 400}})
    assert (answer["updated"], answer["oldState"] != answer["newState"]) == ({a: None, b: None}, True)
    changes = await jmap.call("Mailbox/changes", sinceState=answer["oldState"])
    assert (set(changes["updated"]), changes["updatedProperties"]) == ({a, b}, None)
    sort = [{"property": "sortOrder"}]
    assert (await jmap.call("Mailbox/query", filter={"hasAnyRole": False}, sort=sort))["ids"] == [b, a]
    answer = await jmap.call("Mailbox/set", update={a: {"sortOrder": None}})
    assert answer["updated"] == {a: {"sortOrder": 10}}


async def test_destroy(tier: Tier, jmap: JmapClient, imap: ImapClient) -> None:
    a = await create(jmap, "A")
    b = await create(jmap, "B", parentId=a)
    imap.append("A/B", message("there"))
    imap.append("INBOX", message("in two"))
    (uid,) = imap.uids("INBOX")
    imap.copy("INBOX", uid, "A/B")
    inbox = (await boxes(jmap))["Inbox"]["id"]
    answer = await jmap.call("Mailbox/set", destroy=[a, b, inbox, "f" + "0" * 26])
    assert {key: error["type"] for key, error in answer["notDestroyed"].items()} == {
        a: "mailboxHasChild", b: "mailboxHasEmail", inbox: "mailboxHasEmail", "f" + "0" * 26: "notFound",
    }  # fmt: skip
    state = (await jmap.call("Email/get", ids=[]))["state"]
    answer = await jmap.call("Mailbox/set", destroy=[a, b, inbox], onDestroyRemoveEmails=True)
    assert (set(answer["destroyed"]), list(answer["notDestroyed"])) == ({a, b}, [inbox])
    assert answer["notDestroyed"][inbox]["type"] == "forbidden"
    assert not {path for path in await boxes(jmap) if path[0] == "A" and path != "Archive"}
    assert not {name for name in imap.mailboxes() if name.startswith("A/")}
    changes = await jmap.call("Email/changes", sinceState=state)
    assert (len(changes["updated"]), len(changes["destroyed"])) == (1, 1)
    del tier


async def test_only_the_last_state_of_a_call_must_be_right(jmap: JmapClient) -> None:
    """Create, update and destroy in one call, by creation id."""
    old = await create(jmap, "Old")
    answer = await jmap.call(
        "Mailbox/set", create={"n": {"name": "New"}}, update={"#n": {"name": "Newer"}}, destroy=[old]
    )
    assert (answer["notCreated"], answer["notUpdated"], answer["destroyed"]) == (None, None, [old])
    found = await boxes(jmap)
    assert found["Newer"]["id"] == answer["created"]["n"]["id"]
    assert "New" not in found
    assert "Old" not in found


async def test_the_session_says_that_mailboxes_can_be_made(jmap: JmapClient) -> None:
    account = jmap.session["accounts"][jmap.account]
    assert account["isReadOnly"] is False
    capability = account["accountCapabilities"]["urn:ietf:params:jmap:mail"]
    assert (capability["mayCreateTopLevelMailbox"], capability["maxSizeMailboxName"]) == (True, 255)


@pytest.mark.parametrize("tier", ["dovecot"], indirect=True)
async def test_the_order_survives_a_restart(tier: Tier, user: User, tmp_path: Path) -> None:
    keys = {**TIERS[tier.name][1], "store__kind": "sqlite", "store__path": str(tmp_path / "store.db")}
    async with running_gateway(tier.server, **keys) as url, jmap_client(url, *user) as jmap:
        await create(jmap, "Mine", sortOrder=77)
        state = (await jmap.call("Mailbox/get", ids=[]))["state"]
    async with running_gateway(tier.server, **keys) as url, jmap_client(url, *user) as jmap:
        assert (await boxes(jmap))["Mine"]["sortOrder"] == 77
        assert (await jmap.call("Mailbox/changes", sinceState=state))["updated"] == []


HOSTILE = (
    *('a"b', "a\\b", "{3}", "{3+}\r\nabc", "*", "%", "a*b", "&", "&AOk-", "..", "~", "NIL", " a", "a.b"),
    *("a\r\nX LOGOUT", "../x", "~root", "a ", "()", "🎉", "\uf70d\uf70a"),
)


@pytest.mark.parametrize("tier", ["dovecot", "cyrus"], indirect=True)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.one_of(st.text(max_size=30), st.sampled_from(HOSTILE)))
async def test_any_name_comes_out_as_it_went_in_or_is_refused(jmap: JmapClient, imap: ImapClient, name: str) -> None:
    """Row 14 of the threat model."""
    before = imap.mailboxes()
    answer = await jmap.call("Mailbox/set", create={"new": {"name": name}})
    if answer["created"] is None:
        error = answer["notCreated"]["new"]
        assert (error["type"], error["properties"]) == ("invalidProperties", ["name"])
    else:
        made = answer["created"]["new"]
        shown = (await jmap.call("Mailbox/get", ids=[made["id"]]))["list"][0]
        assert shown["name"] == made.get("name", name)
        if (await jmap.call("Mailbox/set", destroy=[made["id"]]))["notDestroyed"]:
            await asyncio.sleep(1.1)  # Cyrus: the same name cannot be deleted twice in one second
            assert (await jmap.call("Mailbox/set", destroy=[made["id"]]))["notDestroyed"] is None
    assert imap.mailboxes() == before
