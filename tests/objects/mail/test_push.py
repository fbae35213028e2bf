"""What other clients do is told while somebody listens, by event source and by WebSocket (RFC 8620 §7.3, RFC 8887)."""

import asyncio
import json
from typing import Any

import aiohttp

from tests.client import JmapClient
from tests.objects.mail.conftest import Tier
from tests.servers.imap_client import ImapClient

MESSAGE = b"From: a@example.org\r\nSubject: News\r\n\r\nText\r\n"


async def state_event(response: aiohttp.ClientResponse) -> Any:
    """The data of the next state event."""
    async with asyncio.timeout(20):
        while True:
            line = (await response.content.readline()).decode()
            if line.startswith("data: ") and '"StateChange"' in line:
                return json.loads(line.removeprefix("data: "))


async def states(jmap: JmapClient) -> dict[str, str]:
    return {name: (await jmap.call(f"{name}/get", ids=[]))["state"] for name in ("Email", "Mailbox", "Thread")}


async def told(response: aiohttp.ClientResponse, jmap: JmapClient) -> dict[str, str]:
    """The states that are told until they are those that /get returns (RFC 8620 §7.1), by however many events."""
    heard: dict[str, str] = {}
    while True:
        changed = (await state_event(response))["changed"]
        assert changed.keys() == {jmap.account}
        heard |= changed[jmap.account]
        now = await states(jmap)
        if all(now[name] == state for name, state in heard.items() if name in now):
            return heard


async def test_new_mail_is_told_to_an_event_source(tier: Tier, jmap: JmapClient, imap: ImapClient) -> None:
    url = jmap.event_source("Email", "Mailbox")
    before = await states(jmap)
    async with jmap.http.get(url) as response:
        assert b"connected" in await response.content.readline()
        await asyncio.to_thread(imap.append, "INBOX", MESSAGE)
        assert set(await told(response, jmap)) == {"Email", "Mailbox"}
        answer = await jmap.call("Email/changes", sinceState=before["Email"])
        assert len(answer["created"]) == 1


async def test_email_delivery_is_told_of_new_mail_only(tier: Tier, jmap: JmapClient, imap: ImapClient) -> None:
    """RFC 8621 §1.5: its state changes whenever an Email is added, and upon nothing else."""
    imap.append("INBOX", MESSAGE)
    (email_id,) = (await jmap.call("Email/query"))["ids"]
    url = jmap.event_source("EmailDelivery", "Mailbox")
    async with jmap.http.get(url) as response:
        assert b"connected" in await response.content.readline()
        await jmap.call("Email/set", update={email_id: {"keywords/$seen": True}})
        assert set(await told(response, jmap)) == {"Mailbox"}
        # another message: to Cyrus the same one again is the same Email
        await asyncio.to_thread(imap.append, "INBOX", MESSAGE + b"more\r\n")
        assert set(await told(response, jmap)) == {"Mailbox", "EmailDelivery"}
        await jmap.call("Email/set", update={email_id: {"keywords/$flagged": True, "keywords/$seen": None}})
        assert set(await told(response, jmap)) == {"Mailbox"}


async def test_a_flag_is_told_over_websocket(tier: Tier, jmap: JmapClient, imap: ImapClient) -> None:
    imap.append("INBOX", MESSAGE)
    known = await states(jmap)
    url = jmap.session["capabilities"]["urn:ietf:params:jmap:websocket"]["url"]
    async with jmap.http.ws_connect(url, protocols=("jmap",)) as socket:
        await socket.send_json({"@type": "WebSocketPushEnable", "dataTypes": ["Email"]})
        await socket.send_json({"@type": "Request", "using": [], "methodCalls": []})
        assert (await socket.receive_json(timeout=20))["@type"] == "Response"

        def flag() -> None:
            imap.select("INBOX")
            imap.flag("INBOX", imap.uids("INBOX")[0], "+FLAGS", "\\Flagged")

        await asyncio.to_thread(flag)
        flagged = await caught_up(socket, jmap)
        assert flagged["changed"][jmap.account]["Email"] != known["Email"]
    # what happens while the client is away is told at once when it returns (RFC 8887 §4.3.5.2)
    await asyncio.to_thread(imap.append, "INBOX", MESSAGE + b"and more\r\n")
    async with jmap.http.ws_connect(url, protocols=("jmap",)) as socket:
        enable = {"@type": "WebSocketPushEnable", "dataTypes": ["Email"], "pushState": flagged["pushState"]}
        await socket.send_json(enable)
        assert (await caught_up(socket, jmap))["pushState"] != flagged["pushState"]


async def caught_up(socket: aiohttp.ClientWebSocketResponse, jmap: JmapClient) -> Any:
    """The message that tells the state of Email that /get returns; it may not be the first one that comes."""
    while True:
        message = await socket.receive_json(timeout=20)
        assert message["changed"].keys() == {jmap.account}
        assert message["changed"][jmap.account].keys() == {"Email"}
        if message["changed"][jmap.account] == {"Email": (await states(jmap))["Email"]}:
            return message
