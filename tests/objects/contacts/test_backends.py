"""Where contacts are there, and where they are not; and what happens when their server goes away."""

import asyncio
import json

import pytest

from adapters.dav.connection import Credentials
from gateway.config_file import load
from gateway.contact_backends import ContactBackends
from gateway.demo.process import free_port
from gateway.demo.radicale import Radicale
from gateway.objects.contacts.capability import CONTACTS
from gateway.store.sqlite import SqliteStore
from gateway.sync.ids import account_id
from tests.client import CORE, MAIL, jmap_client
from tests.faults.proxy import FaultProxy
from tests.gateway import running_gateway
from tests.objects.calendars.conftest import user_of
from tests.objects.contacts.conftest import carddav_keys, opened_book
from tests.servers.dovecot import Dovecot
from tests.servers.users import fresh_user

CARD = b"BEGIN:VCARD\r\nVERSION:3.0\r\nUID:x@example.org\r\nFN:X\r\nN:X;;;;\r\nEND:VCARD\r\n"


def keys(url: str) -> dict[str, str]:
    return {"backends__default__carddav__url": url}


async def test_a_login_that_the_server_refuses_has_mail(dovecot: Dovecot, radicale: Radicale) -> None:
    user = fresh_user(dovecot)
    async with running_gateway(dovecot, **keys(radicale.url)) as url, jmap_client(url, *user) as jmap:
        assert CONTACTS in jmap.session["capabilities"]
        assert CONTACTS not in jmap.session["accounts"][jmap.account]["accountCapabilities"]
        assert CONTACTS not in jmap.session["primaryAccounts"]
        ((name, error, _),) = await jmap.sentences(("AddressBook/get", {}), using=(CORE, CONTACTS))
        assert (name, error["type"]) == ("error", "accountNotSupportedByMethod")
        assert (await jmap.call("Mailbox/get"))["list"]


async def test_a_server_that_is_away_costs_no_mail(dovecot: Dovecot) -> None:
    user = fresh_user(dovecot)
    async with (
        running_gateway(dovecot, **keys(f"http://127.0.0.1:{free_port()}")) as url,
        jmap_client(url, *user) as jmap,
    ):
        own = jmap.session["accounts"][jmap.account]["accountCapabilities"]
        assert MAIL in own
        assert CONTACTS not in own


async def test_a_server_that_vanishes_and_comes_back(
    request: pytest.FixtureRequest, dovecot: Dovecot, radicale: Radicale
) -> None:
    user, server = user_of(request, "radicale")
    async with (
        FaultProxy(radicale.host, radicale.port) as proxy,
        running_gateway(dovecot, **keys(f"http://{proxy.host}:{proxy.port}")) as url,
        opened_book(url, user, server) as book,
    ):
        book.other.put("x.vcf", CARD)
        (one,) = (await book.call("ContactCard/query"))["ids"]
        state = await book.state()
        await proxy.refuse()
        calls = (("ContactCard/get", {"ids": [one]}), ("ContactCard/set", {"destroy": [one]}))
        sentences = await book.jmap.sentences(*calls, using=(CORE, CONTACTS))
        assert [(name, answer["type"]) for name, answer, _ in sentences] == [("error", "serverUnavailable")] * 2
        assert (await book.jmap.call("Mailbox/get"))["list"]
        await proxy.accept()
        assert await book.state() == state  # nothing was taken for deleted
        assert (await book.card(one))["uid"] == "x@example.org"


async def test_a_card_of_another_client_is_told(
    request: pytest.FixtureRequest, dovecot: Dovecot, radicale: Radicale
) -> None:
    """RFC 8620 §7.3: while somebody listens."""
    _, configuration = carddav_keys(request, "radicale")
    user, server = user_of(request, "radicale")
    async with (
        running_gateway(dovecot, **configuration, push__poll_seconds="1") as url,
        opened_book(url, user, server) as book,
    ):
        state = await book.state()
        source = f"{url}/jmap/eventsource?types=ContactCard,AddressBook&closeafter=state&ping=0"
        async with book.jmap.http.get(source) as stream, asyncio.timeout(30):
            book.other.put("x.vcf", CARD)
            told = await stream.text()
        data = next(line for line in told.splitlines() if line.startswith("data: "))
        changed = json.loads(data.removeprefix("data: "))["changed"][book.jmap.account]
        assert changed.keys() == {"ContactCard"}
        changes = await book.call("ContactCard/changes", sinceState=state)
        assert (len(changes["created"]), changes["newState"]) == (1, changed["ContactCard"])


async def test_logins_of_one_owner_share_the_contacts(dovecot: Dovecot, radicale: Radicale) -> None:
    user = fresh_user(dovecot)
    radicale.create_user(*user)
    environment = {
        "JMAPGW__BACKENDS__DEFAULT__IMAP__HOST": "127.0.0.1",
        "JMAPGW__BACKENDS__DEFAULT__CARDDAV__URL": radicale.url,
        "JMAPGW__AUTH__CACHE_SECONDS": "0",
    }
    backends = ContactBackends(load(None, environment), SqliteStore(None), b"g")
    right, wrong = Credentials(user.name, password=user.password), Credentials(user.name, password="wrong")
    first = await backends.open("default", user.name, right)
    assert first is not None
    assert await backends.open("default", user.name, right) == first
    # other credentials take over where the old ones may not be good any more; these are refused
    assert await backends.open("default", user.name, wrong) is None
    third = await backends.open("default", user.name, right)
    assert third == first
    await first.contacts.refresh()
    for credentials in (right, right, wrong, right, right):  # once too often
        await backends.release(account_id("default", user.name), credentials)
    assert await backends.open("nowhere", user.name, right) is None
