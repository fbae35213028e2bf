"""A small JMAP client for the tests, in the words of the protocol: calls are answered by sentences."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, BinaryIO

import aiohttp

CORE = "urn:ietf:params:jmap:core"
MAIL = "urn:ietf:params:jmap:mail"

Sentence = tuple[str, dict[str, Any], str]
"""A method response: name, arguments, method call id (RFC 8620 §3.2)."""


class JmapClient:
    """One user of one gateway. `account` is the primary mail account unless it is changed."""

    def __init__(self, http: aiohttp.ClientSession, url: str, session: Mapping[str, Any]) -> None:
        self.http = http
        self.url = url
        self.session = session
        self.account: str = session["primaryAccounts"].get(MAIL, "")

    async def request(
        self, calls: Sequence[Sequence[Any]], using: Sequence[str] = (CORE, MAIL), **members: Any
    ) -> dict[str, Any]:
        """The whole response object (RFC 8620 §3.4) of a request that is not refused."""
        body = {"using": list(using), "methodCalls": [list(call) for call in calls], **members}
        async with self.http.post(self.session["apiUrl"], json=body) as answer:
            assert answer.status == 200, await answer.text()
            response: dict[str, Any] = await answer.json()
            return response

    async def sentences(
        self, *calls: tuple[str, dict[str, Any]], using: Sequence[str] = (CORE, MAIL)
    ) -> list[Sentence]:
        """The sentences for these calls, whose method call ids are c0, c1…; `accountId` is added."""
        numbered = [(name, {"accountId": self.account} | given, f"c{i}") for i, (name, given) in enumerate(calls)]
        response = await self.request(numbered, using)
        return [(name, given, call_id) for name, given, call_id in response["methodResponses"]]

    async def call(self, name: str, **arguments: Any) -> dict[str, Any]:
        """The arguments of the one response of a call that succeeds."""
        ((answered, given, _),) = await self.sentences((name, arguments))
        assert answered == name, given
        return given

    async def error(self, name: str, **arguments: Any) -> dict[str, Any]:
        """The arguments of the error that a call is answered with (RFC 8620 §3.6.2)."""
        ((answered, given, _),) = await self.sentences((name, arguments))
        assert answered == "error", given
        return given

    async def upload(self, data: bytes | BinaryIO, content_type: str = "application/octet-stream") -> dict[str, Any]:
        """The answer to an upload (RFC 8620 §6.1)."""
        url = self.session["uploadUrl"].replace("{accountId}", self.account)
        async with self.http.post(url, data=data, headers={"Content-Type": content_type}) as answer:
            assert answer.status == 200, await answer.text()
            blob: dict[str, Any] = await answer.json()
            return blob

    async def download(self, blob_id: str, content_type: str = "application/octet-stream") -> bytes:
        """The octets of a blob (RFC 8620 §6.2)."""
        async with self.http.get(self.download_url(blob_id, content_type)) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.read()

    def event_source(self, *types: str, closeafter: str = "no") -> str:
        """The URL of the event source (RFC 8620 §7.3) for these types, without pings."""
        url: str = self.session["eventSourceUrl"]
        for name, value in {"types": ",".join(types), "closeafter": closeafter, "ping": "0"}.items():
            url = url.replace(f"{{{name}}}", value)
        return url

    def download_url(self, blob_id: str, content_type: str = "application/octet-stream", name: str = "file") -> str:
        """The download URL with its variables filled in."""
        url: str = self.session["downloadUrl"]
        values = {"accountId": self.account, "blobId": blob_id, "type": content_type.replace("/", "%2F"), "name": name}
        for variable, value in values.items():
            url = url.replace(f"{{{variable}}}", value)
        return url

    async def mailbox_ids(self) -> dict[str, str]:
        """Mailbox name -> id."""
        boxes = await self.call("Mailbox/get", ids=None, properties=["name"])
        return {box["name"]: box["id"] for box in boxes["list"]}


@asynccontextmanager
async def jmap_client(url: str, username: str, password: str) -> AsyncIterator[JmapClient]:
    """A client that has fetched its session."""
    headers = {"Authorization": aiohttp.encode_basic_auth(username, password)}
    async with aiohttp.ClientSession(headers=headers) as http:
        async with http.get(f"{url}/.well-known/jmap") as answer:
            assert answer.status == 200, await answer.text()
            session = await answer.json()
        yield JmapClient(http, url, session)
