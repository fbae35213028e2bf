"""Roles of Mailboxes change (RFC 8621 §2, §2.5): at the server where it keeps them (RFC 6154 §5.4), else here."""

from pathlib import Path
from typing import Any

import pytest

from tests.client import JmapClient, jmap_client
from tests.gateway import running_gateway
from tests.objects.mail.conftest import TIERS, Tier
from tests.servers.imap_client import ImapClient
from tests.servers.users import User

REFUSED = ("invalidProperties", ["role"])


async def roles(jmap: JmapClient) -> dict[str, str | None]:
    """Name -> role."""
    found = await jmap.call("Mailbox/get", ids=None, properties=["name", "role"])
    return {box["name"]: box["role"] for box in found["list"]}


async def existing(jmap: JmapClient, name: str) -> str:
    """The id of a Mailbox that is made where the server has none."""
    return (await jmap.mailbox_ids()).get(name) or await create(jmap, name)


async def create(jmap: JmapClient, name: str) -> str:
    made = await jmap.call("Mailbox/set", create={"new": {"name": name}})
    return str(made["created"]["new"]["id"])


def refusal(answer: dict[str, Any], mailbox_id: str) -> tuple[str, list[str] | None]:
    error = answer["notUpdated"][mailbox_id]
    return error["type"], error.get("properties")


async def test_a_role_is_given_and_taken_back(jmap: JmapClient) -> None:
    mine = await create(jmap, "Mine")
    before = await roles(jmap)
    answer = await jmap.call("Mailbox/set", update={mine: {"role": "important"}})
    assert answer["updated"] == {mine: None}
    assert await roles(jmap) == before | {"Mine": "important"}
    changes = await jmap.call("Mailbox/changes", sinceState=answer["oldState"])
    assert changes["updated"] == [mine]
    assert (await jmap.call("Mailbox/set", update={mine: {"role": None}}))["updated"] == {mine: None}
    assert await roles(jmap) == before


async def test_two_mailboxes_swap_roles(tier: Tier, jmap: JmapClient, imap: ImapClient) -> None:
    """RFC 8621 §2: no two have the same one; on Cyrus another client sees the same."""
    mine = await create(jmap, "Mine")
    archive = await existing(jmap, "Archive")
    answer = await jmap.call("Mailbox/set", update={mine: {"role": "archive", "name": "Ours"}, archive: {"role": None}})
    assert answer["notUpdated"] is None
    assert (await roles(jmap))["Ours"] == "archive"
    assert (await roles(jmap))["Archive"] is None
    if tier.name == "cyrus":
        lines = b" ".join(line for line in imap.imap.list()[1] if isinstance(line, bytes))
        assert b'\\Archive) "/" Ours' in lines
    junk = await existing(jmap, "Junk")
    answer = await jmap.call("Mailbox/set", update={mine: {"role": "junk"}, junk: {"role": "archive"}})
    assert answer["notUpdated"] is None
    found = await roles(jmap)
    assert (found["Ours"], found["Junk"]) == ("junk", "archive")


async def test_a_name_does_not_give_back_what_was_taken(jmap: JmapClient) -> None:
    archive = await existing(jmap, "Archive")
    assert (await roles(jmap))["Archive"] == "archive"
    answer = await jmap.call("Mailbox/set", update={archive: {"role": None}})
    assert answer["updated"] == {archive: {"sortOrder": 10}}  # which came with the role
    assert (await roles(jmap))["Archive"] is None
    answer = await jmap.call("Mailbox/set", update={archive: {"role": "archive"}})
    assert answer["updated"] == {archive: {"sortOrder": 4}}
    assert (await roles(jmap))["Archive"] == "archive"


async def test_an_update_is_done_whole_or_not(jmap: JmapClient) -> None:
    """RFC 8620 §5.3."""
    mine, archive = await create(jmap, "Mine"), await existing(jmap, "Archive")
    await existing(jmap, "Trash")
    before = await roles(jmap)
    assert refusal(await jmap.call("Mailbox/set", update={mine: {"role": "archive", "name": "x"}}), mine) == REFUSED
    update = {mine: {"role": "archive", "name": "Trash"}, archive: {"role": "important"}}
    answer = await jmap.call("Mailbox/set", update=update)
    assert refusal(answer, mine) == ("invalidProperties", ["name"])
    assert answer["updated"].keys() == {archive}
    assert await roles(jmap) == before | {"Archive": "important"}


@pytest.mark.parametrize("tier", ["dovecot"], indirect=True)
async def test_a_role_survives_a_restart(tier: Tier, user: User, tmp_path: Path) -> None:
    keys = {**TIERS[tier.name][1], "store__kind": "sqlite", "store__path": str(tmp_path / "store.db")}
    async with running_gateway(tier.server, **keys) as url, jmap_client(url, *user) as jmap:
        mine = await create(jmap, "Mine")
        await jmap.call("Mailbox/set", update={mine: {"role": "important", "sortOrder": 7}})
        state = (await jmap.call("Mailbox/get", ids=[]))["state"]
    async with running_gateway(tier.server, **keys) as url, jmap_client(url, *user) as jmap:
        assert (await roles(jmap))["Mine"] == "important"
        assert (await jmap.call("Mailbox/changes", sinceState=state))["updated"] == []


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


@pytest.mark.parametrize("tier", ["dovecot", "cyrus"], indirect=True)
async def test_another_client_comes_last(tier: Tier, jmap: JmapClient, imap: ImapClient) -> None:
    """What the server says by now wins over what it did not keep; what it said already then does not."""
    mine, archive = await create(jmap, "Mine"), await existing(jmap, "Archive")
    await create(jmap, "Work")
    before = await jmap.call("Mailbox/set", update={mine: {"role": "archive"}, archive: {"role": None}})
    if tier.name == "cyrus":
        imap.imap.xatom("SETMETADATA", "Mine", "(/private/specialuse NIL)")
        imap.imap.xatom("SETMETADATA", "Work", '(/private/specialuse "\\\\Archive")')
        name = "Work"
    else:  # it has the roles by name, and another Archive at once
        imap.rename("Archive", "Old")
        name = "Archive"
    found = await roles(jmap)
    assert (found[name], found["Mine"]) == ("archive", None)
    changes = await jmap.call("Mailbox/changes", sinceState=before["newState"])
    assert mine in changes["updated"]
    update = {mine: {"role": "archive"}, (await jmap.mailbox_ids())[name]: {"role": None}}
    assert (await jmap.call("Mailbox/set", update=update))["updated"].keys() == update.keys()
    found = await roles(jmap)
    assert (found[name], found["Mine"]) == (None, "archive")
