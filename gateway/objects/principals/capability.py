"""The principals capabilities (RFC 9670 §1.5) and the way from an account to the people of its server."""

import hashlib
from collections.abc import Iterable
from typing import Any, Final

import orjson

from adapters.ports.calendars import CalendarFacts
from gateway.context import Account
from gateway.jmap.errors import MethodError
from gateway.sync.calendars.account import CalendarAccount
from gateway.sync.calendars.people import Person, owner_id, people

PRINCIPALS: Final = "urn:ietf:params:jmap:principals"
OWNER: Final = "urn:ietf:params:jmap:principals:owner"
"""Only a key of accountCapabilities: not in the session's capabilities, not in `using` (RFC 9670 §1.5.2)."""


def principals_capabilities(account_id: str, facts: CalendarFacts) -> dict[str, dict[str, Any]]:
    """URN -> the account's object: the account holds its owner's Principal."""
    own = owner_id(account_id, facts)
    return {
        PRINCIPALS: {"currentUserPrincipalId": own},
        OWNER: {"accountIdForPrincipal": account_id, "principalId": own},
    }


def calendars_behind(account: Account) -> CalendarAccount:
    """The calendars whose server knows the people. Raises MethodError."""
    if account.calendars is None:
        raise MethodError("accountNotSupportedByMethod")
    return account.calendars


async def people_of(account: Account) -> list[Person]:
    """Everybody whom the account's server shows, asked just now. Raises MethodError, adapters.errors."""
    return await people(calendars_behind(account), account.name, account.own_address)


def digest(records: Iterable[Any]) -> str:
    """A state that says nothing but whether these are the same."""
    return hashlib.sha256(orjson.dumps(list(records))).hexdigest()[:24]
