"""Whose calendars an account shows: a home may list those of several owners, each of whom is an account (RFC 9670)."""

from collections.abc import Callable
from dataclasses import dataclass

from adapters.ports.calendars import Calendar


@dataclass(frozen=True, slots=True)
class Whose:
    """Which of a home's calendars are one account's.

    principals: id of the account that holds the Principals, and what others share. account_of: the id of the account
    that shows an owner's calendars, by the path of his principal. shows: whether a calendar is this account's.
    """

    principals: str
    account_of: Callable[[str], str]
    shows: Callable[[Calendar], bool]


def everybodys(account_id: str) -> Whose:
    """All calendars of a home in one account."""
    return Whose(account_id, lambda _: account_id, lambda _: True)
