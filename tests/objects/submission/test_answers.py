"""What a report changes of a submission, and what it does not (RFC 8621 §7)."""

from typing import Any

from adapters.formats.dsn import Dsn, Recipient
from gateway.objects.submission import answers
from gateway.objects.submission.answers import after_dsn, after_mdn

BOB, CAROL = "Bob@example.org", "carol@example.org"
STATUS = {"smtpReply": "250 2.1.5 Ok", "delivered": "unknown", "displayed": "unknown"}


def sent(submission_id: str = "s1", at: float = 1.0, **more: Any) -> dict[str, Any]:
    """A submission to Bob, who is to tell of success, and to Carol."""
    bob = {"email": BOB, "parameters": {"notify": "success,FAILURE"}}
    envelope = {"mailFrom": {"email": "a@example.org", "parameters": None}, "rcptTo": [bob, _plain(CAROL)]}
    return {
        "id": submission_id,
        "at": at,
        "undoStatus": "final",
        "envelope": envelope,
        "deliveryStatus": {BOB: STATUS, CAROL: STATUS},
        "dsnBlobIds": [],
        "mdnBlobIds": [],
        "messageId": "<m@example.org>",
        "wantsReceipt": True,
    } | more


def _plain(email: str) -> dict[str, Any]:
    return {"email": email, "parameters": None}


def dsn(*told: tuple[str, str], envelope_id: str | None = "s1", message_id: str | None = None) -> Dsn:
    reply = {"failed": "550 5.1.1 no", "delayed": "451 4.4.1 later", "delivered": "250 2.0.0 there"}
    return Dsn(envelope_id, message_id, [Recipient([email], action, reply[action]) for email, action in told])


def mdn(recipient: str, kind: str = "displayed", original: str | None = None) -> dict[str, Any]:
    return {
        "originalMessageId": " <m@example.org>",
        "finalRecipient": recipient,
        "originalRecipient": original,
        "disposition": {"type": kind},
    }


def test_only_what_the_report_tells_of() -> None:
    after = after_dsn([sent("s0"), sent()], dsn(("bob@example.org", "delivered"), (CAROL, "delayed")), "b")
    assert after is not None
    assert (after["id"], after["dsnBlobIds"], after["mdnBlobIds"]) == ("s1", ["b"], [])
    assert after["deliveryStatus"] == {
        BOB: {"smtpReply": "250 2.0.0 there", "delivered": "yes", "displayed": "unknown"},
        # "Receipt of any other DSN SHOULD NOT affect this property."
        CAROL: {"smtpReply": "451 4.4.1 later", "delivered": "unknown", "displayed": "unknown"},
    }
    # What is final stays, and the same report says nothing new.
    again = after_dsn([after], dsn((BOB, "failed"), (CAROL, "delivered")), "c")
    assert again is not None
    assert again["dsnBlobIds"] == ["b", "c"]
    assert again["deliveryStatus"] == after["deliveryStatus"]
    assert after_dsn([again], dsn((BOB, "failed")), "c") is None


def test_whom_it_is_about() -> None:
    one = dsn((BOB, "failed"))
    assert after_dsn([sent(undoStatus="canceled", deliveryStatus=None)], one, "b") is None
    assert after_dsn([sent("s2")], one, "b") is None
    assert after_dsn([sent()], dsn(("dave@example.org", "failed")), "b") is None
    by_message = dsn((BOB, "failed"), envelope_id=None, message_id="<m@example.org>")
    found = after_dsn([sent("s1", 1.0), sent("s3", 3.0), sent("s2", 2.0)], by_message, "b")
    assert found is not None
    assert found["id"] == "s3"  # that was sent again
    assert after_dsn([sent(messageId=None)], by_message, "b") is None
    assert after_dsn([sent()], dsn((BOB, "failed"), envelope_id=None), "b") is None
    of_before = {name: value for name, value in sent().items() if name not in ("messageId", "wantsReceipt")}
    assert after_dsn([of_before], by_message, "b") is None
    mine = sent()
    mine["envelope"]["mailFrom"]["parameters"] = {"envid": "mine"}
    assert after_dsn([mine], one, "b") is None
    assert after_dsn([mine], dsn((BOB, "failed"), envelope_id="mine"), "b") is not None


def test_more_reports_than_are_listed() -> None:
    full = sent(dsnBlobIds=[f"b{number}" for number in range(answers.MOST_BLOBS)])
    after = after_dsn([full], dsn((CAROL, "failed")), "b")
    assert after is not None
    assert after["dsnBlobIds"] == full["dsnBlobIds"]
    assert after["deliveryStatus"][CAROL]["delivered"] == "no"


def test_receipts() -> None:
    after = after_mdn([sent()], mdn("rfc822; BOB@example.org"), "b")
    assert after is not None
    assert (after["mdnBlobIds"], after["deliveryStatus"][BOB]["displayed"]) == (["b"], "yes")
    assert after["deliveryStatus"][CAROL] == STATUS
    deleted = after_mdn([sent()], mdn("rfc822; alias@example.org", "deleted", f"rfc822;{CAROL}"), "b")
    assert deleted is not None
    assert (deleted["mdnBlobIds"], deleted["deliveryStatus"][CAROL]) == (["b"], STATUS)
    assert after_mdn([sent()], mdn("rfc822; dave@example.org"), "b") is None
    assert after_mdn([sent(wantsReceipt=False)], mdn(f"rfc822; {BOB}"), "b") is None
    assert after_mdn([after], mdn(f"rfc822; {BOB}"), "b") is None
