"""The vacation script among the user's scripts: found, written, and put in front of the active one.

A server runs one active script. While the response is on that is the gateway's own; what was active before is
included by it (RFC 6609) and not touched (docs/decisions/0006-vacation.md).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from adapters.errors import InvalidData
from adapters.formats import vacation_script
from adapters.formats.vacation_script import Vacation
from adapters.ports.filtering import InvalidScript
from gateway.jmap.errors import SetError
from gateway.sync.scripts import Script, Scripts

NAME: Final = "jmap-gateway-vacation"

# RFC 5230 §4.7: a second vacation is an error while the script runs, and so is reject (RFC 5429) beside one.
_REPLIES: Final = re.compile(rb'"(vacation(?:-seconds)?|reject|ereject)"')
_INCLUDES: Final = re.compile(rb'"include"')


@dataclass(frozen=True, slots=True)
class Found:
    """The scripts of an account, and the vacation script among them. settings: None where it is not the gateway's."""

    all: Sequence[Script]
    own: Script | None
    settings: Vacation | None

    @property
    def is_enabled(self) -> bool:
        """Whether mail is answered: the script runs only while it is the active one."""
        return self.own is not None and self.own.is_active and self.settings is not None

    @property
    def others(self) -> list[Script]:
        """The user's scripts."""
        return [script for script in self.all if script is not self.own]


def find(scripts: Sequence[Script]) -> Found:
    """Look for the vacation script."""
    own = next((script for script in scripts if script.name == NAME), None)
    return Found(scripts, own, Vacation() if own is None else vacation_script.read(own.content))


def is_vacation(script: Script) -> bool:
    """Whether only VacationResponse/set may change this script (RFC 9661 §4)."""
    return script.name == NAME and vacation_script.read(script.content) is not None


async def enable(scripts: Scripts, found: Found, settings: Vacation) -> None:
    """Have mail answered so, in front of what the user's active script does. Raises SetError, adapters.errors."""
    if found.is_enabled:
        await _store(scripts, settings)
        return
    active = next((script for script in found.others if script.is_active), None)
    if active is not None:
        await _check_chain(scripts, found, active)
    await _store(scripts, replace(settings, includes=None if active is None else active.name))
    await scripts.port.activate(NAME)


async def disable(scripts: Scripts, found: Found, settings: Vacation) -> None:
    """Keep the settings, answer nothing; what was active before is so again. Raises SetError, adapters.errors."""
    await _store(scripts, settings)
    if found.is_enabled:
        before = next((script.name for script in found.others if script.name == settings.includes), None)
        await scripts.port.activate(before)


async def renamed(scripts: Scripts, found: Found, old: str, new: str) -> None:
    """Follow the rename of the script that the vacation script includes."""
    if found.own is not None and found.settings is not None and found.settings.includes == old:
        await _store(scripts, replace(found.settings, includes=new))


async def _check_chain(scripts: Scripts, found: Found, active: Script) -> None:
    if "include" not in (await scripts.port.facts()).extensions:
        raise SetError("forbidden", f"The server cannot run another script beside the active one, {active.name!r}.")
    behind = found.others if _INCLUDES.search(active.content) else [active]
    for script in behind:
        if match := _REPLIES.search(script.content):
            action = match[1].decode()
            raise SetError(
                "forbidden",
                f"The script {script.name!r} uses {action}, which cannot run together with a vacation response; "
                "take it out, or make another script the active one.",
            )


async def _store(scripts: Scripts, settings: Vacation) -> None:
    try:
        await scripts.port.put(NAME, vacation_script.write(settings))
    except InvalidScript as error:
        raise SetError("forbidden", f"The server refuses the vacation script: {error}") from error
    except InvalidData as error:
        raise SetError("invalidProperties", str(error)) from error
