"""SieveScript through JMAP on real servers (RFC 9661)."""

import pytest

from adapters.managesieve.filters import SieveFilters
from tests.client import JmapClient
from tests.objects.sieve.calls import call, create, error, scripts, upload
from tests.objects.sieve.conftest import SIEVE

KEEP = b"keep;\r\n"
FILE = b'require "fileinto";\r\nif header :contains "Subject" "x" { fileinto "INBOX"; }\r\n'


async def test_the_capability_tells_what_the_server_can(jmap: JmapClient) -> None:
    assert jmap.session["capabilities"][SIEVE]["implementation"]
    mine = jmap.session["accounts"][jmap.account]["accountCapabilities"][SIEVE]
    assert set(mine) == {
        "maxSizeScriptName",
        "maxSizeScript",
        "maxNumberScripts",
        "maxNumberRedirects",
        "sieveExtensions",
        "notificationMethods",
        "externalLists",
    }
    assert {"fileinto", "vacation"} <= set(mine["sieveExtensions"])
    assert mine["notificationMethods"] == ["mailto"]
    assert jmap.session["primaryAccounts"][SIEVE] == jmap.account


async def test_create_activate_download_deactivate_destroy(jmap: JmapClient, sieve: SieveFilters) -> None:
    made = await create(jmap, "first one", FILE, onSuccessActivateScript="#a")
    record = made["created"]["a"]
    assert record["isActive"] is True
    assert made["oldState"] != made["newState"]
    assert await sieve.get("first one") == FILE
    assert [info.is_active for info in await sieve.scripts()] == [True]
    assert await jmap.download(record["blobId"], "application/sieve") == FILE
    refused = await call(jmap, "SieveScript/set", destroy=[record["id"]], onSuccessDeactivateScript=True)
    assert refused["notDestroyed"][record["id"]]["type"] == "sieveIsActive"
    assert (await scripts(jmap))["first one"]["isActive"] is True  # not everything succeeded
    off = await call(jmap, "SieveScript/set", onSuccessDeactivateScript=True)
    assert off["updated"] == {record["id"]: {"isActive": False}}
    gone = await call(jmap, "SieveScript/set", destroy=[record["id"]])
    assert gone["destroyed"] == [record["id"]]
    assert await sieve.scripts() == []


async def test_one_active_script_takes_over_from_another(jmap: JmapClient) -> None:
    first = (await create(jmap, "one", KEEP, onSuccessActivateScript="#a"))["created"]["a"]["id"]
    made = await create(jmap, None, KEEP, onSuccessActivateScript="#a", onSuccessDeactivateScript=True)
    assert made["created"]["a"]["isActive"] is True
    assert made["created"]["a"]["name"]
    assert made["updated"] == {first: {"isActive": False}}
    ignored = await call(jmap, "SieveScript/set", onSuccessActivateScript="nobody")
    assert ignored["updated"] is None
    assert ignored["oldState"] == ignored["newState"]


async def test_a_renamed_script_keeps_its_id(jmap: JmapClient, sieve: SieveFilters) -> None:
    record = (await create(jmap, "before", KEEP))["created"]["a"]
    blob = await upload(jmap, FILE)
    changed = await call(jmap, "SieveScript/set", update={record["id"]: {"name": "after", "blobId": blob}})
    now = (await scripts(jmap))["after"]
    assert changed["updated"] == {record["id"]: {"blobId": now["blobId"]}}
    assert now["id"] == record["id"]
    assert await sieve.get("after") == FILE
    again = (await create(jmap, "before", KEEP))["created"]["a"]
    assert again["id"] != record["id"]
    # The old content's blob is not to be had under its old id any more.
    stale = await call(jmap, "SieveScript/set", create={"b": {"name": "b", "blobId": record["blobId"]}})
    assert stale["notCreated"]["b"]["type"] == "blobNotFound"


async def test_what_is_refused(jmap: JmapClient) -> None:
    record = (await create(jmap, "taken", KEEP))["created"]["a"]
    exists = (await create(jmap, "taken", KEEP))["notCreated"]["a"]
    assert (exists["type"], exists["existingId"]) == ("alreadyExists", record["id"])
    broken = (await create(jmap, "broken", b"keep;\r\nnonsense;\r\n"))["notCreated"]["a"]
    assert broken["type"] == "invalidSieve"
    assert "2" in broken["description"]  # the line
    for script in (b"", b"\xff\xfe", b"keep; # \x00"):
        assert (await create(jmap, "broken", script))["notCreated"]["a"]["type"] == "invalidSieve"
    other = (await create(jmap, "other", KEEP))["created"]["a"]["id"]
    renamed = await call(jmap, "SieveScript/set", update={other: {"name": "taken"}})
    assert renamed["notUpdated"][other]["existingId"] == record["id"]
    blob = await upload(jmap, b"nonsense;")
    both = await call(jmap, "SieveScript/set", update={other: {"name": "new", "blobId": blob}})
    assert both["notUpdated"][other]["type"] == "invalidSieve"
    assert "other" in await scripts(jmap)  # nothing of it was done
    assert (await call(jmap, "SieveScript/set", destroy=["nobody"]))["notDestroyed"]["nobody"]["type"] == "notFound"


@pytest.mark.parametrize("name", ["a\r\nDELETESCRIPT x", "a\x00", "\u2028", "", "\x7f", "ä" * 257])
async def test_names_that_could_end_a_line_are_refused(jmap: JmapClient, name: str) -> None:
    refused = (await create(jmap, name, KEEP))["notCreated"]["a"]  # trust row 21
    assert (refused["type"], refused["properties"]) == ("invalidProperties", ["name"])


async def test_query_filters_and_sorts(jmap: JmapClient) -> None:
    ids = [(await create(jmap, name, KEEP))["created"]["a"]["id"] for name in ("beta", "alpha", "gamma")]
    await call(jmap, "SieveScript/set", onSuccessActivateScript=ids[2])
    assert (await call(jmap, "SieveScript/query"))["ids"] == [ids[1], ids[0], ids[2]]
    found = await call(jmap, "SieveScript/query", filter={"name": "ALPH"})
    assert (found["ids"], found["canCalculateChanges"]) == ([ids[1]], False)
    active = await call(jmap, "SieveScript/query", filter={"isActive": True})
    assert active["ids"] == [ids[2]]
    order = [{"property": "isActive", "isAscending": False}, {"property": "name", "isAscending": False}]
    assert (await call(jmap, "SieveScript/query", sort=order))["ids"] == [ids[2], ids[0], ids[1]]


async def test_validate_asks_the_server(jmap: JmapClient, sieve: SieveFilters) -> None:
    assert (await call(jmap, "SieveScript/validate", blobId=await upload(jmap, FILE)))["error"] is None
    wrong = await call(jmap, "SieveScript/validate", blobId=await upload(jmap, b"keep;\nnonsense;"))
    assert wrong["error"]["type"] == "invalidSieve"
    assert (await error(jmap, "SieveScript/validate", blobId="nobody"))["type"] == "invalidArguments"
    assert await sieve.scripts() == []
