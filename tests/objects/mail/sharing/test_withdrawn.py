"""Rights that change in the middle: nobody ever sees octets of a mailbox without the right to read it."""

import asyncio

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.objects.mail.sharing.conftest import Owner, Place, Visitor, letter, visitors
from tests.objects.mail.test_push import state_event
from tests.servers.imap_client import imap_client
from tests.servers.users import User, fresh_user


async def test_a_mailbox_whose_rights_go_takes_its_emails_along(bob: Owner, visitor: Visitor) -> None:
    """Both servers go on to answer in an opened mailbox; the gateway does not ask there any more."""
    for mailbox in ("Team", "News"):
        bob.keep(mailbox, mailbox.lower())
        bob.imap.share(mailbox, visitor.user.name, "lrsw")
    await visitor.shared()
    emails, boxes = await visitor.emails(), await visitor.boxes()
    gone = emails["team"]
    assert await visitor.jmap.download(gone["blobId"]) == letter("team")
    since = (await visitor.jmap.call("Email/get", ids=[]))["state"]
    bob.imap.share("Team", visitor.user.name, "")
    assert await visitor.status(gone["blobId"]) == 404
    answer = await visitor.jmap.call("Email/get", ids=[gone["id"]])
    assert (answer["list"], answer["notFound"]) == ([], [gone["id"]])
    assert (await visitor.jmap.call("Email/changes", sinceState=since))["destroyed"] == [gone["id"]]
    assert (await visitor.jmap.call("Email/query", filter={"text": "text"}))["ids"] == [emails["news"]["id"]]
    refused = await visitor.jmap.call("Email/set", update={gone["id"]: {"keywords/$flagged": True}})
    assert refused["notUpdated"][gone["id"]]["type"] == "notFound"
    assert (await visitor.boxes()).keys() == {"News"}
    bob.imap.share("Team", visitor.user.name, "lr")  # and it comes back as it was
    assert (await visitor.emails())["team"]["id"] == gone["id"]
    assert (await visitor.boxes())["Team"]["id"] == boxes["Team"]["id"]


async def test_reading_may_go_alone(bob: Owner, visitor: Visitor) -> None:
    for mailbox in ("Team", "News"):
        bob.keep(mailbox, mailbox.lower())
        bob.imap.share(mailbox, visitor.user.name, "lrsw")
    await visitor.shared()
    blob_id = (await visitor.emails())["team"]["blobId"]
    state = (await visitor.jmap.call("Mailbox/get", ids=[]))["state"]
    bob.imap.share("Team", visitor.user.name, "l")
    assert (await visitor.emails()).keys() == {"news"}
    team = (await visitor.boxes())["Team"]
    assert (team["totalEmails"], team["myRights"]["mayReadItems"]) == (0, False)
    assert (await visitor.jmap.call("Mailbox/changes", sinceState=state))["updated"] == [team["id"]]
    assert await visitor.status(blob_id) == 404


async def test_a_right_to_write_that_goes_is_forbidden(bob: Owner, visitor: Visitor) -> None:
    bob.keep("Team", "budget")
    bob.imap.share("Team", visitor.user.name, "lrswi")
    await visitor.shared()
    email = (await visitor.emails())["budget"]
    bob.imap.share("Team", visitor.user.name, "lrs")
    answer = await visitor.jmap.call("Email/set", update={email["id"]: {"keywords/$flagged": True}})
    assert answer["notUpdated"][email["id"]]["type"] == "forbidden"
    assert "\\Flagged" not in bob.imap.flags("Team", bob.uids["budget"])


async def test_another_login_does_not_see_it(place: Place, bob: Owner, alice: User, carol: User) -> None:
    """Both see the same account, but not the same of it."""
    for mailbox, user in (("Team", alice), ("News", alice), ("News", carol)):
        bob.keep(mailbox, mailbox.lower())
        bob.imap.share(mailbox, user.name, "lr")
    async with visitors(place, bob.user, alice, carol) as (one, other):
        assert await one.shared() == await other.shared()
        team = (await one.emails())["team"]
        assert await one.jmap.download(team["blobId"]) == letter("team")
        assert (await other.emails()).keys() == {"news"}
        assert await other.status(team["blobId"]) == 404
        assert (await other.jmap.call("Email/get", ids=[team["id"]]))["notFound"] == [team["id"]]
        lookup = await other.jmap.sentences(
            ("Blob/get", {"ids": [team["blobId"]]}), using=("urn:ietf:params:jmap:blob",)
        )
        assert lookup[0][1]["notFound"] == [team["blobId"]]


async def test_changes_are_told_to_who_listens(bob: Owner, visitor: Visitor) -> None:
    """RFC 8620 §7.1: the states of all accounts of the login."""
    bob.keep("Team", "budget")
    bob.imap.share("Team", visitor.user.name, "lr")
    shared = await visitor.shared()
    await visitor.emails()
    url = visitor.jmap.event_source("Email")
    async with visitor.jmap.http.get(url) as response:
        assert b"connected" in await response.content.readline()
        await asyncio.to_thread(bob.keep, "Team", "more")
        told, now = "", "unknown"
        while told != now:
            changed = (await state_event(response))["changed"]
            told = changed.get(shared, {}).get("Email", told)
            query = await visitor.jmap.call("Email/query")
            now = (await visitor.jmap.call("Email/get", ids=[]))["state"] if len(query["ids"]) == 2 else "to come"


MAILBOXES = ("One", "Two", "Two/Three")
RIGHTS = st.sampled_from(["", "l", "r", "lr", "lrs", "li", "lswi", "lrswikxte"])
ROUNDS = st.lists(st.fixed_dictionaries(dict.fromkeys(MAILBOXES, RIGHTS)), min_size=2, max_size=4)


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rounds=ROUNDS)
async def test_only_what_may_be_read_is_ever_seen(place: Place, rounds: list[dict[str, str]]) -> None:
    """Whatever was allowed before: after each change exactly the readable mailboxes' messages are found and had."""
    user, reader = fresh_user(place.server), fresh_user(place.server)
    with imap_client(place.server, user) as client:
        owner = Owner(user, client)
        for mailbox in MAILBOXES:
            owner.keep(mailbox, mailbox.replace("/", "-"))
        blobs: dict[str, str] = {}
        given: dict[str, str] = dict.fromkeys(MAILBOXES, "")
        async with visitors(place, user, reader) as (visitor,):
            for wanted in rounds:
                for mailbox, rights in wanted.items():
                    if rights != given[mailbox]:
                        owner.imap.share(mailbox, reader.name, rights)
                given = wanted
                readable = {mailbox.replace("/", "-") for mailbox, rights in wanted.items() if {*"lr"} <= {*rights}}
                if await visitor.shared() is None:
                    assert readable == set()
                else:
                    emails = await visitor.emails()
                    assert emails.keys() == readable
                    blobs |= {subject: email["blobId"] for subject, email in emails.items()}
                for subject, blob_id in blobs.items():
                    assert await visitor.status(blob_id) == (200 if subject in readable else 404)
