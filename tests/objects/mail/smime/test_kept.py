"""S/MIME over JMAP (RFC 9219): what is kept, what makes it stale, what clients are told."""

from pathlib import Path
from typing import Any

import pytest

from adapters.smime import anchors
from tests.client import JmapClient, jmap_client
from tests.formats.smime.making import (
    DAY,
    Authority,
    Signing,
    Wish,
    by_hand,
    certificate,
    detached,
)
from tests.gateway import running_gateway
from tests.objects.mail.messages import message
from tests.objects.mail.smime.asking import CA, FAILED, NOW, VERIFIED, call, named, statuses, subjects, write_anchors
from tests.objects.mail.smime.conftest import Place
from tests.servers.imap_client import ImapClient, imap_client
from tests.servers.users import MailServer, fresh_user


async def test_what_was_verified_is_not_verified_again(
    jmap: JmapClient, imap: ImapClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    imap.append("INBOX", detached(by_hand([Signing(CA.alice)])))
    first = await statuses(jmap)
    monkeypatch.setattr("gateway.objects.mail.smime.signed_messages", None)  # nothing is fetched any more
    assert await statuses(jmap) == first
    assert await subjects(jmap, hasVerifiedSmime=True) == {"Signed"}


async def test_trust_that_changes(
    place: Place, jmap: JmapClient, imap: ImapClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """§4.1, §4.3: a removed anchor makes a signature fail, but not what it was at delivery; an added one makes both
    better; each change of a status is told by Email/changes, and only that."""
    monkeypatch.setattr(anchors, "CHECK_SECONDS", 0.0)
    other = Authority.make(NOW)
    imap.append("INBOX", named("ours", detached(by_hand([Signing(CA.alice)]))))
    imap.append("INBOX", named("theirs", detached(by_hand([Signing(other.alice)]))))
    imap.append("INBOX", message("plain"))
    by_subject = {
        email["subject"]: email["id"]
        for email in (await jmap.call("Email/get", ids=None, properties=["subject"]))["list"]
    }

    async def seen() -> dict[str, tuple[Any, Any]]:
        found = await statuses(jmap, "smimeStatus", "smimeStatusAtDelivery")
        return {
            name: (email["smimeStatus"], email["smimeStatusAtDelivery"])
            for name, email in found.items()
            if name != "plain"
        }

    async def updated(state: str) -> set[str]:
        changes = await jmap.call("Email/changes", sinceState=state)
        assert not changes["created"]
        assert not changes["destroyed"]
        return {name for name, email_id in by_subject.items() if email_id in changes["updated"]}

    async def state() -> str:
        return str((await jmap.call("Email/get", ids=[]))["state"])

    query = {"filter": {"hasVerifiedSmime": True}}
    before = await state()
    try:
        assert await seen() == {"ours": (VERIFIED, VERIFIED), "theirs": (FAILED, FAILED)}
        assert await updated(before) == set()  # found out for the first time, that is no change
        query_state = (await call(jmap, "Email/query", **query))["queryState"]

        write_anchors(place.anchors, other.root)
        assert await seen() == {"ours": (FAILED, VERIFIED), "theirs": (VERIFIED, VERIFIED)}
        assert await updated(before) == {"ours", "theirs"}
        changes = await call(jmap, "Email/queryChanges", sinceQueryState=query_state, **query)
        assert by_subject["ours"] in changes["removed"]
        assert [item["id"] for item in changes["added"]] == [by_subject["theirs"]]

        before = await state()
        write_anchors(place.anchors, other.root, CA.root)
        assert await seen() == {"ours": (VERIFIED, VERIFIED), "theirs": (VERIFIED, VERIFIED)}
        assert await updated(before) == {"ours"}
        before = await state()
        assert await seen() == {"ours": (VERIFIED, VERIFIED), "theirs": (VERIFIED, VERIFIED)}
        assert await state() == before  # §4.3: verifiedAt alone is no change

        write_anchors(place.anchors, CA.root)
        assert await subjects(jmap, hasVerifiedSmime=True) == {"ours"}
        assert await updated(before) == {"theirs"}
    finally:
        write_anchors(place.anchors, CA.root)


async def test_age_makes_a_verdict_stale(jmap: JmapClient, imap: ImapClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate that expires: a day later the signature fails, and clients are told (§4.1, §4.3)."""
    soon = certificate(Wish(valid=(NOW - DAY, NOW + DAY / 2)), CA.intermediate)
    imap.append("INBOX", detached(by_hand([Signing(soon)])))
    found = (await statuses(jmap))["Signed"]
    assert found["smimeStatus"] == VERIFIED
    state = (await jmap.call("Email/get", ids=[]))["state"]
    later = (NOW + DAY * 1.1).timestamp()
    monkeypatch.setattr("gateway.objects.mail.smime.time.time", lambda: later)
    aged = (await statuses(jmap))["Signed"]
    assert (aged["smimeStatus"], aged["smimeStatusAtDelivery"]) == (FAILED, VERIFIED)
    assert aged["smimeVerifiedAt"] > found["smimeVerifiedAt"]
    assert len((await jmap.call("Email/changes", sinceState=state))["updated"]) == 1


async def test_arrivals_enter_and_leave_the_result(jmap: JmapClient, imap: ImapClient) -> None:
    imap.append("INBOX", message("plain"))
    for condition in ("hasSmime", "hasVerifiedSmime"):
        query = {"filter": {condition: True}}
        before = await call(jmap, "Email/query", **query)
        imap.append("INBOX", named(condition, detached(by_hand([Signing(CA.alice)]))))
        changes = await call(jmap, "Email/queryChanges", sinceQueryState=before["queryState"], **query)
        assert len(changes["added"]) == 1
        imap.append("INBOX", message("another"))
        state = changes["newQueryState"]
        assert (await call(jmap, "Email/queryChanges", sinceQueryState=state, **query))["added"] == []


async def test_a_message_that_went_elsewhere(jmap: JmapClient, imap: ImapClient) -> None:
    imap.create("Elsewhere")
    uid = imap.append("INBOX", detached(by_hand([Signing(CA.alice)]))) or imap.uids("INBOX")[0]
    await jmap.call("Email/query")
    imap.copy("INBOX", uid, "Elsewhere")
    imap.flag("INBOX", uid, "+FLAGS", "\\Deleted")
    assert (await statuses(jmap))["Signed"]["smimeStatus"] == VERIFIED


async def test_two_lives_of_a_gateway(dovecot: MailServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A verdict outlives the process that made it."""
    write_anchors(tmp_path / "anchors.pem", CA.root)
    keys = {"smime__trust_anchors": str(tmp_path / "anchors.pem"), "store__kind": "sqlite"}
    keys["store__path"] = str(tmp_path / "store.sqlite")
    user = fresh_user(dovecot)
    with imap_client(dovecot, user) as imap:
        imap.append("INBOX", detached(by_hand([Signing(CA.alice)])))
    found = []
    for _ in range(2):
        async with running_gateway(dovecot, **keys) as url, jmap_client(url, user.name, user.password) as jmap:
            found.append(await statuses(jmap))
        monkeypatch.setattr("gateway.objects.mail.smime.signed_messages", None)
    assert found[0]["Signed"]["smimeStatus"] == VERIFIED
    assert found[0] == found[1]
