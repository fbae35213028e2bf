"""VacationResponse through JMAP on real servers (RFC 8621 §8): set, read back, and the user's script is left alone."""

import asyncio

from adapters.managesieve.filters import SieveFilters
from gateway.objects.sieve.chain import NAME
from tests.client import JmapClient
from tests.objects.sieve.calls import call, create, error, scripts, set_vacation, upload, vacation
from tests.objects.sieve.conftest import VACATION, Tier
from tests.servers.imap_client import imap_client
from tests.servers.users import User

MINE = b'require "fileinto";\r\nif header :contains "Subject" "x" { fileinto "INBOX"; stop; }\r\n'
TEXT = 'line "one"\r\n.\r\n..\r\ntext:\r\n.\r\n\\ "; discard; \u00fc \U0001f334 ${x}\r\n'


async def active(sieve: SieveFilters) -> list[str]:
    return [info.name for info in await sieve.scripts() if info.is_active]


async def test_there_is_one_and_it_is_off(jmap: JmapClient) -> None:
    assert VACATION in jmap.session["accounts"][jmap.account]["accountCapabilities"]
    assert await vacation(jmap) == {
        "id": "singleton",
        "isEnabled": False,
        "fromDate": None,
        "toDate": None,
        "subject": None,
        "textBody": None,
        "htmlBody": None,
    }
    other = await call(jmap, "VacationResponse/get", ids=["other"])
    assert (other["list"], other["notFound"]) == ([], ["other"])
    refused = await call(jmap, "VacationResponse/set", create={"a": {}}, destroy=["singleton"])
    assert refused["notCreated"]["a"]["type"] == "singleton"
    assert refused["notDestroyed"]["singleton"]["type"] == "singleton"


async def test_everything_is_read_back_as_it_was_set(jmap: JmapClient, sieve: SieveFilters) -> None:
    values = {
        "isEnabled": True,
        "fromDate": "2026-01-01T00:00:00Z",
        "toDate": "2027-01-01T00:00:00Z",
        "subject": 'Away "until" \\ \u00fc',
        "textBody": TEXT,
        "htmlBody": f"<p>{TEXT}</p>",
    }
    made = await set_vacation(jmap, **values)
    assert "singleton" in made["updated"]
    assert made["oldState"] != made["newState"]
    assert await vacation(jmap) == {"id": "singleton", **values}
    assert await active(sieve) == [NAME]
    await set_vacation(jmap, toDate=None)
    assert await vacation(jmap) == {"id": "singleton", **values, "toDate": None}
    await set_vacation(jmap, isEnabled=False)
    assert await vacation(jmap) == {"id": "singleton", **values, "toDate": None, "isEnabled": False}
    assert await active(sieve) == []


async def test_the_script_of_the_user_goes_on_and_comes_back(jmap: JmapClient, sieve: SieveFilters) -> None:
    await sieve.put("mine", MINE)
    await sieve.activate("mine")
    await set_vacation(jmap, isEnabled=True, textBody="away")
    assert await active(sieve) == [NAME]
    assert b'include :personal :optional "mine";' in await sieve.get(NAME)
    assert await sieve.get("mine") == MINE
    mine = (await scripts(jmap))["mine"]["id"]
    await call(jmap, "SieveScript/set", update={mine: {"name": "ours"}})
    assert b'include :personal :optional "ours";' in await sieve.get(NAME)
    await set_vacation(jmap, isEnabled=False)
    assert await active(sieve) == ["ours"]
    assert await sieve.get("ours") == MINE


async def test_mail_is_filed_as_before_by_the_included_script(tier: Tier, user: User, jmap: JmapClient) -> None:
    filed = b'require ["fileinto", "mailbox"];\r\nfileinto :create "Filed";\r\nstop;\r\n'
    await create(jmap, "my files", filed, onSuccessActivateScript="#a")
    await set_vacation(jmap, isEnabled=True, subject="away", htmlBody="<p>x</p>", toDate="2020-01-01T00:00:00Z")
    assert (await vacation(jmap))["isEnabled"] is True
    message = f"From: a@example.org\r\nTo: {user.name}@example.org\r\nSubject: hello\r\n\r\nbody\r\n".encode()
    await asyncio.to_thread(tier.server.deliver, user.name, message)
    with imap_client(tier.server, user) as client:
        assert "Filed" in client.mailboxes()
        assert len(client.uids("Filed")) == 1
        assert client.uids("INBOX") == []


async def test_a_script_that_replies_by_itself_is_not_joined(jmap: JmapClient, sieve: SieveFilters) -> None:
    await sieve.put("mine", b'require "vacation";\r\nvacation "gone";\r\n')
    await sieve.activate("mine")
    refused = (await set_vacation(jmap, isEnabled=True))["notUpdated"]["singleton"]
    assert refused["type"] == "forbidden"
    assert "mine" in refused["description"]
    assert await active(sieve) == ["mine"]
    assert (await vacation(jmap))["isEnabled"] is False
    await set_vacation(jmap, isEnabled=False, textBody="kept")
    own = (await scripts(jmap))[NAME]["id"]
    assert (await error(jmap, "SieveScript/set", onSuccessActivateScript=own))["type"] == "forbidden"
    assert await active(sieve) == ["mine"]


async def test_the_script_is_seen_and_guarded(jmap: JmapClient, sieve: SieveFilters) -> None:
    """RFC 9661 §4."""
    mine = (await create(jmap, "mine", MINE, onSuccessActivateScript="#a"))["created"]["a"]["id"]
    await set_vacation(jmap, isEnabled=False, textBody="away")
    own = (await scripts(jmap))[NAME]["id"]
    on = await call(jmap, "SieveScript/set", onSuccessActivateScript=own)
    assert on["updated"] == {own: {"isActive": True}, mine: {"isActive": False}}
    assert (await vacation(jmap))["isEnabled"] is True
    assert b'"mine"' in await sieve.get(NAME)
    blob = await upload(jmap, MINE)
    changed = await call(jmap, "SieveScript/set", update={own: {"blobId": blob}})
    assert changed["notUpdated"][own]["type"] == "forbidden"
    assert (await call(jmap, "SieveScript/set", destroy=[own]))["notDestroyed"][own]["type"] == "forbidden"
    taken = await create(jmap, NAME, MINE)
    assert taken["notCreated"]["a"]["type"] == "invalidProperties"
    await call(jmap, "SieveScript/set", onSuccessActivateScript=mine)
    assert (await vacation(jmap))["isEnabled"] is False
    assert await active(sieve) == ["mine"]


async def test_a_script_of_that_name_by_somebody_else_stays(jmap: JmapClient, sieve: SieveFilters) -> None:
    await sieve.put(NAME, MINE)
    assert (await set_vacation(jmap, isEnabled=True))["notUpdated"]["singleton"]["type"] == "forbidden"
    assert await sieve.get(NAME) == MINE


async def test_what_no_answer_can_hold_is_refused(jmap: JmapClient) -> None:
    for values in ({"subject": "a\r\nBcc: b"}, {"textBody": "a\x00"}, {"fromDate": "2026-02-30T00:00:00Z"}):
        refused = (await set_vacation(jmap, **values))["notUpdated"]["singleton"]
        assert (refused["type"], refused["properties"]) == ("invalidProperties", list(values))
