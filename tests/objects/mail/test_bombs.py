"""Messages made to cost much, in the mailbox: the list is served, each can be opened, whole or in pieces; none harms
its neighbour. That the time is linear is shown in tests/formats/mail/test_hostile.py."""

from typing import Any

import pytest

from adapters.formats.mime import MAX_DEPTH, MAX_PARTS
from tests.client import JmapClient
from tests.objects.mail.messages import message
from tests.servers.imap_client import ImapClient


def multipart(boundary: str, body: str) -> str:
    return f'Content-Type: multipart/mixed; boundary="{boundary}"\r\n\r\n{body}'


def nested(levels: int) -> str:
    inner = "Content-Type: text/plain\r\n\r\ndeep\r\n"
    for level in range(levels):
        inner = multipart(f"n{level}", f"--n{level}\r\n{inner}\r\n--n{level}--\r\n")
    return inner


HEAD = "From: a@example.org\r\nSubject: bomb\r\nMIME-Version: 1.0\r\n"
BOMBS = {
    "multiparts in multiparts": nested(4 * MAX_DEPTH),
    "many parts": multipart("p", "--p\r\n\r\nx\r\n" * (3 * MAX_PARTS) + "--p--\r\n"),
    "parts without an end": multipart("p", "--p\r\n" * 20_000),
    "messages in messages": "Content-Type: message/rfc822\r\n\r\n" * 1_000 + "\r\nx\r\n",
    "one boundary all the way": multipart("b", f"--b\r\n{multipart('b', '')}" * 500),
    "many header fields": "X-A: b\r\n" * 20_000 + "\r\nx\r\n",
    "many parameters": "Content-Type: text/plain" + ";\r\n n*1*=x" * 10_000 + "\r\n\r\nx\r\n",
    "elements in elements": "Content-Type: text/html\r\n\r\n" + ("<div>" * 10 + "\r\n") * 10_000,
    "base64 that is none": "Content-Transfer-Encoding: base64\r\n\r\n" + ("=" * 76 + "\r\n") * 5_000,
}
FULL: dict[str, Any] = {
    "properties": ["subject", "preview", "hasAttachment", "bodyStructure", "textBody", "attachments", "bodyValues"],
    "fetchAllBodyValues": True,
}


@pytest.mark.parametrize("limit", [0, 1 << 30], ids=["in pieces", "whole"])
async def test_bombs_in_the_mailbox(
    jmap: JmapClient, imap: ImapClient, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    imap.append("INBOX", message("neighbour"))
    kept = {}
    for number, (name, rest) in enumerate(BOMBS.items()):
        octets = (HEAD.replace("bomb", f"bomb {number}") + rest).encode()
        if imap.imap.append("INBOX", "", "", octets)[0] == "OK":  # a server may refuse one
            kept[f"bomb {number}"] = name
    assert len(kept) >= len(BOMBS) - 1
    monkeypatch.setattr("gateway.objects.mail.wanted.WHOLE_LIMIT", limit)
    ids = (await jmap.call("Email/query"))["ids"]
    listed = await jmap.call("Email/get", ids=ids, properties=["subject", "preview", "hasAttachment"])
    assert {email["subject"] for email in listed["list"]} == {*kept, "neighbour"}
    for email in listed["list"]:
        answer = await jmap.call("Email/get", ids=[email["id"]], **FULL)
        (full,) = answer["list"]
        assert full["subject"] == email["subject"], kept
        assert 1 <= parts(full["bodyStructure"]) <= MAX_PARTS + MAX_DEPTH, kept.get(email["subject"])
        assert depth(full["bodyStructure"]) <= MAX_DEPTH + 1, kept.get(email["subject"])


def parts(part: dict[str, Any]) -> int:
    return 1 + sum(map(parts, part.get("subParts") or []))


def depth(part: dict[str, Any]) -> int:
    return 1 + max(map(depth, part.get("subParts") or []), default=0)
