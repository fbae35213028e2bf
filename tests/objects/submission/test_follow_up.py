"""What is to become of an Email that was sent (RFC 8621 §7.5), while the mail server is away. Threat model, row 78.

Gateways that are killed in between: tests/replicas/test_killed_sending.py.
"""

from pathlib import Path
from typing import Any

import pytest

from gateway import postman
from gateway.objects.submission import follow_up, intents
from tests.adapters.smtp.server import scripted_smtp
from tests.client import jmap_client
from tests.faults.conftest import Behind
from tests.faults.proxy import After, Cut, FaultProxy, Rule
from tests.gateway import running_gateway
from tests.objects.submission.conftest import submission_keys
from tests.objects.submission.sending import call, draft, eventually, identity, mailbox, sentences
from tests.servers.dovecot import Dovecot
from tests.servers.imap_client import imap_client
from tests.servers.users import fresh_user

POSTMAN = {"store__kind": "sqlite", "auth__credentials_key": "k" * 32}


@pytest.mark.parametrize("alone", [False, True])
async def test_it_is_done_when_the_mail_server_is_back(
    dovecot: Dovecot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alone: bool
) -> None:
    """The client is told that it was not done. The next call does it, or the gateway where it may log in."""
    monkeypatch.setattr(follow_up, "FOLLOW_SECONDS", 0.2)
    monkeypatch.setattr(follow_up, "ENTRY_SECONDS", 0.2)
    monkeypatch.setattr(intents, "FOLLOW_SECONDS", 0.2)
    monkeypatch.setattr(postman, "PAUSE_SECONDS", 0.2)
    monkeypatch.setattr(postman, "LOOK_SECONDS", 0.2)
    user = fresh_user(dovecot)
    async with scripted_smtp() as script, FaultProxy(dovecot.host, dovecot.imap) as proxy:
        keys = submission_keys(script.port)
        keys |= POSTMAN | {"store__path": str(tmp_path / "store")} if alone else {}
        async with running_gateway(Behind(dovecot, proxy), **keys) as url, jmap_client(url, *user) as client:
            email_id = await draft(client, (await identity(client))["email"], "b@example.net")
            drafts, sent = await mailbox(client, "drafts"), await mailbox(client, "sent")
            patch = {"keywords/$draft": None, f"mailboxIds/{drafts}": None, f"mailboxIds/{sent}": True}
            proxy.add(Rule("client", After.match(rb"UID STORE"), Cut(), times=None))
            wanted = {"identityId": (await identity(client))["id"], "emailId": email_id}
            (_, answer, _), (name, implicit, _) = await sentences(
                client, "EmailSubmission/set", create={"s": wanted}, onSuccessUpdateEmail={"#s": patch}
            )
            assert answer["created"]["s"]["undoStatus"] == "final"
            assert (name, implicit["notUpdated"][email_id]["type"]) == ("Email/set", "serverUnavailable")
            proxy.rules.clear()

            async def filed() -> Any:
                if not alone:
                    await call(client, "EmailSubmission/get", ids=[])
                with imap_client(dovecot, user) as imap:
                    return imap.uids("Sent") and not imap.uids("Drafts")

            await eventually(filed)
            (found,) = (await client.call("Email/get", ids=[email_id], properties=["keywords", "mailboxIds"]))["list"]
            assert (found["keywords"], found["mailboxIds"]) == ({"$seen": True}, {sent: True})
            assert len(script.data) == 1


async def test_what_is_refused_for_good_is_not_tried_again(dovecot: Dovecot, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client is told, and what it does then stands."""
    monkeypatch.setattr(follow_up, "FOLLOW_SECONDS", 0.0)
    user = fresh_user(dovecot)
    async with (
        scripted_smtp() as script,
        running_gateway(dovecot, **submission_keys(script.port)) as url,
        jmap_client(url, *user) as client,
    ):
        email_id = await draft(client, (await identity(client))["email"], "b@example.net")
        box = (await client.call("Mailbox/set", create={"b": {"name": "Gone"}}))["created"]["b"]["id"]
        await client.call("Mailbox/set", destroy=[box])
        wanted = {"identityId": (await identity(client))["id"], "emailId": email_id}
        _, (_, implicit, _) = await sentences(
            client,
            "EmailSubmission/set",
            create={"s": wanted},
            onSuccessUpdateEmail={"#s": {f"mailboxIds/{box}": True, "keywords/$draft": None}},
        )
        assert implicit["notUpdated"][email_id]["type"] == "invalidProperties"
        await call(client, "EmailSubmission/get", ids=[])
        (found,) = (await client.call("Email/get", ids=[email_id], properties=["keywords"]))["list"]
        assert found["keywords"] == {"$seen": True, "$draft": True}
