"""GETQUOTAROOT (RFC 9208): what is read of its answer."""

import pytest

from adapters.errors import Forbidden, Unsupported
from adapters.imap.quota import quota_roots
from adapters.imap.responses import Completion, Untagged, parse_response
from adapters.ports.quota import QuotaRoot, Usage
from tests.adapters.imap.test_scripted import NO_GUID, playing, script


def answer(*lines: bytes) -> Completion:
    parsed = [parse_response([line]) for line in lines]
    return Completion(None, "", [response for response in parsed if isinstance(response, Untagged)])


def test_the_example_of_the_standard() -> None:
    found = quota_roots(
        answer(
            b'* QUOTAROOT INBOX "#user/alice" "!partition/sda4"',
            b'* QUOTA "#user/alice" (MESSAGE 42 1000)',
            b'* QUOTA "!partition/sda4" (STORAGE 104 10923847)',
        )
    )
    assert found == [
        QuotaRoot("#user/alice", {"MESSAGE": Usage(42, 1000)}),
        QuotaRoot("!partition/sda4", {"STORAGE": Usage(104 * 1024, 10923847 * 1024)}),
    ]


def test_several_resources_of_an_unnamed_root_and_unknown_ones() -> None:
    (root,) = quota_roots(answer(b'* QUOTA "" (storage 1 2 ANNOTATION-STORAGE 1 2 X-ODD 3 4 MAILBOX 5 6)'))
    assert root == QuotaRoot("", {"STORAGE": Usage(1024, 2048), "MAILBOX": Usage(5, 6)})


def test_a_root_is_told_once() -> None:
    (root,) = quota_roots(answer(b"* QUOTA r (MESSAGE 1 9)", b"* QUOTA r (MESSAGE 2 9)"))
    assert root.resources == {"MESSAGE": Usage(2, 9)}


@pytest.mark.parametrize(
    "line",
    [
        b'* QUOTA "" ()',
        b"* QUOTA r",
        b"* QUOTA r STORAGE 1 2",
        b"* QUOTA r (STORAGE)",
        b"* QUOTA r (STORAGE 1)",
        b"* QUOTA r (STORAGE 1 NIL)",
        b"* QUOTA r (STORAGE -1 2)",
        b"* QUOTA r ((STORAGE 1 2))",
        b"* QUOTA r (STORAGE 1 99999999999999999999999)",
        b"* QUOTAROOT INBOX r",
    ],
)
def test_what_limits_nothing_is_left_out(line: bytes) -> None:
    assert quota_roots(answer(line)) == []


async def test_a_server_without_quota_is_not_asked() -> None:
    async with playing(script("", NO_GUID.rstrip())) as mail:
        assert await mail.quotas() == []


async def test_a_server_that_answers_and_one_that_refuses() -> None:
    told = "C: A4 GETQUOTAROOT INBOX\nS: * QUOTAROOT INBOX x\nS: * QUOTA x (MESSAGE 1 2)\nS: A4 OK x\n"
    refused = "C: A5 GETQUOTAROOT INBOX\nS: A5 NO [NOPERM] x"
    async with playing(script("QUOTA", NO_GUID + told + refused)) as mail:
        assert mail.tells_limits
        assert await mail.quotas() == [QuotaRoot("x", {"MESSAGE": Usage(1, 2)})]
        with pytest.raises(Forbidden):
            await mail.quotas()
        assert mail.tells_limits  # another time it may


async def test_a_server_that_cannot_tell_is_not_asked_for_ever() -> None:
    async with playing(script("QUOTA", NO_GUID + "C: A4 GETQUOTAROOT INBOX\nS: A4 BAD x")) as mail:
        with pytest.raises(Unsupported):
            await mail.quotas()
        assert not mail.tells_limits


async def test_a_login_asks_in_one_round_trip_what_it_can_and_nothing_of_limits() -> None:
    asked = "C: A3 NAMESPACE\nC: A4 STATUS INBOX (X-GUID)\n"
    told = 'S: * NAMESPACE (("" "/")) NIL NIL\nS: A3 OK x\nS: A4 BAD what'
    async with playing(script("NAMESPACE QUOTA", asked + told)) as mail:
        assert mail.tells_limits
