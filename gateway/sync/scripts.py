"""The Sieve scripts of one account, with ids that survive a rename.

The id of a script is derived from the name that it had when it was first seen, and its renames through JMAP are
remembered in the store. Another client's rename looks like another script (ManageSieve has no ids).
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from adapters.errors import NotFound
from adapters.ports.filtering import FilteringPort, ScriptInfo
from gateway.store.base import Key, Put, Store
from gateway.sync.ids import Digester, to_text
from gateway.sync.observed import Observed

SPACE: Final = "sieve"
NAMES: Final = "names"
SCRIPTED: Final = ("SieveScript", "VacationResponse")
"""The types that are made of scripts."""


@dataclass(frozen=True, slots=True)
class Script:
    """One script with its content."""

    id: str
    name: str
    is_active: bool
    content: bytes

    @property
    def blob_id(self) -> str:
        """Names the script and its content: another content has another blob id."""
        return f"c{self.id}{to_text('c', hashlib.sha256(self.content).digest()[:16])}"


class Scripts:
    """What the server holds for one login. All methods may raise adapters.errors and StoreUnavailable.

    told: of the account, is let know of every look. digests: by type the state that a look tells of.
    """

    def __init__(
        self,
        account_id: str,
        port: FilteringPort,
        store: Store,
        told: Observed,
        digests: Mapping[str, Callable[[Sequence[Script]], str]],
    ) -> None:
        self.port = port
        self._told = told
        self._digests = digests
        self._account_id = account_id
        self._store = store
        self._ids = Digester(account_id, "sieve")

    async def all(self) -> list[Script]:
        """All scripts, read just now, in the order of their names."""
        listed = sorted(await self.port.scripts(), key=lambda info: info.name)
        ids = await self._ids_of(listed)
        found = []
        for info in listed:
            try:
                content = await self.port.get(info.name)
            except NotFound:  # deleted since it was listed
                continue
            found.append(Script(ids[info.name], info.name, info.is_active, content))
        await self._told.note(self._states(found))
        return found

    async def states(self) -> dict[str, str]:
        """The states of what is made of scripts, by type."""
        return self._states(await self.all())

    def _states(self, scripts: Sequence[Script]) -> dict[str, str]:
        return {name: digest(scripts) for name, digest in self._digests.items()}

    async def of_blob(self, blob_id: str) -> Script | None:
        """The script with this content, if it is there."""
        if not blob_id.startswith("cs"):
            return None
        listed = await self.port.scripts()
        ids = await self._ids_of(listed)
        for info in listed:
            if blob_id.startswith(f"c{ids[info.name]}"):
                script = Script(ids[info.name], info.name, info.is_active, await self.port.get(info.name))
                return script if script.blob_id == blob_id else None
        return None

    async def rename(self, script: Script, name: str) -> None:
        """Give a script another name; it keeps its id. Raises Conflict (the name is taken), InvalidData."""
        names = {info.name for info in await self.port.scripts()}
        kept = {known: value for known, value in (await self._remembered()).items() if known in names}
        # Before the rename: a name that is remembered but not there yet does no harm.
        record = json.dumps({"v": 1, "ids": kept | {name: script.id}}).encode()
        await self._store.commit(self._account_id, [Put(self._key, record)])
        await self.port.rename(script.name, name)

    @property
    def _key(self) -> Key:
        return Key(self._account_id, SPACE, NAMES)

    async def _ids_of(self, listed: list[ScriptInfo]) -> dict[str, str]:
        remembered = await self._remembered()
        ids = {info.name: remembered[info.name] for info in listed if info.name in remembered}
        taken = set(ids.values())
        for name in sorted({info.name for info in listed} - ids.keys()):
            ids[name] = self._derived(name, taken)
            taken.add(ids[name])
        return ids

    def _derived(self, name: str, taken: set[str]) -> str:
        """The id of a name; another one while a script that was renamed has it."""
        attempt = 0
        while (derived := to_text("s", self._ids.digest(f"{attempt}\0{name}".encode()))) in taken:
            attempt += 1
        return derived

    async def _remembered(self) -> dict[str, str]:
        (value,) = await self._store.read([self._key])
        try:
            found = json.loads(value or b"{}").get("ids", {})
            return {str(name): str(script_id) for name, script_id in found.items()}
        except (ValueError, AttributeError):
            return {}
