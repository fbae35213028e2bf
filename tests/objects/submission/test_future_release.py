"""A submission server that holds messages itself (RFC 4865), where the gateway cannot."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.ports.submission import SubmissionFacts
from gateway import postman
from tests.adapters.smtp.server import ScriptedSmtp, scripted_smtp
from tests.client import JmapClient, jmap_client
from tests.gateway import running_gateway
from tests.objects.submission.conftest import submission_keys
from tests.objects.submission.sending import SUBMISSION, call, draft, identity, send, to
from tests.objects.submission.test_delayed import KEY
from tests.servers.dovecot import Dovecot
from tests.servers.users import fresh_user

EHLO = "250-test\r\n250-DSN\r\n250-FUTURERELEASE 86400 2099-12-31T23:59:59Z\r\n250-8BITMIME\r\n250 AUTH PLAIN"


@pytest.fixture
async def script() -> AsyncIterator[ScriptedSmtp]:
    async with scripted_smtp({"EHLO": EHLO}) as script:
        yield script


@pytest.fixture
async def client(dovecot: Dovecot, script: ScriptedSmtp) -> AsyncIterator[JmapClient]:
    """Of a gateway whose store does not last."""
    async with (
        running_gateway(dovecot, **submission_keys(script.port)) as url,
        jmap_client(url, *fresh_user(dovecot)) as client,
    ):
        yield client


def capability(client: JmapClient) -> dict[str, Any]:
    found: dict[str, Any] = client.session["accounts"][client.account]["accountCapabilities"][SUBMISSION]
    return found


async def hold(client: JmapClient, **parameters: str) -> dict[str, Any]:
    mine = (await identity(client))["email"]
    envelope = to("b@example.net", sender=mine)
    envelope["mailFrom"]["parameters"] = parameters
    return await send(client, await draft(client, mine, "b@example.net"), envelope)


async def test_the_server_holds(client: JmapClient, script: ScriptedSmtp) -> None:
    assert capability(client)["maxDelayedSend"] == 86_400
    assert capability(client)["submissionExtensions"]["FUTURERELEASE"] == ["86400", "2099-12-31T23:59:59Z"]
    before = datetime.now(UTC)
    made = (await hold(client, HOLDFOR="3600"))["created"]["s"]
    assert made["undoStatus"] == "final"  # RFC 8621 §7: it cannot be recalled
    due = datetime.fromisoformat(made["sendAt"])
    assert before + timedelta(seconds=3598) < due < datetime.now(UTC) + timedelta(seconds=3601)
    assert made["deliveryStatus"]["b@example.net"]["delivered"] == "unknown"
    (mail,) = [one for one in script.commands if one.startswith("MAIL")]
    assert " HOLDFOR=3600 " in mail
    refused = await call(client, "EmailSubmission/set", update={made["id"]: {"undoStatus": "canceled"}})
    assert refused["notUpdated"][made["id"]]["type"] == "cannotUnsend"


async def test_until_a_moment(client: JmapClient, script: ScriptedSmtp) -> None:
    moment = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    made = (await hold(client, holduntil=moment))["created"]["s"]
    assert made["sendAt"] == moment
    assert any(f" HOLDUNTIL={moment} " in one for one in script.commands)
    # RFC 4865 §3: one that has passed is now
    made = (await hold(client, HOLDUNTIL="2020-01-01T00:00:00Z"))["created"]["s"]
    assert made["sendAt"] < moment
    assert "HOLD" not in [one for one in script.commands if one.startswith("MAIL")][-1]


@pytest.mark.parametrize(
    "parameters",
    [{"HOLDFOR": "86401"}, {"HOLDFOR": "x"}, {"HOLDFOR": "60", "HOLDUNTIL": "2026-01-01T00:00:00Z"}],
    ids=str,
)
async def test_what_the_server_would_refuse(client: JmapClient, script: ScriptedSmtp, parameters: Any) -> None:
    error = (await hold(client, **parameters))["notCreated"]["s"]
    assert (error["type"], error["properties"]) == ("invalidProperties", ["envelope"])
    assert not any(one.startswith("MAIL") for one in script.commands)


async def test_what_the_server_refuses(client: JmapClient, script: ScriptedSmtp) -> None:
    script.answers = {"EHLO": EHLO, "MAIL": "501 5.5.4 no such hold"}
    error = (await hold(client, HOLDFOR="60"))["notCreated"]["s"]
    assert (error["type"], error["properties"]) == ("invalidProperties", ["envelope"])


async def test_a_gateway_that_can_hold_does(dovecot: Dovecot, script: ScriptedSmtp, tmp_path: Any) -> None:
    """It can be taken back then, which the server's could not."""
    keys = submission_keys(script.port) | KEY | {"store__kind": "sqlite", "store__path": str(tmp_path / "store")}
    async with running_gateway(dovecot, **keys) as url, jmap_client(url, *fresh_user(dovecot)) as client:
        assert capability(client)["maxDelayedSend"] == postman.LONGEST_HOLD
        assert capability(client)["submissionExtensions"]["FUTURERELEASE"] == []
        made = (await hold(client, HOLDFOR="3600"))["created"]["s"]
        assert made["undoStatus"] == "pending"
        canceled = await call(client, "EmailSubmission/set", update={made["id"]: {"undoStatus": "canceled"}})
        assert made["id"] in canceled["updated"]
        assert not any(one.startswith("MAIL") for one in script.commands)


@pytest.mark.parametrize(
    ("words", "longest"),
    [
        (["86400", "2026-01-01T01:00:00Z"], 3600),
        (["86400", "2026-01-01T02:59:59Z"], 7200),  # whole hours: the session is not another one every second
        (["60", "2026-01-01T01:00:00Z"], 60),
        (["60", "2026-01-01T00:30:00Z"], 0),
        (["60", "2025-01-01T01:00:00Z"], 0),
        (["60"], 0),
        ([], 0),
        (["x", "y"], 0),
        (["-5", "2026-01-01T01:00:00Z"], 0),
    ],
)
def test_what_a_server_says_of_it(words: list[str], longest: int) -> None:
    """RFC 4865 §4: two parameters, both required."""
    now = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    assert SubmissionFacts({"FUTURERELEASE": words}).longest_hold(now) == longest
    assert SubmissionFacts({}).longest_hold(now) == 0
