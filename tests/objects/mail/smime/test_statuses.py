"""S/MIME over JMAP (RFC 9219): the properties and conditions of every kind of message."""

from pathlib import Path

from tests.client import JmapClient
from tests.formats.mail.corpus import messages
from tests.formats.smime.making import (
    BODY,
    DAY,
    HEADER,
    Signing,
    Wish,
    by_hand,
    by_openssl,
    certificate,
    detached,
    opaque,
)
from tests.objects.mail.smime.asking import (
    CA,
    FAILED,
    NOW,
    SMIME,
    STATUS,
    USING,
    VERIFIED,
    call,
    named,
    samples,
    statuses,
    subjects,
)
from tests.servers.imap_client import ImapClient


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
