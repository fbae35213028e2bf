"""S/MIME over JMAP (RFC 9219): properties, conditions, what is kept, what clients are told."""

import datetime
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from adapters.smime import anchors
from tests.client import CORE, MAIL, JmapClient, jmap_client
from tests.formats.mail.corpus import messages
from tests.formats.smime.making import (
    BODY,
    DAY,
    HEADER,
    Authority,
    Holder,
    Signing,
    Wish,
    by_hand,
    by_library,
    by_openssl,
    certificate,
    detached,
    mixed,
    multipart,
    opaque,
)
from tests.gateway import running_gateway
from tests.objects.mail.conftest import TIERS
from tests.objects.mail.messages import message
from tests.servers.imap_client import ImapClient, imap_client
from tests.servers.users import MailServer, User, fresh_user

SMIME = "urn:ietf:params:jmap:smimeverify"
USING = (CORE, MAIL, SMIME)
NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
STATUS = ["smimeStatus", "smimeStatusAtDelivery", "smimeErrors", "smimeVerifiedAt"]
CA = Authority.make(NOW)
VERIFIED, FAILED = "signed/verified", "signed/failed"


def write_anchors(path: Path, *holders: Holder) -> None:
    path.write_bytes(b"".join(one.certificate.public_bytes(Encoding.PEM) for one in holders))


@dataclass(frozen=True)
class Place:
    """A gateway that trusts the authority of these tests, and its trust anchors' file."""

    server: MailServer
    url: str
    anchors: Path


@pytest.fixture(scope="module", params=list(TIERS))
async def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    fixture, keys = TIERS[request.param]
    server: MailServer = request.getfixturevalue(fixture)
    path = tmp_path_factory.mktemp("anchors") / "anchors.pem"
    write_anchors(path, CA.root)
    trust = {"smime__trust_anchors": str(path), "smime__max_message_size": "3000000"}
    async with running_gateway(server, **keys, **trust) as url:
        yield Place(server, url, path)


@pytest.fixture
def user(place: Place) -> User:
    return fresh_user(place.server)


@pytest.fixture
def imap(place: Place, user: User) -> Any:
    with imap_client(place.server, user) as client:
        yield client


@pytest.fixture
async def jmap(place: Place, user: User) -> AsyncIterator[JmapClient]:
    async with jmap_client(place.url, user.name, user.password) as client:
        yield client


async def call(jmap: JmapClient, name: str, **arguments: Any) -> dict[str, Any]:
    ((answered, given, _),) = await jmap.sentences((name, arguments), using=USING)
    assert answered == name, given
    return given


async def statuses(jmap: JmapClient, *names: str) -> dict[str, dict[str, Any]]:
    """The S/MIME properties of all Emails by subject."""
    ids = (await call(jmap, "Email/query"))["ids"]
    found = await call(jmap, "Email/get", ids=ids, properties=["subject", *(names or STATUS)])
    assert not found["notFound"]
    return {email.pop("subject"): email for email in found["list"]}


async def subjects(jmap: JmapClient, **condition: Any) -> set[str]:
    ids = (await call(jmap, "Email/query", filter=condition))["ids"]
    return {email["subject"] for email in (await jmap.call("Email/get", ids=ids, properties=["subject"]))["list"]}


def named(subject: str, octets: bytes) -> bytes:
    return octets.replace(b"Subject: Signed", f"Subject: {subject}".encode())


def samples(directory: Path) -> dict[str, tuple[bytes, str | None, str | None]]:
    """Subject -> message, its status, a beginning of its first error."""
    past = certificate(Wish(valid=(NOW - 90 * DAY, NOW - 30 * DAY)), CA.intermediate)
    coming = certificate(Wish(valid=(NOW + 30 * DAY, NOW + 90 * DAY)), CA.intermediate)
    bob = certificate(Wish("Bob", ["bob@example.org"]), CA.intermediate)
    stranger = Authority.make(NOW).alice
    good = by_openssl(directory, [CA.alice])
    inner = multipart(by_openssl(directory, [CA.alice]), boundary=b"inner")
    signed_at = f"{NOW - datetime.timedelta(hours=2):%y%m%d%H%M%S}Z".encode()
    tampered = by_hand([Signing(CA.alice, time=NOW - datetime.timedelta(hours=2))]).replace(signed_at, b"260101000000Z")
    forwarded = b"Content-Type: message/rfc822\r\n\r\n" + detached(good)
    made: dict[str, tuple[bytes, str | None, str | None]] = {
        "valid": (detached(good), VERIFIED, None),
        "by the library": (opaque(by_library(CA.alice), label=b""), VERIFIED, None),
        "opaque": (opaque(by_openssl(directory, [CA.alice], BODY, "-nodetach")), VERIFIED, None),
        "nested": (detached(by_openssl(directory, [CA.alice], inner), inner), VERIFIED, None),
        "two signers": (detached(by_openssl(directory, [CA.alice, bob])), VERIFIED, None),
        "expired": (
            detached(by_hand([Signing(past, time=NOW - 40 * DAY)])),
            FAILED,
            "The certificate of Alice expired",
        ),
        "not yet valid": (
            detached(by_openssl(directory, [coming])),
            FAILED,
            "The certificate of Alice is not valid before",
        ),
        "wrong address": (
            detached(good, header=HEADER.replace(b"alice@", b"carol@")),
            FAILED,
            "The From address carol@example.org is not in",
        ),
        "tampered body": (detached(good, BODY.replace(b"10", b"99")), FAILED, "The message was changed"),
        "tampered attributes": (detached(tampered), FAILED, "The signature is not right"),
        "untrusted root": (detached(by_openssl(directory, [stranger])), FAILED, "The certificate of the issuer Root"),
        "missing intermediate": (
            detached(by_hand([Signing(CA.alice)], certificates=[CA.alice.certificate])),
            FAILED,
            "The certificate of the issuer Intermediate is neither",
        ),
        "weak digest": (
            detached(by_openssl(directory, [CA.alice], BODY, "-md", "sha1")),
            FAILED,
            "The digest algorithm SHA-1",
        ),
        "one of two fails": (
            detached(by_openssl(directory, [CA.alice, stranger])),
            FAILED,
            "Alice: The certificate of the issuer Root",
        ),
        "a part only": (
            mixed(inner, b"Content-Type: text/plain\r\n\r\nA list.\r\n"),
            FAILED,
            "The signature is over a part",
        ),
        "forwarded": (mixed(forwarded, header=HEADER), None, None),
        "certificates": (opaque(good, label=b"smime-type=certs-only; "), "unknown", None),
        "encrypted": (opaque(b"\x30", label=b"smime-type=enveloped-data; "), None, None),
        "plain": (message("plain"), None, None),
    }
    return {subject: (named(subject, octets), status, error) for subject, (octets, status, error) in made.items()}


async def test_every_kind_of_message(jmap: JmapClient, imap: ImapClient, tmp_path: Path) -> None:
    wanted = samples(tmp_path)
    for octets, _, _ in wanted.values():
        imap.append("INBOX", octets)
    found = await statuses(jmap)
    assert {subject: email["smimeStatus"] for subject, email in found.items()} == {
        subject: status for subject, (_, status, _) in wanted.items()
    }
    for subject, email in found.items():
        _, status, error = wanted[subject]
        assert email["smimeStatusAtDelivery"] == status  # received just now
        assert (email["smimeErrors"] is None) is (error is None), subject  # §4.1: of a failure only
        assert all(line for line in email["smimeErrors"] or [])
        if error is not None:
            assert email["smimeErrors"][0].startswith(error)
        assert (email["smimeVerifiedAt"] is not None) is (status in (VERIFIED, FAILED))
    await check_conditions(jmap, {subject: status for subject, (_, status, _) in wanted.items()})


async def check_conditions(jmap: JmapClient, wanted: dict[str, str | None]) -> None:
    """RFC 9219 §4.2."""
    everything = set(wanted)
    signed = {subject for subject, status in wanted.items() if status is not None}
    verified = {subject for subject, status in wanted.items() if status == VERIFIED}
    assert await subjects(jmap, hasSmime=True) == signed
    assert await subjects(jmap, hasSmime=False) == everything - signed
    for condition in ("hasVerifiedSmime", "hasVerifiedSmimeAtDelivery"):
        assert await subjects(jmap, **{condition: True}) == verified
        assert await subjects(jmap, **{condition: False}) == everything - verified
    failed = {"operator": "AND", "conditions": [{"hasSmime": True}, {"hasVerifiedSmime": False}]}
    assert await subjects(jmap, **failed) == signed - verified
    assert await subjects(jmap, operator="NOT", conditions=[failed]) == everything - (signed - verified)
    assert await subjects(jmap, hasVerifiedSmime=True, subject="opaque") == {"opaque"}
    assert await subjects(jmap, hasSmime=True, inMailbox="nowhere") == set()


async def test_the_corpus(jmap: JmapClient, imap: ImapClient) -> None:
    """Encrypted messages show no signature; an OpenPGP signature is an unknown one (§4.1)."""
    signed = {
        name: octets for name, octets in messages().items() if b"pkcs7" in octets or b"multipart/signed" in octets
    }
    assert len(signed) == 3
    for octets in signed.values():
        imap.append("INBOX", octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    ids = (await call(jmap, "Email/query"))["ids"]
    found = (await call(jmap, "Email/get", ids=ids, properties=["smimeStatus", "smimeErrors"]))["list"]
    assert sorted(str(email["smimeStatus"]) for email in found) == ["None", "None", "unknown"]
    assert all(email["smimeErrors"] is None for email in found)


async def test_at_delivery(jmap: JmapClient, imap: ImapClient) -> None:
    """What has expired since was valid when the message came."""
    past = certificate(Wish(valid=(NOW - 90 * DAY, NOW - 30 * DAY)), CA.intermediate)
    octets = detached(by_hand([Signing(past, time=NOW - 40 * DAY)]))
    imap.append("INBOX", named("then", octets), [], f'"{NOW - 40 * DAY:%d-%b-%Y %H:%M:%S +0000}"')
    found = await statuses(jmap)
    assert found["then"]["smimeStatus"] == FAILED
    assert found["then"]["smimeStatusAtDelivery"] == VERIFIED
    assert await subjects(jmap, hasVerifiedSmimeAtDelivery=True) == {"then"}
    assert await subjects(jmap, hasVerifiedSmime=True) == set()


async def test_large_messages(jmap: JmapClient, imap: ImapClient, tmp_path: Path) -> None:
    """Above the size that is fetched whole, above that of work on the event loop, and above what is verified."""
    body = BODY + b"0123456789abcde\r\n" * 60_000
    imap.append("INBOX", named("large detached", detached(by_openssl(tmp_path, [CA.alice], body), body)))
    made = by_openssl(tmp_path, [CA.alice], body, "-nodetach", "-stream")
    imap.append("INBOX", named("large opaque", opaque(made)))
    imap.append("INBOX", named("wrong", opaque(made, header=HEADER.replace(b"alice", b"carol"))))
    imap.append("INBOX", named("tampered", detached(by_openssl(tmp_path, [CA.alice], body), body + b"!")))
    imap.append("INBOX", named("too large", detached(by_hand([]), body * 4)))
    found = await statuses(jmap)
    assert {subject: email["smimeStatus"] for subject, email in found.items()} == {
        "large detached": VERIFIED,
        "large opaque": VERIFIED,
        "wrong": FAILED,
        "tampered": FAILED,
        "too large": "signed",
    }
    assert found["too large"]["smimeVerifiedAt"] is None  # §4.1: there was no attempt
    assert found["wrong"]["smimeErrors"] == ["The From address carol@example.org is not in the signer's certificate"]


async def test_only_who_uses_the_capability_has_it(jmap: JmapClient, imap: ImapClient) -> None:
    """RFC 8620 §1.8; RFC 9219 §3: an empty object in both places."""
    imap.append("INBOX", detached(by_hand([Signing(CA.alice)])))
    assert jmap.session["capabilities"][SMIME] == {}
    assert jmap.session["accounts"][jmap.account]["accountCapabilities"][SMIME] == {}
    for name in STATUS:
        assert (await jmap.error("Email/get", ids=[], properties=[name]))["type"] == "invalidArguments"
    for name in ("hasSmime", "hasVerifiedSmime", "hasVerifiedSmimeAtDelivery"):
        assert (await jmap.error("Email/query", filter={name: True}))["type"] == "unsupportedFilter"
        ((_, error, _),) = await jmap.sentences(("Email/query", {"filter": {name: "yes"}}), using=USING)
        assert error["type"] == "invalidArguments"
    ((_, email, _),) = await jmap.sentences(("Email/get", {"ids": None}), using=USING)
    assert not set(STATUS) & set(email["list"][0])  # not by default
    parse = ("Email/parse", {"blobIds": [], "properties": ["smimeStatus"]})
    ((_, error, _),) = await jmap.sentences(parse, using=USING)
    assert error["type"] == "invalidArguments"
    (email_id,) = (await jmap.call("Email/query"))["ids"]
    change = ("Email/set", {"update": {email_id: {"smimeStatus": "signed/verified!"}}})
    ((_, answer, _),) = await jmap.sentences(change, using=USING)
    assert answer["notUpdated"][email_id]["type"] == "invalidProperties"
    snippets = ("SearchSnippet/get", {"emailIds": [email_id], "filter": {"hasSmime": True, "subject": "Signed"}})
    ((_, answer, _),) = await jmap.sentences(snippets, using=USING)
    assert answer["list"][0]["subject"] == "<mark>Signed</mark>"


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
