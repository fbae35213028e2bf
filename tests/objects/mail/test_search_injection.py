"""Whatever is searched for is searched for, or refused: it becomes no command, and disturbs no other search."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.client import JmapClient
from tests.objects.mail.messages import message
from tests.servers.imap_client import ImapClient

HOSTILE = (
    *(
        "a\r\nX LOGOUT",
        "{3+}\r\nabc",
        "{99999999}",
        '"',
        "\\",
        'x" ALL',
        ") OR (ALL",
        "a\0b",
        "\r",
        "\n",
        "*",
        "%",
        " ",
    ),
    *("é\u0301ß🍵", "=?utf-8?q?=0D=0A?=", "NIL", "ALL", "x" * 20_000, "\x7f\x80", "\u2028"),
)
TEXT = st.sampled_from(HOSTILE) | st.text(max_size=30) | st.text('\r\n\0 "\\{}()+0', max_size=12)
CONDITIONS = st.one_of(
    st.dictionaries(st.sampled_from(["text", "from", "to", "cc", "bcc", "subject", "body"]), TEXT, min_size=1),
    st.fixed_dictionaries({"header": st.lists(TEXT, min_size=1, max_size=2)}),
    st.fixed_dictionaries({"header": st.builds(lambda value: ["Subject", value], TEXT)}),
    st.dictionaries(st.sampled_from(["hasKeyword", "notKeyword", "allInThreadHaveKeyword"]), TEXT, min_size=1),
)


@pytest.fixture
async def canary(imap: ImapClient, jmap: JmapClient) -> str:
    imap.append("INBOX", message("canary", body="a bird\r\n"))
    (found,) = (await jmap.call("Email/query"))["ids"]
    return str(found)


@pytest.mark.parametrize("tier", ["dovecot", "cyrus"], indirect=True)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(condition=CONDITIONS)
async def test_any_text_is_searched_for_or_refused(
    jmap: JmapClient, imap: ImapClient, canary: str, condition: dict[str, Any]
) -> None:
    """Row 15 of the threat model."""
    before = imap.mailboxes()
    ((name, answer, _),) = await jmap.sentences(("Email/query", {"filter": condition}))
    if name == "error":
        assert answer["type"] in {"invalidArguments", "unsupportedFilter"}, answer
    else:
        assert set(answer["ids"]) <= {canary}
    found = await jmap.call("Email/query", filter={"operator": "AND", "conditions": [{"subject": "canary"}]})
    assert found["ids"] == [canary]
    assert (await jmap.call("Email/query", filter={"body": "fish"}))["ids"] == []
    assert imap.mailboxes() == before
