"""Names of Sieve scripts: any text is a name exactly, or refused; it becomes no command (RFC 5804 §1.6)."""

import re

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.errors import InvalidData
from adapters.managesieve.filters import SieveFilters
from adapters.managesieve.syntax import command, script_name
from tests.client import JmapClient
from tests.objects.sieve.calls import call, create

HOSTILE = (
    *("a\r\nDELETESCRIPT x", 'a" "b', "{3+}\r\nabc", "{3}", "\\", '"', "a\0", "\u2028", "\u0085", "", " ", ".", ".."),
    *("../../x", "a/b", "x" * 600, "é🍵", "\x7f", "\n", "a\tb"),
)
NAMES = st.sampled_from(HOSTILE) | st.text(max_size=30) | st.text('\r\n\0 "\\{}()+0/', max_size=10)
KEEP = b"keep;\r\n"
_LITERAL = re.compile(rb"\{(\d+)\+\}\r\n")


@settings(max_examples=300)
@given(NAMES)
def test_a_name_stays_one_argument(name: str) -> None:
    """Row 21 of the threat model."""
    try:
        octets = command("DELETESCRIPT", script_name(name))
    except InvalidData:
        return
    argument = octets.removeprefix(b"DELETESCRIPT ").removesuffix(b"\r\n")
    literal = _LITERAL.match(argument)
    if literal is not None:
        told = argument[literal.end() :]
        assert len(told) == int(literal[1])
    else:
        assert re.fullmatch(rb'"(?:[^"\\\r\n\0]|\\["\\])*"', argument)
        told = re.sub(rb"\\(.)", rb"\1", argument[1:-1])
    assert told.decode() == name
    assert not re.search(r"[\0\r\n]", name)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=NAMES)
async def test_any_name_is_kept_exactly_or_refused(jmap: JmapClient, sieve: SieveFilters, name: str) -> None:
    """Row 21, on Dovecot and on Cyrus."""
    before = {script.name for script in await sieve.scripts()}
    answer = await create(jmap, name, KEEP)
    if answer["created"] is None:
        error = answer["notCreated"]["a"]
        assert (error["type"], error["properties"]) == ("invalidProperties", ["name"])
    else:
        assert {script.name for script in await sieve.scripts()} == before | {name}
        script_id = answer["created"]["a"]["id"]
        assert (await call(jmap, "SieveScript/set", destroy=[script_id]))["destroyed"] == [script_id]
    assert {script.name for script in await sieve.scripts()} == before
