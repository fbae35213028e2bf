"""What strangers are told."""

import pytest

from adapters.dav.connection import Endpoint
from adapters.dav.probe import Offer, offer
from adapters.errors import Unavailable
from gateway.demo.radicale import Radicale
from tests.servers.cyrus import Cyrus
from tests.servers.xandikos import Xandikos
from tests.wire.dav import Reply, scripted_dav


async def test_real_servers(radicale: Radicale, xandikos: Xandikos, cyrus: Cyrus) -> None:
    """None of them lets a stranger in, but Xandikos, which lets in everybody."""
    urls = {"radicale": radicale.url, "xandikos": xandikos.url, "cyrus": f"http://{cyrus.host}:{cyrus.http}"}
    for name, url in urls.items():
        for service, word in (("caldav", "calendar-access"), ("carddav", "addressbook")):
            found = await offer(Endpoint(url), f"/.well-known/{service}")  # RFC 6764 §5
            assert found.usable, name
            if word in found.classes:
                assert found.server == name


async def test_a_server_that_asks_for_basic_or_digest() -> None:
    table = {
        ("OPTIONS", "/.well-known/caldav"): Reply(301, headers={"Location": "/dav/"}),
        ("OPTIONS", "/dav/"): Reply(401, headers={"WWW-Authenticate": 'Digest realm="x, y", Basic realm="x"'}),
        ("OPTIONS", "/digest/"): Reply(401, headers={"WWW-Authenticate": 'Digest realm="Basic", nonce="basic"'}),
        ("OPTIONS", "/gone/"): Reply(404),
    }
    async with scripted_dav(table) as script:
        found = await offer(Endpoint(script.url), "/.well-known/caldav")
        assert found == Offer(401, "/dav/", "other", (), ("basic", "digest"))
        assert found.usable
        assert not (await offer(Endpoint(script.url), "/digest/")).usable
        assert not (await offer(Endpoint(script.url), "/gone/")).usable
        assert all("authorization" not in request.headers for request in script.heard)


async def test_nobody_there() -> None:
    async with scripted_dav({}) as script:
        pass
    with pytest.raises(Unavailable):
        await offer(Endpoint(script.url), "/")
