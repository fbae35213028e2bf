"""Calendar.shareWith as it is written: from CalendarRights to privileges, and who may give which (-29 §4, §4.3)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from adapters.errors import Unsupported
from adapters.ports.calendar_people import CalendarPrincipal, SharingPort
from adapters.ports.calendars import Calendar
from adapters.ports.collections import Privilege
from gateway.context import Account
from gateway.jmap.checks import boolean, record
from gateway.jmap.errors import SetError
from gateway.objects.calendars.calendar_view import RIGHTS, my_rights, share_with, shares
from gateway.sync.calendars.account import CalendarAccount
from gateway.sync.calendars.index import Held
from gateway.sync.calendars.people import Person, people

Rights = Mapping[str, bool]
Access = Mapping[CalendarPrincipal, frozenset[Privilege]]

_READ: Final[frozenset[Privilege]] = frozenset({"read", "read-free-busy", "read-current-user-privilege-set"})
_WRITE: Final[frozenset[Privilege]] = frozenset({"write-content", "bind", "unbind"})
_GIVES: Final[dict[str, frozenset[Privilege]]] = {
    "mayReadFreeBusy": frozenset({"read-free-busy"}),
    "mayReadItems": _READ,
    "mayWriteAll": _WRITE,
    "mayShare": frozenset({"read-acl", "write-acl", "share"}),
}
"""The rights that servers can give; the others come with them, or do not exist there."""
_IN_WRITE_ALL: Final = ("mayWriteOwn", "mayUpdatePrivate", "mayRSVP")
_RIGHTS: Final = record(dict.fromkeys(RIGHTS, boolean))


def calendar_rights(value: Any) -> str | None:
    """CalendarRights to be given; those that are not said are not given, but for what is part of mayWriteAll."""
    wrong = _RIGHTS(value)
    if wrong is None and value.get("mayWriteAll") and not all(value.get(name, True) for name in _IN_WRITE_ALL):
        return "mayWriteAll needs mayWriteOwn, mayUpdatePrivate and mayRSVP"
    return wrong


@dataclass(slots=True)
class Sharing:
    """The sharing of one Calendar/set."""

    account: Account
    calendars: CalendarAccount
    _known: dict[str, Person] = field(default_factory=dict)

    async def planned(self, info: Calendar | None, before: Mapping[str, Rights], after: Mapping[str, Rights]) -> Access:
        """What is to be told to the server so that `after` comes of `before`. Raises SetError, adapters.errors.

        info: the calendar, None for one that the user is about to make.
        """
        if before == after:
            return {}
        mine = dict.fromkeys(RIGHTS, True) if info is None else my_rights(self.calendars.index, info)
        if not shares(self.calendars.index) or not mine["mayShare"]:
            raise SetError("forbidden", "This calendar may not be shared.")
        access = {}
        for key in sorted({*before, *after}):
            had, wanted = _whole(before.get(key, {})), _whole(after.get(key, {}))
            if any(wanted[name] and not had[name] and not mine[name] for name in RIGHTS):  # -29 §4.3
                raise SetError("forbidden", "You cannot give rights that you do not have.")
            person = await self._person(key, info)
            if wanted != had:
                access[person] = _privileges(after.get(key, {}))
        return access

    async def give(self, path: str, access: Access) -> None:
        """Tell the server. Raises adapters.errors."""
        if not access:
            return
        port = self.calendars.port
        if not isinstance(port, SharingPort):
            raise Unsupported("the server shares no calendars")
        await port.share(path, access)

    def check(self, held: Held | None, wanted: Mapping[str, Rights]) -> None:
        """Raises SetError where the server, which says nothing of it, has given somebody nothing at all."""
        if held is None or not my_rights(self.calendars.index, held.info)["mayShare"]:
            return
        given = share_with(self.calendars, held.info) or {}
        if any(any(rights.values()) and key not in given for key, rights in wanted.items()):
            raise _invalid("The calendar server shares nothing with one of these.")

    async def take_up(self, info: Calendar) -> None:
        """Subscribe to a calendar that somebody offers. Raises adapters.errors."""
        if info.offered and isinstance(port := self.calendars.port, SharingPort):
            await port.accept(info.path)

    async def _person(self, principal_id: str, info: Calendar | None) -> CalendarPrincipal:
        """Whoever has the id. Raises SetError: a reference to nobody, or to the owner (-29 §4)."""
        if not self._known:
            found = await people(self.calendars, self.account.name, self.account.own_address)
            self._known = {person.id: person for person in found}
        person = self._known.get(principal_id)
        if person is None:
            raise _invalid(f"There is no Principal {principal_id[:60]!r}.")
        owns = person.is_owner if info is None or info.owner is None else person.principal.path == info.owner
        if owns:
            raise _invalid("The owner's rights are implicit.")
        return person.principal


def _whole(rights: Rights) -> dict[str, bool]:
    """All the rights, by name."""
    implied = dict.fromkeys(_IN_WRITE_ALL, True) if rights.get("mayWriteAll") else {}
    return {**dict.fromkeys(RIGHTS, False), **implied, **rights}


def _privileges(rights: Rights) -> frozenset[Privilege]:
    """What to give for rights. Raises SetError where there is nothing to be given for any of them."""
    found = frozenset[Privilege]().union(*(given for name, given in _GIVES.items() if rights.get(name)))
    if not found and any(rights.values()):
        raise _invalid("The calendar server cannot give these rights by themselves.")
    return found


def _invalid(description: str) -> SetError:
    return SetError("invalidProperties", description, ["shareWith"])
