"""Sieve scripts on the server (RFC 5804)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ScriptInfo:
    """One script of the listing; at most one is active."""

    name: str
    is_active: bool


@dataclass(frozen=True, slots=True)
class FilteringFacts:
    """Capabilities after authentication (RFC 5804 §1.7): SIEVE, NOTIFY, MAXREDIRECTS…, as upper-case name -> value."""

    capabilities: Mapping[str, str]

    @property
    def extensions(self) -> Sequence[str]:
        """The Sieve extensions of the server."""
        return self.capabilities.get("SIEVE", "").split()


class InvalidScript(Exception):
    """The server refuses the script; the message is the server's own words (for the user who wrote it)."""


class FilteringPort(Protocol):
    """One login at one ManageSieve server. All methods raise adapters.errors besides what they name."""

    async def facts(self) -> FilteringFacts:
        """What the server can do."""
        ...

    async def scripts(self) -> list[ScriptInfo]:
        """All scripts."""
        ...

    async def get(self, name: str) -> bytes:
        """A script's octets. Raises NotFound."""
        ...

    async def put(self, name: str, content: bytes) -> None:
        """Store a script, which the server checks. Raises InvalidScript, OverQuota, TooLarge."""
        ...

    async def check(self, content: bytes) -> None:
        """Have a script checked without storing it (CHECKSCRIPT). Raises InvalidScript."""
        ...

    async def activate(self, name: str | None) -> None:
        """Make a script the active one, None for none. Raises NotFound."""
        ...

    async def rename(self, name: str, new: str) -> None:
        """Rename a script. Raises NotFound, Conflict (exists)."""
        ...

    async def delete(self, name: str) -> None:
        """Delete a script. Raises NotFound, Conflict (it is active)."""
        ...

    async def close(self) -> None:
        """Log out."""
        ...
