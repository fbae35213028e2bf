"""The envelope that is made where the client gives none (RFC 8621 §7)."""

from collections.abc import AsyncIterator

import pytest

from adapters.ports.mail_write import Octets
from gateway.jmap.errors import SetError
from gateway.objects.submission.envelope import envelope_of
from gateway.objects.submission.letter import Letter
from gateway.sync.outbox import Senders

MINE = "alice@example.org"
Fields = dict[str, list[bytes]]


async def octets() -> AsyncIterator[bytes]:
    yield b""


def envelope(fields: Fields, identity: str = MINE) -> tuple[str, list[str]]:
    """mailFrom and rcptTo for a message with these fields."""
    given = {"from": [b" Alice <alice@example.org>"], "to": [b" b@example.net"]} | fields
    letter = Letter("t1", given, Octets(0, octets))
    made = envelope_of(None, letter, identity, Senders(MINE, ["*@example.org"]))
    return made.mail_from.email, [one.email for one in made.rcpt_to]


def test_the_sender_is_that_of_the_message() -> None:
    assert envelope({})[0] == MINE
    assert envelope({"sender": [b" office@example.org"]}, "*@example.org")[0] == "office@example.org"


def test_what_the_identity_does_not_allow_is_replaced_by_its_own() -> None:
    assert envelope({"sender": [b" office@example.org"]})[0] == MINE
    assert envelope({"sender": [b" office@example.com"]})[0] == MINE


@pytest.mark.parametrize("field", ["from", "sender"])
def test_several_are_refused(field: str) -> None:
    """SHOULD: so it is never asked which one to take."""
    for values in ([b" a@example.org, b@example.org"], [b" a@example.org", b" b@example.org"]):
        with pytest.raises(SetError) as caught:
            envelope({field: values})
        assert caught.value.to_json()["type"] == "invalidEmail"


def test_the_recipients_are_all_that_are_named_once() -> None:
    fields = {"to": [b" b@example.net, C <c@example.net>"], "cc": [b" c@example.net"], "bcc": [b" d@example.net"]}
    assert envelope(fields)[1] == ["b@example.net", "c@example.net", "d@example.net"]
