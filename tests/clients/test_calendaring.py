"""The JMAP client of the `caldav` project reads and writes a calendar through the gateway, in front of Radicale."""

import asyncio
import json
from pathlib import Path

from gateway.demo.radicale import Radicale
from tests.client import CORE, jmap_client
from tests.gateway import running_gateway
from tests.servers.dovecot import Dovecot
from tests.servers.fixtures import require
from tests.servers.users import fresh_user

HERE = Path(__file__).parent
PYTHON = HERE.parent.parent / ".venvs" / "calendaring" / "bin" / "python"
CALENDARS = "urn:ietf:params:jmap:calendars"


async def test_an_event_lives(dovecot: Dovecot, radicale: Radicale) -> None:
    require("calendaring-jmap", PYTHON.exists(), "is not in .venvs/calendaring (bin/test)")
    user = fresh_user(dovecot)
    radicale.create_user(*user)
    async with running_gateway(dovecot, backends__default__caldav__url=radicale.url) as url:
        async with jmap_client(url, *user) as jmap:
            await jmap.sentences(("Calendar/set", {"create": {"k": {"name": "Scenario"}}}), using=(CORE, CALENDARS))
        argv = [str(PYTHON), str(HERE / "calendaring_scenario.py"), url, *user]
        process = await asyncio.create_subprocess_exec(*argv, stdout=-1, stderr=-1)
        output, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, errors.decode()
    seen = json.loads(output)
    assert seen["created"]["title"] == "Written by calendaring"
    assert (seen["created"]["start"], seen["created"]["timeZone"]) == ("2026-12-01T10:00:00", "Europe/Berlin")
    assert [place["name"] for place in seen["created"]["locations"].values()] == ["Room 5"]
    assert seen["found"] == ["Changed by calendaring"]
    assert seen["changes"] == [["Changed by calendaring"], 0, []]
    assert "recurrenceRules is unknown" in seen["refused"]  # a name of RFC 8984
    assert seen["left"] == 0
