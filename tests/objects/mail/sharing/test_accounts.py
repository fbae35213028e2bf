"""What others share shows as accounts of the login (RFC 8620 §1.6.2, §2)."""

from typing import Any

from gateway.backends import MailBackends
from gateway.config_reader import Secret
from gateway.context import Account, accounts_of
from gateway.store.sqlite import SqliteStore
from gateway.web.credentials import Credentials
from gateway.web.metrics import Meters
from tests.client import CORE, MAIL, jmap_client
from tests.gateway import running_gateway
from tests.objects.mail.sharing.conftest import Owner, Place, Visitor, visitors
from tests.servers.dovecot import Dovecot
from tests.servers.imap_client import imap_client
from tests.servers.users import User, fresh_user
from tests.web.gateway import configuration

BLOB = "urn:ietf:params:jmap:blob"


async def test_an_owner_who_shares_is_an_account(bob: Owner, visitor: Visitor) -> None:
    before = await visitor.session()
    assert list(before["accounts"]) == [visitor.own]
    bob.keep("Team", "budget")
    bob.imap.share("Team", visitor.user.name, "lrs")
    shared = await visitor.shared()
    session = await visitor.session()
    assert session["state"] != before["state"]
    assert session["primaryAccounts"] == before["primaryAccounts"]  # RFC 8620 §2: for the user's own data
    assert shared is not None
    account = session["accounts"][shared]
    assert (account["name"], account["isPersonal"], account["isReadOnly"]) == (bob.user.name, False, False)
    assert account["accountCapabilities"].keys() == {CORE, MAIL, BLOB}
    assert account["accountCapabilities"][MAIL]["mayCreateTopLevelMailbox"] is False
    bob.imap.share("Team", visitor.user.name, "")
    after = await visitor.session()
    assert list(after["accounts"]) == [visitor.own]
    assert after["state"] == before["state"]
    assert (await visitor.jmap.error("Mailbox/get", ids=None))["type"] == "accountNotFound"


async def test_the_session_state_of_an_answer_tells_of_a_new_account(bob: Owner, visitor: Visitor) -> None:
    bob.keep("Team", "budget")
    first = await visitor.jmap.request([["Core/echo", {}, "0"]])
    bob.imap.share("Team", visitor.user.name, "lr")
    second = await visitor.jmap.request([["Core/echo", {}, "0"]])
    assert first["sessionState"] != second["sessionState"]
    assert second["sessionState"] == (await visitor.session())["state"]


async def test_read_only_where_no_right_changes_anything(bob: Owner, visitor: Visitor) -> None:
    bob.keep("Team", "budget")
    bob.imap.share("Team", visitor.user.name, "lr")
    shared = await visitor.shared()
    assert (await visitor.session())["accounts"][shared]["isReadOnly"] is True
    (email,) = (await visitor.emails()).values()
    for call in ("Email/set", "Mailbox/set"):
        assert (await visitor.jmap.error(call, destroy=[email["id"]]))["type"] == "accountReadOnly"


async def test_ids_are_the_same_for_all_who_see_them(place: Place, bob: Owner, alice: User, carol: User) -> None:
    bob.keep("Team", "budget")
    for user, rights in ((alice, "lr"), (carol, "lrswi")):
        bob.imap.share("Team", user.name, rights)
    seen = []
    async with visitors(place, bob.user, alice, carol, bob.user) as found:
        for one in found:
            account = await one.shared()
            email = (await one.emails())["budget"]
            box = (await one.boxes())["Team"]
            assert email["mailboxIds"] == {box["id"]: True}
            seen.append((account, box["id"], email["id"], email["blobId"]))
    assert len(set(seen)) == 1


async def test_mailboxes_that_may_only_be_looked_up_are_no_account(bob: Owner, visitor: Visitor) -> None:
    bob.keep("Team", "budget")
    bob.imap.share("Team", visitor.user.name, "l")
    assert await visitor.shared() is None


async def test_uploads_are_the_logins_own(place: Place, bob: Owner, alice: User, carol: User) -> None:
    bob.keep("Team", "budget")
    for user in (alice, carol):
        bob.imap.share("Team", user.name, "lri")
    async with visitors(place, bob.user, alice, carol, bob.user) as (one, other, owner):
        assert await one.shared() == await other.shared() == owner.own
        blob = await one.jmap.upload(b"for my eyes only")
        assert await one.jmap.download(blob["blobId"]) == b"for my eyes only"
        assert await other.status(blob["blobId"]) == 404
        assert await owner.status(blob["blobId"]) == 404


async def test_shared_mailboxes_can_be_switched_off(place: Place, bob: Owner, alice: User) -> None:
    bob.keep("Team", "budget")
    bob.imap.share("Team", alice.name, "lr")
    off = running_gateway(place.server, backends__default__imap__shared_mailboxes="false")
    async with off as url, jmap_client(url, *alice) as client:
        assert list(client.session["accounts"]) == [client.account]


async def test_shares_outlive_the_credentials_that_they_were_opened_with(dovecot_shared: Dovecot) -> None:
    alice, bob = fresh_user(dovecot_shared), fresh_user(dovecot_shared)
    with imap_client(dovecot_shared, bob) as client:
        client.create("Team")
        client.share("Team", alice.name, "lr")
        client.append("Team", b"Subject: budget\r\n\r\nText\r\n")
    config = configuration(
        backends__default__imap__host=dovecot_shared.host,
        backends__default__imap__port=str(dovecot_shared.imap),
        backends__default__imap__tls="none",
    )
    store = SqliteStore()
    backends = MailBackends(config, store, Meters())
    logins = (alice.name, alice.password), (dovecot_shared.master_user, dovecot_shared.master_password)
    first, second = [
        await backends.open(Credentials("password", alice.name, login, Secret(word))) for login, word in logins
    ]
    (mine,) = [account for account in first.login.accounts.values() if not account.is_personal]
    (same,) = [account for account in second.login.accounts.values() if not account.is_personal]
    assert mine.mail is same.mail
    assert same.mail is not None
    await same.mail.refresh()
    before = same.mail.port
    await first.close()
    assert same.mail.port is not before
    await same.mail.refresh()
    assert len(same.mail.emails) == 1
    third = await backends.open(Credentials("password", alice.name, alice.name, Secret(alice.password)))
    assert third.login.accounts[same.id].mail is same.mail
    for opened in (second, third):
        await opened.close()
    await store.close()


def test_what_one_owner_shares_by_several_protocols_is_one_account() -> None:
    def account(account_id: str, urn: str, **parts: Any) -> Account:
        return Account(account_id, "", False, urn != "c", {urn: {}}, parts.pop("mail", None), **parts)

    mail, calendars = object(), object()
    found = accounts_of(
        account("own", "m"),
        [account("bob", "m", mail=mail), account("own", "x"), account("bob", "c", calendars=calendars)],
    )
    assert list(found) == ["own", "bob"]
    assert found["own"].capabilities.keys() == {"m"}
    bob = found["bob"]
    assert bob.capabilities.keys() == {"m", "c"}
    assert (bob.mail, bob.calendars, bob.is_read_only) == (mail, calendars, False)
