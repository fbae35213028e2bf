"""A mail server behind a narrow line: compressed connections (RFC 4978) through the whole gateway."""

import pytest

from tests.client import jmap_client
from tests.faults.proxy import FaultProxy
from tests.gateway import running_gateway
from tests.objects.mail.messages import message
from tests.servers.cyrus import Cyrus
from tests.servers.imap_client import imap_client
from tests.servers.users import fresh_user


@pytest.mark.parametrize("compress", ["true", "false"])
async def test_connections_are_compressed_where_that_is_wanted(cyrus: Cyrus, compress: str) -> None:
    user, body = fresh_user(cyrus), "All of it.\r\n" * 20_000
    with imap_client(cyrus, user) as imap:
        imap.append("INBOX", message("long", body=body))
    async with FaultProxy(cyrus.host, cyrus.imap) as proxy:
        keys = {"host": proxy.host, "port": str(proxy.port), "compress": compress}
        section = {f"backends__default__imap__{name}": value for name, value in keys.items()}
        async with running_gateway(cyrus, **section) as url, jmap_client(url, *user) as jmap:
            asked = {"properties": ["bodyValues"], "fetchTextBodyValues": True}
            (email,) = (await jmap.call("Email/get", ids=None, **asked))["list"]
            (value,) = email["bodyValues"].values()
            assert value["value"] == body.replace("\r\n", "\n")
        octets = len(proxy.transcript("server"))
    assert octets < len(body) / 4 if compress == "true" else octets > len(body)
