"""EmailPush (draft-ietf-jmap-emailpush-03): what of new mail is told right away."""

import asyncio
import json
from typing import Any

import pytest

from gateway.objects.mail.email_push import EMAIL_PUSH
from gateway.push import courier, email_push
from tests.client import CORE, MAIL, JmapClient
from tests.push.conftest import ask, read, subscribe
from tests.push.test_pushing import append, email_state
from tests.servers.imap_client import ImapClient
from tests.servers.push_service import PushService, Subscriber

USING = (CORE, MAIL, EMAIL_PUSH)
MAILS = {"properties": ["from", "subject", "id"], "filter": None}


async def test_the_capability(jmap: JmapClient) -> None:
    assert jmap.session["capabilities"][EMAIL_PUSH] == {}  # §2.1
    assert jmap.session["accounts"][jmap.account]["accountCapabilities"][EMAIL_PUSH] == {}


async def test_new_mail_is_told_with_what_was_asked_for(
    jmap: JmapClient, service: PushService, imap: ImapClient
) -> None:
    subscriber = Subscriber()
    inbox = (await jmap.mailbox_ids())["Inbox"]
    config = {"filter": {"inMailbox": inbox}, "properties": ["from", "subject", "id"], "urgency": "high"}
    await subscribe(jmap, service, subscriber, using=USING, types=[], emailPush={jmap.account: config})
    await append(imap)
    taken = await service.next()
    ids = (await jmap.call("Email/query"))["ids"]
    assert taken.headers["Urgency"] == "high"
    assert subscriber.read(taken) == {
        "@type": "EmailPush",
        "accountId": jmap.account,
        "emails": [{"from": [{"name": "Ann", "email": "a@example.org"}], "subject": "News", "id": ids[0]}],
        "state": await email_state(jmap),  # §3: as Email/get returns
    }
    # neither a flag nor what does not pass the filter is new mail there; types is [], so no state is told
    await jmap.call("Email/set", update={ids[0]: {"keywords/$seen": True}})
    await asyncio.to_thread(imap.create, "Other")
    await asyncio.to_thread(imap.append, "Other", b"Subject: elsewhere\r\n\r\n")
    await asyncio.to_thread(imap.append, "INBOX", b"Subject: draft\r\n\r\n", ("\\Draft",))
    await jmap.call("Email/query")
    await append(imap)
    (second,) = subscriber.read(await service.next())["emails"]
    assert second["subject"] == "News"
    assert second["id"] != ids[0]
    assert service.taken == []


async def test_states_and_emails_of_one_subscription(jmap: JmapClient, service: PushService, imap: ImapClient) -> None:
    await subscribe(jmap, service, using=USING, types=["Email"], emailPush={jmap.account: MAILS})
    await append(imap)
    kinds = [json.loads((await service.next()).body)["@type"] for _ in range(2)]
    assert kinds == ["StateChange", "EmailPush"]


async def test_what_failed_is_told_again_with_what_came_since(
    jmap: JmapClient, service: PushService, imap: ImapClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier, "FIRST_PAUSE", 0.2)
    await subscribe(jmap, service, using=USING, types=[], emailPush={jmap.account: MAILS})
    service.usual = 503, {}
    await append(imap)
    assert len(read(await service.next())["emails"]) == 1
    await append(imap)
    while len(read(await service.next())["emails"]) == 1:  # attempts from before
        pass
    service.usual = 201, {}
    while (told := await service.next()).status == 503:
        pass
    assert len(read(told)["emails"]) == 2


@pytest.mark.parametrize(
    "config",
    [
        {"filter": {"unknown": 1}, "properties": []},
        {"filter": {"inMailbox": 5}, "properties": []},
        {"filter": "x", "properties": []},
        {"filter": None, "properties": ["from", "nonsense"]},
        {"filter": None},
        {"filter": None, "properties": [], "urgency": "now"},
        {"filter": None, "properties": [], "more": 1},
    ],
)
async def test_a_config_that_can_not_be_followed(
    jmap: JmapClient, service: PushService, config: dict[str, Any]
) -> None:
    record = {"deviceClientId": "d", "url": service.url(), "emailPush": {jmap.account: config}}
    answer = await ask(jmap, "PushSubscription/set", USING, create={"s": record})
    assert answer["notCreated"]["s"]["type"] == "invalidProperties"
    assert answer["notCreated"]["s"]["properties"] == ["emailPush"]


async def test_only_for_accounts_of_the_login(jmap: JmapClient, service: PushService) -> None:
    record = {"deviceClientId": "d", "url": service.url(), "emailPush": {"a123": MAILS}}
    answer = await ask(jmap, "PushSubscription/set", USING, create={"s": record})
    assert answer["notCreated"]["s"]["properties"] == ["emailPush"]


async def test_the_property_comes_with_the_capability(jmap: JmapClient, service: PushService) -> None:
    """RFC 8620 §1.8: without it in `using` there is no such property."""
    config = {jmap.account: MAILS}
    record = {"deviceClientId": "d", "url": service.url(), "emailPush": config}
    answer = await ask(jmap, "PushSubscription/set", create={"s": record})
    assert answer["notCreated"]["s"]["properties"] == ["emailPush"]
    subscription = await subscribe(jmap, service)
    patch = {subscription: {"emailPush": config}}
    answer = await ask(jmap, "PushSubscription/set", update=patch)
    assert answer["notUpdated"][subscription]["properties"] == ["emailPush"]
    (plain,) = (await ask(jmap, "PushSubscription/get", ids=None))["list"]
    assert "emailPush" not in plain
    answer = await ask(jmap, "PushSubscription/set", USING, update=patch)
    assert answer["updated"] == {subscription: None}
    (shown,) = (await ask(jmap, "PushSubscription/get", USING, ids=None))["list"]
    assert shown["emailPush"] == config


def test_what_has_no_room_is_left_out_in_order() -> None:
    """§3: properties MUST be added in order, and omitted where they would exceed the size."""
    small = {"subject": "s" * 100, "id": "e1"}
    large = {"subject": "ok", "preview": "p" * 5000, "id": "e2"}
    made = [json.loads(body) for body in email_push.messages("a1", [small, large, small, *[small] * 60], "s-1", 4000)]
    emails = [email for message in made for email in message["emails"]]
    assert emails[:3] == [small, {"subject": "ok", "id": "e2"}, small]
    assert len(emails) == 63
    assert 1 < len(made) < 4
    assert all(message["accountId"] == "a1" and message["state"] == "s-1" for message in made)
    assert max(map(len, email_push.messages("a1", [large] * 300, "s-1", 4000))) <= 4000
