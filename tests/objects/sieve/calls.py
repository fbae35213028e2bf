"""Calls with the sieve and vacation capabilities in use."""

from typing import Any

from tests.client import CORE, JmapClient
from tests.objects.sieve.conftest import SIEVE, VACATION


async def call(jmap: JmapClient, name: str, **arguments: Any) -> dict[str, Any]:
    """The arguments of the one response of a call that succeeds."""
    ((answered, given, _),) = await jmap.sentences((name, arguments), using=(CORE, SIEVE, VACATION))
    assert answered == name, given
    return given


async def error(jmap: JmapClient, name: str, **arguments: Any) -> dict[str, Any]:
    """The error that a call is answered with."""
    ((answered, given, _),) = await jmap.sentences((name, arguments), using=(CORE, SIEVE, VACATION))
    assert answered == "error", given
    return given


async def upload(jmap: JmapClient, script: bytes) -> str:
    """The blob id of a script."""
    blob: str = (await jmap.upload(script, "application/sieve"))["blobId"]
    return blob


async def create(jmap: JmapClient, name: str | None, script: bytes, **arguments: Any) -> dict[str, Any]:
    """The response of a SieveScript/set that creates `a`."""
    record = {"name": name, "blobId": await upload(jmap, script)}
    return await call(jmap, "SieveScript/set", create={"a": record}, **arguments)


async def scripts(jmap: JmapClient) -> dict[str, dict[str, Any]]:
    """Name -> SieveScript."""
    return {script["name"]: script for script in (await call(jmap, "SieveScript/get", ids=None))["list"]}


async def vacation(jmap: JmapClient) -> dict[str, Any]:
    """The VacationResponse."""
    (found,) = (await call(jmap, "VacationResponse/get", ids=None))["list"]
    assert isinstance(found, dict)
    return found


async def set_vacation(jmap: JmapClient, **values: Any) -> dict[str, Any]:
    """The response of a VacationResponse/set."""
    return await call(jmap, "VacationResponse/set", update={"singleton": values})
