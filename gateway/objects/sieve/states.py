"""States of what is made of scripts: digests of what the server holds."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from adapters.formats.vacation_script import Vacation
from gateway.objects.sieve import chain
from gateway.objects.sieve.chain import Found
from gateway.sync.scripts import Script

SINGLETON: Final = "singleton"
FIELDS: Final = {
    "fromDate": "from_date",
    "toDate": "to_date",
    "subject": "subject",
    "textBody": "text_body",
    "htmlBody": "html_body",
}


def of_scripts(scripts: Sequence[Script]) -> str:
    """The state of SieveScript."""
    return _digest(sorted((script.id, script.name, script.is_active, script.blob_id) for script in scripts))


def of_vacation(scripts: Sequence[Script]) -> str:
    """The state of VacationResponse."""
    return _digest(sorted(vacation(chain.find(scripts)).items()))


def vacation(found: Found) -> dict[str, Any]:
    """The VacationResponse (RFC 8621 §8)."""
    settings = found.settings or Vacation()
    values = {name: getattr(settings, field) for name, field in FIELDS.items()}
    return {"id": SINGLETON, "isEnabled": found.is_enabled, **values}


def _digest(facts: object) -> str:
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:24]


STATES: Final[Mapping[str, Callable[[Sequence[Script]], str]]] = {
    "SieveScript": of_scripts,
    "VacationResponse": of_vacation,
}
"""By type, what a look at the scripts tells of its state."""
