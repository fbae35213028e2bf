"""A DAV server that says what a test wants: a table of answers, octets as they go over the wire."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

MULTISTATUS = "application/xml; charset=utf-8"


@dataclass(frozen=True)
class Reply:
    """One answer. cut: how many octets of the body are sent before the connection breaks. wait: seconds of silence.

    drip: seconds between two octets.
    """

    status: int = 207
    body: bytes | str = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None
    wait: float = 0.0
    drip: float = 0.0

    def octets(self) -> bytes:
        """The whole answer, with its Content-Length."""
        body = self.body.encode() if isinstance(self.body, str) else self.body
        head = {"Content-Type": MULTISTATUS, "Content-Length": str(len(body)), **self.headers}
        lines = [f"HTTP/1.1 {self.status} Said", *(f"{name}: {value}" for name, value in head.items() if value)]
        sent = body if self.cut is None else body[: self.cut]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + sent


@dataclass(frozen=True)
class Heard:
    """One request."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class ScriptedDav:
    """Answers requests out of `table`: (method, path) -> replies, the last of which stays.

    Whatever is not in the table is 404. heard: all requests; connections: how many were opened.
    """

    table: dict[tuple[str, str], list[Reply]]
    url: str = ""
    heard: list[Heard] = field(default_factory=list)
    connections: int = 0

    def said(self, method: str) -> list[Heard]:
        """The requests of one method."""
        return [request for request in self.heard if request.method == method]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.heard.append(Heard(method, path, headers, body))
        replies = self.table.get((method, path), [Reply(404)])
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        await asyncio.sleep(reply.wait)
        if reply.drip:
            for octet in reply.octets():
                writer.write(bytes([octet]))
                await writer.drain()
                await asyncio.sleep(reply.drip)
        writer.write(b"" if reply.drip else reply.octets())
        await writer.drain()
        return reply.cut is None


@asynccontextmanager
async def scripted_dav(
    table: Mapping[tuple[str, str], Reply | list[Reply]], tls: ssl.SSLContext | None = None
) -> AsyncIterator[ScriptedDav]:
    """A scripted server for as long as the context lasts."""
    script = ScriptedDav({key: list(value) if isinstance(value, list) else [value] for key, value in table.items()})
    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(script.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    script.url = f"http{'s' if tls else ''}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield script
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def multistatus(*responses: str, extra: str = "") -> str:
    """A 207 body."""
    return (
        '<?xml version="1.0" encoding="utf-8"?><D:multistatus xmlns:D="DAV:" '
        'xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:A="urn:ietf:params:xml:ns:carddav" '
        'xmlns:CS="http://calendarserver.org/ns/">'
        f"{''.join(responses)}{extra}</D:multistatus>"
    )


def found(href: str, properties: str) -> str:
    """A response with properties of status 200."""
    return (
        f"<D:response><D:href>{href}</D:href><D:propstat><D:prop>{properties}</D:prop>"
        "<D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>"
    )


def etag(href: str, value: str) -> str:
    """A resource with its ETag."""
    return found(href, f'<D:getetag>"{value}"</D:getetag><D:resourcetype/>')


def status(href: str, code: int) -> str:
    """A response that is a status for the whole resource."""
    return f"<D:response><D:href>{href}</D:href><D:status>HTTP/1.1 {code} Said</D:status></D:response>"


def token(value: str) -> str:
    """The sync token of an answer."""
    return f"<D:sync-token>{value}</D:sync-token>"


def error(*conditions: str) -> str:
    """A DAV:error body; names without a prefix are CalDAV's."""
    inner = "".join(f"<{name if ':' in name else 'C:' + name}/>" for name in conditions)
    names = 'xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:A="urn:ietf:params:xml:ns:carddav"'
    return f"<D:error {names}>{inner}</D:error>"


def home_server(
    well_known: str, home: str = "/h/", about: str = "", listing: str = "", **headers: str
) -> dict[tuple[str, str], Reply]:
    """A server whose principal is /p/: its discovery, OPTIONS, and the listing of the home."""
    home_set = {"caldav": "C:calendar-home-set", "carddav": "A:addressbook-home-set"}[well_known]
    principal = f"<{home_set}><D:href>{home}</D:href></{home_set}>{about}"
    current = "<D:current-user-principal><D:href>/p/</D:href></D:current-user-principal>"
    itself = found(home, "<D:resourcetype><D:collection/></D:resourcetype>")
    return {
        ("PROPFIND", f"/.well-known/{well_known}"): Reply(301, headers={"Location": "/"}),
        ("PROPFIND", "/"): Reply(body=multistatus(found("/", current))),
        ("PROPFIND", "/p/"): Reply(body=multistatus(found("/p/", principal + current))),
        ("OPTIONS", home): Reply(200, headers={name.replace("_", "-"): value for name, value in headers.items()}),
        ("PROPFIND", home): Reply(body=multistatus(itself, listing)),
    }
