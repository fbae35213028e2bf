"""Quota (RFC 9425) through a whole gateway: Dovecot limits storage, Cyrus may limit it, a bare IMAP4rev1 server not."""

import asyncio
import imaplib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway import owners
from gateway.push import feed
from tests.client import CORE, MAIL, JmapClient, Sentence, jmap_client
from tests.faults.proxy import FaultProxy
from tests.gateway import running_gateway
from tests.objects.mail.messages import message
from tests.objects.mail.test_push import state_event
from tests.servers.cyrus import ADMIN, Cyrus
from tests.servers.dovecot import Dovecot
from tests.servers.imap_client import imap_client
from tests.servers.users import MailServer, User, fresh_user

QUOTA = "urn:ietf:params:jmap:quota"
GIGABYTE = 2**30  # the quota_rule of the fixture


@pytest.fixture(scope="module")
async def url(dovecot: Dovecot) -> AsyncIterator[str]:
    async with running_gateway(dovecot) as found:
        yield found


@pytest.fixture
def user(dovecot: Dovecot) -> User:
    return fresh_user(dovecot)


@pytest.fixture
async def jmap(url: str, user: User) -> AsyncIterator[JmapClient]:
    async with jmap_client(url, user.name, user.password) as client:
        yield client


async def said(jmap: JmapClient, *calls: tuple[str, dict[str, Any]], mail: bool = True) -> list[Sentence]:
    return await jmap.sentences(*calls, using=(CORE, MAIL, QUOTA) if mail else (CORE, QUOTA))


async def ask(jmap: JmapClient, name: str, **arguments: Any) -> dict[str, Any]:
    ((answered, answer, _),) = await said(jmap, (name, arguments))
    assert answered == name, answer
    return answer


def store(dovecot: Dovecot, user: User, kilobytes: int) -> None:
    with imap_client(dovecot, user) as imap:
        imap.append("INBOX", message(body="x" * 1000 * kilobytes))


def set_limits(cyrus: Cyrus, user: User, limits: str) -> None:
    """Replace the limits of a user, as the administrator."""
    with imaplib.IMAP4(cyrus.host, cyrus.imap) as admin:
        admin.login(ADMIN, cyrus.password(ADMIN))
        status, answer = admin.setquota(f"user/{user.name}", limits)
        assert status == "OK", answer


async def test_the_limit_of_the_server_is_one_quota(jmap: JmapClient) -> None:
    assert jmap.session["accounts"][jmap.account]["accountCapabilities"][QUOTA] == {}
    assert jmap.session["capabilities"][QUOTA] == {}
    assert jmap.session["primaryAccounts"][QUOTA] == jmap.account
    answer = await ask(jmap, "Quota/get", ids=None)
    (quota,) = answer["list"]
    assert quota == {
        "id": quota["id"],
        "resourceType": "octets",
        "used": 0,
        "hardLimit": GIGABYTE,
        "warnLimit": None,
        "softLimit": None,
        "scope": "account",
        "name": "User quota",
        "description": None,
        "types": ["Email"],
    }
    again = await ask(jmap, "Quota/get", ids=["qnone", quota["id"]], properties=["name"])
    assert (again["list"], again["notFound"]) == ([{"id": quota["id"], "name": "User quota"}], ["qnone"])
    assert again["state"] == answer["state"]


async def test_what_arrives_is_used_and_told_by_the_example_of_the_standard(
    dovecot: Dovecot, user: User, jmap: JmapClient
) -> None:
    before = await ask(jmap, "Quota/get")
    unchanged = await ask(jmap, "Quota/changes", sinceState=before["state"])
    assert (unchanged["updated"], unchanged["updatedProperties"]) == ([], None)
    assert unchanged["newState"] == before["state"]
    store(dovecot, user, 100)
    back = {"resultOf": "c0", "name": "Quota/changes"}  # RFC 9425 §5.2
    (_, changes, _), (_, got, _) = await said(
        jmap,
        ("Quota/changes", {"sinceState": before["state"], "maxChanges": 20}),
        ("Quota/get", {"#ids": back | {"path": "/updated"}, "#properties": back | {"path": "/updatedProperties"}}),
    )
    quota_id = before["list"][0]["id"]
    assert (changes["created"], changes["updated"], changes["destroyed"]) == ([], [quota_id], [])
    assert (changes["updatedProperties"], changes["hasMoreChanges"]) == (["used"], False)
    (quota,) = got["list"]
    assert quota.keys() == {"id", "used"}
    assert 100_000 < quota["used"] < 110_000
    assert quota["used"] % 1024 == 0
    assert (changes["oldState"], changes["newState"]) == (before["state"], got["state"])


async def test_a_state_of_nobody_cannot_be_calculated_from(jmap: JmapClient) -> None:
    answers = await said(
        jmap,
        ("Quota/changes", {"sinceState": "1"}),
        ("Quota/queryChanges", {"sinceQueryState": "1"}),
    )
    assert [arguments["type"] for _, arguments, _ in answers] == ["cannotCalculateChanges"] * 2


async def test_a_quota_unknown_to_a_state_was_created_since(jmap: JmapClient) -> None:
    quotas = await ask(jmap, "Quota/get")
    changes = await ask(jmap, "Quota/changes", sinceState="q")
    assert (changes["created"], changes["updatedProperties"]) == ([quotas["list"][0]["id"]], None)


@pytest.mark.parametrize(
    ("condition", "matches"),
    [
        (None, True),
        ({}, True),
        ({"name": "User"}, True),
        ({"name": "user"}, False),
        ({"scope": "account"}, True),
        ({"scope": "domain"}, False),
        ({"resourceType": "octets"}, True),
        ({"resourceType": "count"}, False),
        ({"type": "Email"}, True),
        ({"type": "CalendarEvent"}, False),
        ({"name": "quota", "scope": "global"}, False),
        ({"operator": "NOT", "conditions": [{"scope": "domain"}]}, True),
    ],
)
async def test_a_query_finds_by_every_condition(jmap: JmapClient, condition: Any, matches: bool) -> None:
    (quota,) = (await ask(jmap, "Quota/get"))["list"]
    sort = [{"property": "used", "isAscending": False}, {"property": "name"}]
    answer = await ask(jmap, "Quota/query", filter=condition, sort=sort, calculateTotal=True)
    assert (answer["ids"], answer["total"]) == (([quota["id"]], 1) if matches else ([], 0))
    assert answer["canCalculateChanges"] is True


async def test_what_cannot_be_asked_is_refused(jmap: JmapClient) -> None:
    answers = await said(
        jmap,
        ("Quota/query", {"filter": {"used": 1}}),
        ("Quota/query", {"sort": [{"property": "hardLimit"}]}),
    )
    assert [arguments["type"] for _, arguments, _ in answers] == ["unsupportedFilter", "unsupportedSort"]


async def test_a_query_is_followed(dovecot: Dovecot, user: User, jmap: JmapClient) -> None:
    before = await ask(jmap, "Quota/query", filter={"type": "Email"})
    store(dovecot, user, 10)
    arguments = {"filter": {"type": "Email"}, "sinceQueryState": before["queryState"]}
    answer = await ask(jmap, "Quota/queryChanges", **arguments)
    (quota_id,) = before["ids"]
    assert (answer["removed"], answer["added"]) == ([quota_id], [{"id": quota_id, "index": 0}])
    same = await ask(jmap, "Quota/queryChanges", **arguments | {"sinceQueryState": answer["newQueryState"]})
    assert (same["removed"], same["added"]) == ([], [])


async def test_what_is_used_is_told_with_the_mail(dovecot: Dovecot, user: User, jmap: JmapClient) -> None:
    """RFC 8620 §7.1."""
    before = (await ask(jmap, "Quota/get"))["state"]
    headers = {"Last-Event-ID": feed.encode({jmap.account: {"Quota": before}})}
    async with jmap.http.get(jmap.event_source("Quota", closeafter="state"), headers=headers) as response:
        await asyncio.to_thread(store, dovecot, user, 10)
        text = await asyncio.wait_for(response.text(), 30)
    (line,) = [line for line in text.splitlines() if line.startswith("data: ")]
    changed = json.loads(line.removeprefix("data: "))["changed"]
    assert changed == {jmap.account: {"Quota": (await ask(jmap, "Quota/get"))["state"]}}
    assert changed[jmap.account]["Quota"] != before


async def test_a_client_that_knows_no_mail_sees_no_limit_of_mail(jmap: JmapClient) -> None:
    ((_, answer, _), (_, query, _)) = await said(jmap, ("Quota/get", {}), ("Quota/query", {}), mail=False)
    assert (answer["list"], query["ids"]) == ([], [])  # RFC 9425 §4.1


async def test_each_limit_of_a_root_is_a_quota(cyrus: Cyrus) -> None:
    user = fresh_user(cyrus)
    with imap_client(cyrus, user) as imap:  # the first login makes the mailboxes
        imap.append("INBOX", message(body="x" * 10_000))
    set_limits(cyrus, user, "(STORAGE 1000 MESSAGE 50)")
    async with running_gateway(cyrus) as url, jmap_client(url, user.name, user.password) as jmap:
        before = await ask(jmap, "Quota/get")
        quotas = {quota["resourceType"]: quota for quota in before["list"]}
        assert {kind: quota["hardLimit"] for kind, quota in quotas.items()} == {"octets": 1_024_000, "count": 50}
        assert quotas["count"]["used"] == 1
        by_use = [{"property": "used", "isAscending": False}]
        answer = await ask(jmap, "Quota/query", sort=by_use)
        assert answer["ids"] == [quotas["octets"]["id"], quotas["count"]["id"]]

        set_limits(cyrus, user, "(MESSAGE 60)")  # the one is changed, the other gone
        first = await ask(jmap, "Quota/changes", sinceState=before["state"], maxChanges=1)
        second = await ask(jmap, "Quota/changes", sinceState=first["newState"], maxChanges=1)
        assert (first["hasMoreChanges"], second["hasMoreChanges"]) == (True, False)
        assert first["updated"] + second["updated"] == [quotas["count"]["id"]]
        assert first["destroyed"] + second["destroyed"] == [quotas["octets"]["id"]]
        assert first["updatedProperties"] is second["updatedProperties"] is None
        after = await ask(jmap, "Quota/get", ids=[quota["id"] for quota in before["list"]])
        assert [quota["hardLimit"] for quota in after["list"]] == [60]
        assert (after["notFound"], after["state"]) == ([quotas["octets"]["id"]], second["newState"])


async def test_a_server_that_knows_limits_may_set_none(cyrus: Cyrus) -> None:
    user = fresh_user(cyrus)
    async with running_gateway(cyrus) as url, jmap_client(url, user.name, user.password) as jmap:
        before = await ask(jmap, "Quota/get")
        assert before["list"] == []
        set_limits(cyrus, user, "(MESSAGE 50)")  # the session that was given out says where to look
        answer = await ask(jmap, "Quota/changes", sinceState=before["state"])
        assert len(answer["created"]) == 1


@pytest.mark.parametrize(("rest", "is_asked_again"), [(900.0, False), (0.0, True)])
async def test_a_server_that_sets_no_limit_is_seldom_asked(
    cyrus: Cyrus, monkeypatch: pytest.MonkeyPatch, rest: float, is_asked_again: bool
) -> None:
    """However much comes in while somebody listens."""
    monkeypatch.setattr(owners, "UNLIMITED_SECONDS", rest)
    user = fresh_user(cyrus)
    async with FaultProxy(cyrus.host, cyrus.imap) as proxy:
        keys = {"backends__default__imap__host": proxy.host, "backends__default__imap__port": str(proxy.port)}
        async with (
            running_gateway(cyrus, **keys) as url,
            jmap_client(url, *user) as jmap,
            jmap.http.get(jmap.event_source("Email")) as events,
        ):
            assert b"connected" in await events.content.readline()
            await jmap.call("Email/get", ids=[])  # what comes before the first state is no change
            with imap_client(cyrus, user) as imap:
                for _ in range(4):  # what follows one change is done before the next is told
                    await asyncio.to_thread(imap.append, "INBOX", message())
                    await state_event(events)
        asked = proxy.count(rb"GETQUOTAROOT")
        assert asked >= 3 if is_asked_again else asked == 1


async def test_where_limits_are_unknown_there_is_no_capability(dovecot_plain: MailServer) -> None:
    user = fresh_user(dovecot_plain)
    async with running_gateway(dovecot_plain) as url, jmap_client(url, user.name, user.password) as jmap:
        assert QUOTA not in jmap.session["accounts"][jmap.account]["accountCapabilities"]
        assert QUOTA not in jmap.session["primaryAccounts"]
        ((name, error, _),) = await said(jmap, ("Quota/get", {}))
        assert (name, error["type"]) == ("error", "accountNotSupportedByMethod")
