"""Roles of Mailboxes change where the server keeps them (RFC 8621 §2, §2.5; RFC 6154 §5.4), as Cyrus does."""

from typing import Any

import pytest

from tests.client import JmapClient
from tests.objects.mail.conftest import Tier
from tests.servers.imap_client import ImapClient

REFUSED = ("invalidProperties", ["role"])


async def roles(jmap: JmapClient) -> dict[str, str | None]:
    """Name -> role."""
    found = await jmap.call("Mailbox/get", ids=None, properties=["name", "role"])
    return {box["name"]: box["role"] for box in found["list"]}


async def create(jmap: JmapClient, name: str) -> str:
    made = await jmap.call("Mailbox/set", create={"new": {"name": name}})
    return str(made["created"]["new"]["id"])


def refusal(answer: dict[str, Any], mailbox_id: str) -> tuple[str, list[str] | None]:
    error = answer["notUpdated"][mailbox_id]
    return error["type"], error.get("properties")


async def test_a_role_is_given_or_refused(tier: Tier, jmap: JmapClient) -> None:
    mine = await create(jmap, "Mine")
    before = await roles(jmap)
    answer = await jmap.call("Mailbox/set", update={mine: {"role": "important"}})
    if tier.name != "cyrus":
        assert refusal(answer, mine) == REFUSED
        assert await roles(jmap) == before
        return
    assert answer["updated"] == {mine: None}
    assert await roles(jmap) == before | {"Mine": "important"}
    changes = await jmap.call("Mailbox/changes", sinceState=answer["oldState"])
    assert changes["updated"] == [mine]
    assert (await jmap.call("Mailbox/set", update={mine: {"role": None}}))["updated"] == {mine: None}
    assert await roles(jmap) == before


@pytest.mark.parametrize("tier", ["cyrus"], indirect=True)
async def test_two_mailboxes_swap_roles(jmap: JmapClient, imap: ImapClient) -> None:
    """RFC 8621 §2: no two have the same one, at any time; what another client sees is the same."""
    mine = await create(jmap, "Mine")
    archive = (await jmap.mailbox_ids())["Archive"]
    answer = await jmap.call("Mailbox/set", update={mine: {"role": "archive", "name": "Ours"}, archive: {"role": None}})
    assert answer["notUpdated"] is None
    assert (await roles(jmap))["Ours"] == "archive"
    assert (await roles(jmap))["Archive"] is None
    lines = b" ".join(line for line in imap.imap.list()[1] if isinstance(line, bytes))
    assert b'\\Archive) "/" Ours' in lines
    junk = (await jmap.mailbox_ids())["Junk"]
    answer = await jmap.call("Mailbox/set", update={mine: {"role": "junk"}, junk: {"role": "archive"}})
    assert answer["notUpdated"] is None
    found = await roles(jmap)
    assert (found["Ours"], found["Junk"]) == ("junk", "archive")


@pytest.mark.parametrize("tier", ["cyrus"], indirect=True)
async def test_an_update_is_done_whole_or_not(jmap: JmapClient) -> None:
    """RFC 8620 §5.3."""
    mine = await create(jmap, "Mine")
    before = await roles(jmap)
    archive = (await jmap.mailbox_ids())["Archive"]
    # its name says what it is for, so without a role it had it again
    assert refusal(await jmap.call("Mailbox/set", update={archive: {"role": None}}), archive) == REFUSED
    assert refusal(await jmap.call("Mailbox/set", update={mine: {"role": "archive", "name": "x"}}), mine) == REFUSED
    answer = await jmap.call("Mailbox/set", update={mine: {"role": "important", "name": "Trash"}})
    assert refusal(answer, mine) == ("invalidProperties", ["name"])
    assert await roles(jmap) == before


async def test_roles_that_nobody_can_have(jmap: JmapClient) -> None:
    mine = await create(jmap, "Mine")
    inbox = (await jmap.mailbox_ids())["Inbox"]
    before = await roles(jmap)
    wrong: list[tuple[str, Any]] = [
        (mine, "inbox"),
        (mine, "nonsense"),
        (mine, "trash"),
        (inbox, None),
        (inbox, "junk"),
    ]
    for mailbox_id, role in wrong:
        answer = await jmap.call("Mailbox/set", update={mailbox_id: {"role": role}})
        assert refusal(answer, mailbox_id) == REFUSED, (mailbox_id, role)
    assert await roles(jmap) == before
