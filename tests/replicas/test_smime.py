"""A signature that was verified at one gateway is known at the other, and so is what becomes of it (RFC 9219 §4.3)."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from adapters.smime import anchors
from tests.client import jmap_client
from tests.formats.smime.making import Authority, Signing, by_hand, detached
from tests.gateway import running_gateway
from tests.objects.mail.smime.asking import CA, FAILED, NOW, VERIFIED, statuses, write_anchors
from tests.replicas.test_replicas import events, told
from tests.servers.dovecot import Dovecot
from tests.servers.imap_client import imap_client
from tests.servers.redis import Redis
from tests.servers.users import User


async def test_one_verifies_and_both_tell(
    dovecot: Dovecot, user: User, shared_redis: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(anchors, "CHECK_SECONDS", 0.0)
    path = tmp_path / "anchors.pem"
    write_anchors(path, CA.root)
    store = {"store__kind": "redis", "store__url": f"redis://{shared_redis.host}:{shared_redis.port}/0"}
    with imap_client(dovecot, user) as imap:
        imap.append("INBOX", detached(by_hand([Signing(CA.alice)])))
    async with AsyncExitStack() as stack:
        urls = [
            await stack.enter_async_context(running_gateway(dovecot, **store, smime__trust_anchors=str(path)))
            for _ in range(2)
        ]
        one, other = [await stack.enter_async_context(jmap_client(url, *user)) for url in urls]
        first = (await statuses(one))["Signed"]
        assert first["smimeStatus"] == VERIFIED
        assert (await statuses(other))["Signed"] == first
        stream = events(other)
        assert await told(stream) is None
        state = (await other.call("Email/get", ids=[]))["state"]
        write_anchors(path, Authority.make(NOW).root)
        second = (await statuses(one))["Signed"]
        assert second["smimeStatus"] == FAILED
        assert (await told(stream))["Email"] != state
        assert len((await other.call("Email/changes", sinceState=state))["updated"]) == 1
        monkeypatch.setattr("gateway.objects.mail.smime.signed_messages", None)  # it isn't verified there as well
        assert (await statuses(other))["Signed"] == second
