"""What is not there is not offered: no server configured, none that answers, one that can do little."""

from typing import Any

import pytest

from adapters.ports.filtering import FilteringFacts
from gateway.objects.sieve.capability import capabilities
from tests.client import jmap_client
from tests.gateway import running_gateway
from tests.objects.sieve.calls import error
from tests.objects.sieve.conftest import SIEVE, VACATION, sieve_keys
from tests.servers.dovecot import Dovecot
from tests.servers.users import fresh_user


async def session(dovecot: Dovecot, **keys: str) -> dict[str, Any]:
    user = fresh_user(dovecot)
    async with running_gateway(dovecot, **keys) as url, jmap_client(url, user.name, user.password) as jmap:
        return dict(jmap.session)


async def test_without_a_server_there_is_no_capability(dovecot: Dovecot) -> None:
    found = await session(dovecot)
    (account,) = found["accounts"].values()
    for urn in (SIEVE, VACATION):
        assert urn not in found["capabilities"]
        assert urn not in account["accountCapabilities"]
        assert urn not in found["primaryAccounts"]


async def test_a_server_that_is_down_costs_only_itself(dovecot: Dovecot) -> None:
    user = fresh_user(dovecot)
    keys = sieve_keys(1)
    async with running_gateway(dovecot, **keys) as url, jmap_client(url, user.name, user.password) as jmap:
        assert "INBOX" in {name.upper() for name in await jmap.mailbox_ids()}
        assert SIEVE not in jmap.session["accounts"][jmap.account]["accountCapabilities"]
        assert SIEVE not in jmap.session["primaryAccounts"]
        assert (await error(jmap, "SieveScript/get"))["type"] == "accountNotSupportedByMethod"
        assert (await error(jmap, "VacationResponse/get"))["type"] == "accountNotSupportedByMethod"


@pytest.mark.parametrize(
    ("given", "sieve", "vacation"),
    [
        (
            {"SIEVE": "fileinto"},
            {"maxNumberRedirects": None, "notificationMethods": None, "externalLists": None},
            False,
        ),
        (
            {"SIEVE": "vacation date relational enotify extlists", "NOTIFY": "mailto xmpp", "MAXREDIRECTS": "4"},
            {"maxNumberRedirects": 4, "notificationMethods": ["mailto", "xmpp"], "externalLists": []},
            True,
        ),
        ({"SIEVE": "vacation", "MAXREDIRECTS": "many"}, {"maxNumberRedirects": None}, False),
    ],
)
def test_the_members_tell_what_the_server_said(given: dict[str, str], sieve: dict[str, Any], vacation: bool) -> None:
    found = capabilities(FilteringFacts(given))
    assert {name: found[SIEVE][name] for name in sieve} == sieve
    assert found[SIEVE]["sieveExtensions"] == given["SIEVE"].split()
    assert (VACATION in found) is vacation
