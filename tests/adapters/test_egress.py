"""Where the gateway may connect to on the word of others."""

import ipaddress
import socket

import aiohttp
import pytest
from aiohttp import web

from adapters.egress import is_allowed, socket_factory

HERE = [ipaddress.ip_network("127.0.0.0/8")]


@pytest.mark.parametrize("address", ["192.0.43.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:1.1.1.1"])
def test_public_addresses(address: str) -> None:
    assert is_allowed(address)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.100.100.200", "0.0.0.0"),  # noqa: S104 - refused
        *("224.0.0.1", "255.255.255.255", "240.0.0.1"),
        *("::", "::1", "fe80::1", "fe80::1%eth0", "fd00:ec2::254", "ff02::1"),
        *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "2002:7f00:1::1"),
        *("localhost", "", "127.1", "2130706433", "0x7f.1"),
    ],
)
def test_others(address: str) -> None:
    assert not is_allowed(address)


def test_networks_of_the_operator() -> None:
    assert is_allowed("127.0.0.1", HERE)
    assert is_allowed("::ffff:127.0.0.1", HERE)
    assert not is_allowed("10.0.0.1", HERE)


async def test_it_is_decided_when_connecting() -> None:
    """A name, a literal and a redirect come to the same question."""

    async def redirect(request: web.Request) -> web.Response:
        raise web.HTTPFound(f"http://[::1]:{request.url.port}/")

    application = web.Application()
    application.router.add_get("/", redirect)
    runner = web.AppRunner(application)
    await runner.setup()
    sites = [web.TCPSite(runner, "127.0.0.1", 0)]
    await sites[0].start()
    port = runner.addresses[0][1]
    try:
        for networks, urls in (((), ("127.0.0.1", "localhost")), (HERE, ("127.0.0.1",))):
            connector = aiohttp.TCPConnector(socket_factory=socket_factory(networks))
            async with aiohttp.ClientSession(connector=connector) as session:
                for host in urls:
                    with pytest.raises(aiohttp.ClientConnectorError) as caught:
                        await session.get(f"http://{host}:{port}/")
                    assert isinstance(caught.value.os_error, PermissionError)
    finally:
        await runner.cleanup()
    made = socket_factory(HERE)((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 80)))
    made.close()
