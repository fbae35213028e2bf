"""The kinds of servers that the mail backend is tested on."""

import pytest

from tests.adapters.imap.mailboxes import Tier

TIERS = {
    "dovecot": ("dovecot", None, ("CONDSTORE", "QRESYNC")),
    "without-qresync": ("dovecot", None, ("CONDSTORE",)),
    "plain": ("dovecot_plain", "fingerprint", ()),
    "cyrus": ("cyrus", None, ("CONDSTORE", "QRESYNC")),
    "pymap": ("pymap_server", None, ()),
}


@pytest.fixture(params=TIERS)
def tier(request: pytest.FixtureRequest) -> Tier:
    """Each kind of server in turn."""
    fixture, id_source, enable = TIERS[request.param]
    return Tier(request.param, request.getfixturevalue(fixture), id_source, enable)  # type: ignore[arg-type]


@pytest.fixture
def dovecot_tier(dovecot: object) -> Tier:
    """Dovecot alone, for what does not depend on the server."""
    return Tier("dovecot", dovecot, None)  # type: ignore[arg-type]
