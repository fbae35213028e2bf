"""JMAP clients that others wrote: alice writes to bob through the gateway, Dovecot and Postfix, and bob reads."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from tests.gateway import running_gateway
from tests.servers.fixtures import require
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


@pytest.mark.parametrize("name", ["jmapc", "jmap-jam"])
async def test_alice_writes_and_bob_reads(name: str, postfix: Postfix) -> None:
    argv = command(name)
    alice, bob = fresh_user(postfix.dovecot), fresh_user(postfix.dovecot)
    keys = {"host": "127.0.0.1", "port": str(postfix.submission), "tls": "none", "identity_domain": "example.org"}
    submission = {f"backends__default__submission__{key}": value for key, value in keys.items()}
    async with running_gateway(postfix.dovecot, **submission) as url:
        process = await asyncio.create_subprocess_exec(
            *argv, url, alice.name, bob.name, alice.password, stdout=-1, stderr=-1
        )
        output, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, errors.decode()
    seen = json.loads(output)
    (email,) = seen["bob"]
    assert email["subject"] == f"From {name}"
    assert email["text"].strip() == f"Hello from {name}."
    assert email["in thread"] is True
    assert (seen["sent"], seen["drafts"]) == ([f"From {name}"], [])  # filed once, no draft left
