"""A mail server that is reached by TLS, in both modes, through the whole gateway."""

import aiohttp
import pytest

from gateway.demo.dovecot_config import TlsFiles
from tests.client import jmap_client
from tests.gateway import running_gateway
from tests.servers.dovecot import Dovecot
from tests.servers.users import fresh_user
from tests.web.gateway import basic


@pytest.mark.parametrize("mode", ["implicit", "starttls"])
async def test_only_a_server_that_the_authority_vouches_for_gets_passwords(
    dovecot: Dovecot, tls_files: TlsFiles, mode: str
) -> None:
    port = dovecot.imaps if mode == "implicit" else dovecot.imap
    section = "backends__default__imap"
    keys = {f"{section}__port": str(port), f"{section}__tls": mode}
    user = fresh_user(dovecot)
    trusted = {f"{section}__ca_file": str(tls_files.authority)}
    async with running_gateway(dovecot, **keys, **trusted) as url, jmap_client(url, *user) as jmap:
        assert "Inbox" in await jmap.mailbox_ids()
    async with running_gateway(dovecot, **keys) as url, aiohttp.ClientSession() as http:
        headers = {"Authorization": basic(*user)}
        async with http.get(f"{url}/jmap/session", headers=headers) as answer:
            assert answer.status == 503  # a server that cannot be trusted is no wrong password
