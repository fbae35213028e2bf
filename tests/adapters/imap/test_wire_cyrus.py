"""The connection against a real Cyrus: DEFLATE, literals, its stray `* BAD Invalid tag`."""

import pytest

from adapters.errors import AdapterError
from adapters.imap import encoder as e
from adapters.imap.connection import Connection, Credentials, Endpoint
from adapters.imap.responses import fetch_items
from tests.servers.cyrus import Cyrus
from tests.servers.users import fresh_user

MESSAGE = b"From: a@example.org\r\nSubject: one\r\n\r\n" + b"body of a line\r\n" * 20_000


@pytest.mark.parametrize("compress", [False, True])
async def test_cyrus(cyrus: Cyrus, compress: bool) -> None:
    user = fresh_user(cyrus)
    endpoint = Endpoint(cyrus.host, cyrus.imap, "none", compress=compress)
    connection = await Connection.open(endpoint, Credentials(*user))
    assert b"QRESYNC" in connection.enabled
    await connection.append("INBOX", ["\\Seen"], None, MESSAGE)
    await connection.select("INBOX")
    assert connection.selected_readonly
    got: list[bytes] = []
    await connection.literal_to("UID FETCH", e.seqset([1]), e.fetch_item("BODY.PEEK[]"), sink=got.append)
    assert b"".join(got) == MESSAGE
    assert max(map(len, got)) <= 64 * 1024
    with pytest.raises(AdapterError):
        status = e.paren(e.atom("STATUS"), e.paren(e.atom("X-GUID")))
        await connection.command("LIST", e.mailbox(""), e.mailbox("*"), e.atom("RETURN"), status)
    flags = await connection.command("UID FETCH", e.seqset([1]), e.fetch_item("FLAGS"))
    assert fetch_items(flags.of(b"FETCH")[0])[b"UID"] == b"1"
    await connection.logout()
