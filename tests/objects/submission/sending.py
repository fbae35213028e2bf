"""What the submission tests share: drafts, and calls with the right `using`."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from tests.client import CORE, MAIL, JmapClient, Sentence

SUBMISSION = "urn:ietf:params:jmap:submission"
USING = (CORE, MAIL, SUBMISSION)


async def call(client: JmapClient, name: str, **arguments: Any) -> dict[str, Any]:
    """The arguments of the first response of a call that succeeds."""
    answered, given, _ = (await sentences(client, name, **arguments))[0]
    assert answered == name, given
    return given


async def sentences(client: JmapClient, name: str, **arguments: Any) -> list[Sentence]:
    return await client.sentences((name, arguments), using=USING)


async def identity(client: JmapClient) -> dict[str, Any]:
    found: dict[str, Any] = (await call(client, "Identity/get", ids=None))["list"][0]
    return found


async def mailbox(client: JmapClient, role: str) -> str:
    """The Mailbox of a role, made if need be."""
    boxes = await client.call("Mailbox/get", ids=None, properties=["role"])
    for box in boxes["list"]:
        if box["role"] == role:
            return str(box["id"])
    made = await client.call("Mailbox/set", create={"b": {"name": role.capitalize(), "role": role}})
    return str(made["created"]["b"]["id"])


async def draft(client: JmapClient, sender: str, to: str, text: str = "Hello", **fields: str) -> str:
    """The id of a draft that is imported as it is."""
    lines = {"From": sender, "To": to, "Subject": "Tea", "Message-ID": "<tea@example.org>"} | fields
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items())
    return await imported(client, f"{head}\r\n{text}\r\n".encode())


async def imported(client: JmapClient, message: bytes) -> str:
    blob = await client.upload(message, "message/rfc822")
    box = await mailbox(client, "drafts")
    email = {"blobId": blob["blobId"], "mailboxIds": {box: True}, "keywords": {"$draft": True, "$seen": True}}
    made = await client.call("Email/import", emails={"d": email})
    assert made["created"], made
    return str(made["created"]["d"]["id"])


async def send(client: JmapClient, email_id: str, envelope: Any = None, **arguments: Any) -> dict[str, Any]:
    """The answer of EmailSubmission/set that creates "s"."""
    wanted = {"identityId": (await identity(client))["id"], "emailId": email_id, "envelope": envelope}
    return await call(client, "EmailSubmission/set", create={"s": wanted}, **arguments)


def to(*emails: str, sender: str) -> dict[str, Any]:
    return {"mailFrom": {"email": sender}, "rcptTo": [{"email": email} for email in emails]}


async def eventually(check: Callable[[], Awaitable[Any]]) -> Any:
    """What the check gives as soon as that is true."""
    for _ in range(200):
        if found := await check():
            return found
        await asyncio.sleep(0.05)
    raise AssertionError("it never came true")


async def inbox(client: JmapClient, *properties: str) -> list[dict[str, Any]]:
    """The Emails of the INBOX."""
    box = await mailbox(client, "inbox")
    found = await client.call("Email/query", filter={"inMailbox": box})
    emails: list[dict[str, Any]] = (
        await client.call("Email/get", ids=found["ids"], properties=[*properties], fetchAllBodyValues=True)
    )["list"]
    return emails
