"""The whole gateway on loopback, in this process, in front of a real mail server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.app import services
from gateway.config_file import load
from gateway.config_reader import Address
from gateway.web import server
from tests.servers.users import MailServer


@asynccontextmanager
async def running_gateway(backend: MailServer, **keys: str) -> AsyncIterator[str]:
    """The URL of a gateway while it runs; `keys` are further configuration keys, `section__key=value`."""
    wanted = {
        "backends__default__imap__host": backend.host,
        "backends__default__imap__port": str(backend.imap),
        "backends__default__imap__tls": "none",
        "store__kind": "memory",
    } | keys
    config = load(None, {f"JMAPGW__{name.upper()}": value for name, value in wanted.items()})
    async with services(config) as found:
        runner = await server.start(server.public_application(found), config.server, Address("127.0.0.1", 0))
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            found.drain.begin()
            await runner.cleanup()
