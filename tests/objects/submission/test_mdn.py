"""MDN/send and MDN/parse on Dovecot and Postfix (RFC 9007)."""

from typing import Any

from gateway.objects.submission.mdn import MDN
from tests.client import CORE, MAIL, JmapClient
from tests.objects.submission.sending import SUBMISSION, draft, eventually, identity, inbox, send
from tests.servers.users import User

USING = (CORE, MAIL, SUBMISSION, MDN)
DISPLAYED = {"actionMode": "manual-action", "sendingMode": "mdn-sent-manually", "type": "displayed"}


async def call(client: JmapClient, name: str, **arguments: Any) -> list[tuple[str, dict[str, Any]]]:
    return [(answered, given) for answered, given, _ in await client.sentences((name, arguments), using=USING)]


async def asked(client: JmapClient, mine: User, yours: User, **fields: str) -> str:
    """Alice writes to bob and asks for a receipt; the Message-ID of what she sent."""
    sender = f"{mine.name}@example.org"
    fields = {"Disposition_Notification_To": sender, "Message_ID": f"<{yours.name}@example.org>"} | fields
    email_id = await draft(client, sender, f"{yours.name}@example.org", **fields)
    answer = await send(client, email_id)
    assert answer["notCreated"] is None, answer
    return f"<{yours.name}@example.org>"


async def received(client: JmapClient) -> dict[str, Any]:
    async def look() -> Any:
        return await inbox(client, "id", "blobId", "keywords", "subject", "attachments", "bodyStructure", "headers")

    found: dict[str, Any] = (await eventually(look))[0]
    return found


async def receipt(client: JmapClient, email_id: str, **given: Any) -> dict[str, Any]:
    """The arguments of MDN/send of one MDN that marks its Email."""
    mine = await identity(client)
    return {
        "identityId": mine["id"],
        "send": {"k": {"forEmailId": email_id, "disposition": DISPLAYED, **given}},
        "onSuccessUpdateEmail": {"#k": {"keywords/$mdnsent": True}},
    }


async def test_a_receipt_there_and_back(alice: JmapClient, alice_user: User, bob: JmapClient, bob_user: User) -> None:
    assert bob.session["accounts"][bob.account]["accountCapabilities"][MDN] == {}  # §1.3
    message_id = await asked(alice, alice_user, bob_user)
    email = await received(bob)
    extension = {"X-Reader": "tea leaves"}
    arguments = await receipt(
        bob, email["id"], reportingUA="pc.example.org; Mail 1", includeOriginalMessage=True, extensionFields=extension
    )
    (name, answer), (implicit, update) = await call(bob, "MDN/send", **arguments)
    assert (name, implicit) == ("MDN/send", "Email/set")
    sent = answer["sent"]["k"]
    assert sent["finalRecipient"] == f"rfc822; {bob_user.name}@example.org"
    assert sent["originalMessageId"] == message_id
    assert "disposition" not in sent
    assert update["updated"] == {email["id"]: None}
    assert (await received(bob))["keywords"] == {"$mdnsent": True}

    came = await received(alice)
    assert came["subject"] == "Read receipt: Tea"
    # RFC 8098 §2.1: nothing ever answers
    (path,) = [one["value"].strip() for one in came["headers"] if one["name"].lower() == "return-path"]
    assert path == "<>"
    assert came["bodyStructure"]["type"] == "multipart/report"
    ((_, parsed),) = await call(alice, "MDN/parse", blobIds=[came["blobId"], email["blobId"], "nonsense"])
    mdn = parsed["parsed"][came["blobId"]]
    assert mdn["disposition"] == DISPLAYED
    (original,) = (await alice.call("Email/query", filter={"header": ["Message-ID", message_id]}))["ids"]
    assert mdn["forEmailId"] == original
    assert (mdn["originalMessageId"], mdn["finalRecipient"]) == (message_id, sent["finalRecipient"])
    assert (mdn["reportingUA"], mdn["includeOriginalMessage"]) == ("pc.example.org; Mail 1", True)
    assert mdn["extensionFields"] == extension
    assert mdn["textBody"].startswith("This receipt says")
    assert set(parsed["notFound"]) == {email["blobId"], "nonsense"}  # bob's blob is not alice's
    await draft(alice, f"{alice_user.name}@example.org", "x@example.org", Message_ID=message_id)
    ((_, parsed),) = await call(alice, "MDN/parse", blobIds=[came["blobId"]])
    assert parsed["parsed"][came["blobId"]]["forEmailId"] is None  # §2.2: several Emails have the Message-ID
    # §2.1: once is enough
    ((_, again),) = await call(bob, "MDN/send", **arguments)
    assert again["notSent"]["k"]["type"] == "mdnAlreadySent"


async def test_what_is_refused(alice: JmapClient, alice_user: User, bob: JmapClient, bob_user: User) -> None:
    email_id = await draft(bob, f"{bob_user.name}@example.org", "x@example.org")

    async def refused(**given: Any) -> dict[str, Any]:
        arguments = await receipt(bob, email_id, **given)
        ((_, answer),) = await call(bob, "MDN/send", **arguments)
        error: dict[str, Any] = answer["notSent"]["k"]
        return error

    assert (await refused())["type"] == "notFound"  # nobody asked for a receipt
    assert (await refused(forEmailId="nonsense"))["type"] == "notFound"
    await asked(alice, alice_user, bob_user)
    email_id = (await received(bob))["id"]
    assert (await refused(finalRecipient="rfc822; other@example.org"))["type"] == "forbiddenFrom"
    for name, value in {
        "originalRecipient": "rfc822; x@example.org",
        "disposition": {"actionMode": "manual-action"},
        "subject": 1,
        "extensionFields": {"Disposition": "x"},
        "reportingUA": "a\r\nBcc: b@example.org",
        "nonsense": True,
    }.items():
        error = await refused(**{name: value})
        assert (error["type"], error["properties"]) == ("invalidProperties", [name])
    parsable = await call(bob, "MDN/parse", blobIds=[(await received(bob))["blobId"]])
    assert len(parsable[0][1]["notParsable"]) == 1


async def test_the_email_must_be_marked(bob: JmapClient, bob_user: User) -> None:
    email_id = await draft(bob, f"{bob_user.name}@example.org", "x@example.org")
    whole = await receipt(bob, email_id)
    for update in (None, {"#k": {"keywords/$seen": True}}, {"#other": {"keywords/$mdnsent": True}}):
        ((name, error),) = await call(bob, "MDN/send", **{**whole, "onSuccessUpdateEmail": update})
        assert (name, error["type"]) == ("error", "invalidArguments")
    ((name, error),) = await call(bob, "MDN/send", **{**whole, "identityId": "nonsense"})
    assert (name, error["type"]) == ("error", "invalidArguments")
