"""JMAP clients that others wrote: alice writes to bob through the gateway, Postfix, Dovecot or Cyrus; bob answers."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from tests.gateway import running_gateway
from tests.objects.submission.conftest import submission_keys
from tests.servers.fixtures import require
from tests.servers.imap_client import imap_client
from tests.servers.postfix import Postfix
from tests.servers.users import fresh_user

HERE = Path(__file__).parent
JMAPC = HERE.parent.parent / ".venvs" / "jmapc" / "bin" / "python"
JAM = HERE / "node_modules" / "jmap-jam"


def command(name: str) -> list[str]:
    """How the client's scenario is started."""
    if name == "jmapc":
        require(name, JMAPC.exists(), "is not in .venvs/jmapc (bin/test)")
        return [str(JMAPC), str(HERE / "jmapc_scenario.py")]
    node = shutil.which("node")
    require(name, node is not None and JAM.exists(), "is not in tests/clients/node_modules (bin/test)")
    return [str(node), str(HERE / "jam_scenario.mjs")]


LEAVES = (b"\x00tea leaves\xff" * 1000).hex()


@pytest.fixture(params=["dovecot", "cyrus"])
def route(request: pytest.FixtureRequest) -> Postfix:
    """The way from one mailbox to another: through Postfix by LMTP."""
    route: Postfix = request.getfixturevalue("postfix" if request.param == "dovecot" else "postfix_before_cyrus")
    return route


@pytest.mark.parametrize("name", ["jmapc", "jmap-jam"])
async def test_alice_writes_and_bob_answers(name: str, route: Postfix) -> None:
    argv = command(name)
    alice, bob = fresh_user(route.mail), fresh_user(route.mail)
    async with running_gateway(route.mail, **submission_keys(route.submission)) as url:
        process = await asyncio.create_subprocess_exec(
            *argv, url, alice.name, bob.name, alice.password, stdout=-1, stderr=-1
        )
        output, errors = await asyncio.wait_for(process.communicate(), 90)
    assert process.returncode == 0, errors.decode()
    seen = json.loads(output)
    first = {"subject": f"From {name}", "text": f"Hello from {name}.", "attachments": [LEAVES], "in thread": 2}
    answer = {"subject": f"Re: From {name}", "text": "Thanks!", "attachments": [], "in thread": 2}
    # filed once, no draft left; and what was answered says so
    assert seen["alice"] == {"inbox": [answer | {"keywords": []}], "sent": [first | {"keywords": []}], "drafts": []}
    answered = first | {"keywords": ["$answered", "$seen"]}
    assert seen["bob"] == {"inbox": [answered], "sent": [answer | {"keywords": []}], "drafts": []}
    with imap_client(route.mail, alice) as imap:
        assert len(imap.uids("Sent")) == 1
