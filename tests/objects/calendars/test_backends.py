"""Where calendars are there, and where they are not."""

from adapters.dav.connection import Credentials
from gateway.calendar_backends import CalendarBackends
from gateway.config_file import load
from gateway.demo.process import free_port
from gateway.demo.radicale import Radicale
from gateway.objects.calendars.capability import CALENDARS
from gateway.store.sqlite import SqliteStore
from gateway.sync.ids import account_id
from tests.client import CORE, MAIL, jmap_client
from tests.gateway import running_gateway
from tests.objects.calendars.conftest import keys
from tests.servers.dovecot import Dovecot
from tests.servers.users import fresh_user


async def test_a_login_that_the_calendar_server_refuses_has_mail(dovecot: Dovecot, radicale: Radicale) -> None:
    user = fresh_user(dovecot)
    async with running_gateway(dovecot, **keys(radicale.url)) as url, jmap_client(url, *user) as jmap:
        assert CALENDARS in jmap.session["capabilities"]
        assert CALENDARS not in jmap.session["accounts"][jmap.account]["accountCapabilities"]
        assert CALENDARS not in jmap.session["primaryAccounts"]
        ((name, error, _),) = await jmap.sentences(("Calendar/get", {}), using=(CORE, CALENDARS))
        assert (name, error["type"]) == ("error", "accountNotSupportedByMethod")
        assert (await jmap.call("Mailbox/get"))["list"]


async def test_a_calendar_server_that_is_away_costs_no_mail(dovecot: Dovecot) -> None:
    user = fresh_user(dovecot)
    async with (
        running_gateway(dovecot, **keys(f"http://127.0.0.1:{free_port()}")) as url,
        jmap_client(url, *user) as jmap,
    ):
        own = jmap.session["accounts"][jmap.account]["accountCapabilities"]
        assert MAIL in own
        assert CALENDARS not in own


async def test_without_a_calendar_server_there_is_no_capability(dovecot: Dovecot) -> None:
    user = fresh_user(dovecot)
    async with running_gateway(dovecot) as url, jmap_client(url, *user) as jmap:
        assert CALENDARS not in jmap.session["capabilities"]


async def test_logins_of_one_owner_share_the_calendars(dovecot: Dovecot, radicale: Radicale) -> None:
    user = fresh_user(dovecot)
    radicale.create_user(*user)
    environment = {
        "JMAPGW__BACKENDS__DEFAULT__IMAP__HOST": "127.0.0.1",
        "JMAPGW__BACKENDS__DEFAULT__CALDAV__URL": radicale.url,
        "JMAPGW__AUTH__CACHE_SECONDS": "0",
    }
    backends = CalendarBackends(load(None, environment), SqliteStore(None), b"g")
    account = account_id("default", user.name)
    right, wrong = Credentials(user.name, password=user.password), Credentials(user.name, password="wrong")
    first = await backends.open("default", user.name, right)
    second = await backends.open("default", user.name, right)
    assert first is not None
    assert first == second
    # other credentials take over where the old ones may not be good any more; these are refused
    assert await backends.open("default", user.name, wrong) is None
    third = await backends.open("default", user.name, right)
    assert third is not None
    assert third.calendars is first.calendars
    await third.calendars.refresh()
    for credentials in (right, right, wrong, right):
        await backends.release(account, credentials)
    await backends.release(account, right)  # once too often
    assert await backends.open("nowhere", user.name, right) is None
