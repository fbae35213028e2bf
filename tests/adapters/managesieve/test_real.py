"""The client against Pigeonhole and Cyrus."""

import ssl

import pytest

from adapters.errors import AuthFailed, Conflict, InvalidData, NotFound
from adapters.formats.sasl import Credentials
from adapters.managesieve.connection import Endpoint
from adapters.managesieve.filters import SieveFilters
from adapters.ports.filtering import InvalidScript
from gateway.demo.dovecot_config import TlsFiles
from tests.servers.cyrus import Cyrus
from tests.servers.dovecot import Dovecot
from tests.servers.imap_client import imap_client
from tests.servers.users import fresh_user

KEEP = b"keep;\r\n"


@pytest.fixture(params=["dovecot", "cyrus"])
def filters(request: pytest.FixtureRequest) -> SieveFilters:
    server: Dovecot | Cyrus = request.getfixturevalue(request.param)
    user = fresh_user(server)
    with imap_client(server, user):  # the first login makes the user
        pass
    endpoint = Endpoint(server.host, server.managesieve, "none")
    return SieveFilters(endpoint, Credentials(user.name, password=user.password))


async def test_the_life_of_a_script(filters: SieveFilters) -> None:
    assert "vacation" in (await filters.facts()).extensions
    long = b"# " + b"x" * 3000 + b'\r\n# "\xc3\xbc" \\\r\nkeep;\r\n'
    await filters.put("a b", long)
    assert await filters.get("a b") == long
    await filters.activate("a b")
    with pytest.raises(Conflict):
        await filters.delete("a b")
    await filters.put("other", KEEP)
    with pytest.raises(Conflict):
        await filters.rename("other", "a b")
    await filters.rename("other", "third")
    assert {(info.name, info.is_active) for info in await filters.scripts()} == {("a b", True), ("third", False)}
    await filters.activate(None)
    await filters.delete("a b")
    assert [info.name for info in await filters.scripts()] == ["third"]
    await filters.close()
    assert await filters.get("third") == KEEP  # connects again
    await filters.close()


async def test_refusals(filters: SieveFilters) -> None:
    for missing in (filters.get("no"), filters.delete("no"), filters.rename("no", "x"), filters.activate("no")):
        with pytest.raises(NotFound):
            await missing
    with pytest.raises(InvalidScript, match="2"):
        await filters.check(b"keep;\r\nnonsense;\r\n")
    with pytest.raises(InvalidScript):
        await filters.put("a", b'require "no-such-extension";\r\n')
    with pytest.raises(InvalidData):
        await filters.put("a/b", KEEP)
    await filters.close()


async def test_starttls_and_a_wrong_password(dovecot: Dovecot, tls_files: TlsFiles) -> None:
    user = fresh_user(dovecot)
    context = ssl.create_default_context(cafile=str(tls_files.authority))
    endpoint = Endpoint(dovecot.host, dovecot.managesieve, "starttls", context)
    filters = SieveFilters(endpoint, Credentials(user.name, password=user.password))
    await filters.put('ü "1" \\', KEEP)
    assert [info.name for info in await filters.scripts()] == ['ü "1" \\']
    await filters.close()
    with pytest.raises(AuthFailed):
        await SieveFilters(endpoint, Credentials(user.name, password="wrong")).facts()


async def test_a_master_user_acts_for_the_owner(dovecot: Dovecot) -> None:
    user = fresh_user(dovecot)
    master = Credentials(dovecot.master_user, password=dovecot.master_password, authzid=user.name)
    filters = SieveFilters(Endpoint(dovecot.host, dovecot.managesieve, "none"), master)
    await filters.put("theirs", KEEP)
    assert (await filters.facts()).capabilities
    await filters.close()
    own = SieveFilters(
        Endpoint(dovecot.host, dovecot.managesieve, "none"), Credentials(user.name, password=user.password)
    )
    assert [info.name for info in await own.scripts()] == ["theirs"]
    await own.close()
