"""The capabilities of a filtering server (RFC 9661 §1.2.1, RFC 8621 §1.3.3) and the way from an account to it."""

from collections.abc import Mapping
from typing import Any, Final

from adapters.formats.vacation_script import EXTENSIONS
from adapters.ports.filtering import FilteringFacts
from gateway.context import Account
from gateway.jmap.errors import MethodError
from gateway.sync.scripts import Scripts

SIEVE: Final = "urn:ietf:params:jmap:sieve"
VACATION: Final = "urn:ietf:params:jmap:vacationresponse"
SESSION: Final[Mapping[str, Mapping[str, Any]]] = {
    SIEVE: {"implementation": "jmap-gateway, in front of a ManageSieve server"},
    VACATION: {},
}
"""What the session says of the two (RFC 9661 §1.2.1), where a filtering server is configured."""

MAX_NAME: Final = 512
"""Octets of UTF-8 (RFC 9661 §1.2.1)."""
MAX_SCRIPT: Final = 1_000_000
"""Octets; a server that takes less answers for itself."""


def capabilities(facts: FilteringFacts) -> dict[str, dict[str, Any]]:
    """URN -> the account's object, for what this server can do."""
    extensions = list(facts.extensions)
    found = {SIEVE: _sieve(facts, extensions)}
    if EXTENSIONS.issubset(extensions):
        found[VACATION] = {}
    return found


def _sieve(facts: FilteringFacts, extensions: list[str]) -> dict[str, Any]:
    redirects = facts.capabilities.get("MAXREDIRECTS", "")
    return {
        "maxSizeScriptName": MAX_NAME,
        "maxSizeScript": MAX_SCRIPT,
        "maxNumberScripts": None,
        "maxNumberRedirects": int(redirects[:9]) if redirects.isascii() and redirects.isdigit() else None,
        "sieveExtensions": extensions,
        "notificationMethods": _schemes(facts, "NOTIFY") if "enotify" in extensions else None,
        "externalLists": _schemes(facts, "EXTLISTS") if "extlists" in extensions else None,
    }


def _schemes(facts: FilteringFacts, name: str) -> list[str]:
    return facts.capabilities.get(name, "").split()


def scripts_of(account: Account) -> Scripts:
    """The account's scripts. Raises MethodError where it has none."""
    if account.filtering is None:
        raise MethodError("accountNotSupportedByMethod")
    return account.filtering
