"""Whom the calendar server knows: the owner of the account first (RFC 9670 §2)."""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from adapters.ports.calendar_people import CalendarPrincipal, PrincipalsPort
from adapters.ports.calendars import CalendarFacts
from gateway.sync.calendars.account import CalendarAccount
from gateway.sync.calendars.index import Ids, Index


@dataclass(frozen=True, slots=True)
class Person:
    """A principal of the server. is_owner: the account is this one's."""

    id: str
    principal: CalendarPrincipal
    is_owner: bool

    @property
    def email(self) -> str | None:
        """The first mail address."""
        return self.principal.addresses[0].partition(":")[2] if self.principal.addresses else None


def owner_id(account_id: str, facts: CalendarFacts) -> str:
    """The id of the owner's Principal, derived from its path; from the home's where the server tells no principal."""
    return Ids(account_id).principal(facts.owner or facts.home)


async def people(calendars: CalendarAccount, name: str, address: str) -> list[Person]:
    """Everybody whom the server shows to this login, or calendars are shared with, each once. Raises adapters.errors.

    name, address: what the owner is called, and reached at, where the server does not say.
    """
    facts, port = calendars.facts, calendars.port
    shown = await port.principals() if isinstance(port, PrincipalsPort) else ()
    own = next((principal for principal in shown if principal.path == facts.owner), None)
    addresses = facts.addresses or ((f"mailto:{address}",) if "@" in address else ())
    owner = CalendarPrincipal(
        path=facts.owner or facts.home,
        name=facts.display_name or name,
        kind="individual" if own is None else own.kind,
        addresses=addresses,
        home=facts.home,
    )
    others = {principal.path: principal for principal in (*_hidden(calendars.index), *shown)}
    others.pop(owner.path, None)
    found = [Person(calendars.ids.principal(owner.path), owner, is_owner=True)]
    return found + [Person(calendars.ids.principal(path), other, is_owner=False) for path, other in others.items()]


def _hidden(index: Index) -> Iterator[CalendarPrincipal]:
    """Those with whom calendars are shared, and who share theirs, whom the server may hide for all that."""
    sharees = {path for held in index.calendars.values() for path in held.info.grants or ()}
    for path in sorted(sharees | {info.owner for info in index.foreign.values() if info.owner is not None}):
        yield CalendarPrincipal(path, unquote(path.rstrip("/").rpartition("/")[2]), "individual", (), None)
