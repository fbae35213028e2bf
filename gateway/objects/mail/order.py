"""The order of an Email/query (RFC 8621 §4.4.2, §4.4.3)."""

from array import array
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any

from adapters.formats.thread_headers import base_subject
from gateway.jmap.arguments import Argument
from gateway.jmap.collations import sort_key
from gateway.jmap.filters import Comparator
from gateway.objects.mail import masks
from gateway.objects.mail.dates import instant
from gateway.objects.mail.keywords import keyword
from gateway.objects.mail.masks import Mask
from gateway.sync.account import MailAccount
from gateway.sync.pace import give_way

HeaderValues = Callable[[Sequence[int], str], Awaitable[Mapping[int, Any]]]
"""Fetches one header property ("from", "subject", "sentAt"…) of rows."""

SLICE = 500
"""Sort keys that are made before the loop gets its turn: some three milliseconds."""

KEYWORD = (Argument("keyword", keyword),)
SORTABLE: Mapping[str, tuple[Argument, ...]] = {
    "receivedAt": (),
    "size": (),
    "from": (),
    "to": (),
    "subject": (),
    "sentAt": (),
    "hasKeyword": KEYWORD,
    "allInThreadHaveKeyword": KEYWORD,
    "someInThreadHaveKeyword": KEYWORD,
}
KEYWORD_SORTS: Mapping[str, Callable[[MailAccount, str], Mask]] = {
    "hasKeyword": lambda account, keyword: account.emails.keyword_rows(keyword.lower()),
    "allInThreadHaveKeyword": masks.all_in_thread,
    "someInThreadHaveKeyword": masks.some_in_thread,
}

NEWEST_FIRST: Sequence[Comparator] = (Comparator("receivedAt", is_ascending=False),)


def base_rows(account: MailAccount, mailbox_id: str | None, mask: Mask | None) -> "array[int]":
    """The living rows of a mailbox (None: of the account) that the mask holds, oldest first."""
    emails = account.emails
    rows = emails.all_rows() if mailbox_id is None else emails.in_mailbox(mailbox_id)
    if mask is None:
        return rows
    return array("I", compress(rows, map(mask.__getitem__, rows)))


@dataclass(frozen=True, slots=True)
class Order:
    """An order whose comparators have what they compare.

    sorted: takes rows oldest first, gives them in the order of the query. whole: no row lacks what is compared because
    the backend fails over it; such a row is sorted as if it had no such header field.
    """

    sorted: Callable[["array[int]"], "array[int]"]
    whole: bool = True


async def prepare(
    account: MailAccount, rows: "array[int]", sort: Sequence[Comparator], header_values: HeaderValues
) -> Order:
    """Fetch what the comparators compare of these rows; to sort them then needs no waiting."""
    if [comparator.property for comparator in sort] == ["receivedAt"]:
        ascending = sort[0].is_ascending
        return Order(lambda rows: rows if ascending else array("I", reversed(rows)))
    whole = True

    async def values_of(rows: Sequence[int], name: str) -> Mapping[int, Any]:
        nonlocal whole
        values = await header_values(rows, name)
        whole = whole and len(values) == len(rows)
        return values

    keys = [await _key(account, rows, comparator, values_of) for comparator in sort]

    def sorter(rows: "array[int]") -> "array[int]":
        result = list(rows)
        # Python's sort is stable, so the least significant comparator goes first.
        for comparator, key in reversed(list(zip(sort, keys, strict=True))):
            result.sort(key=key(), reverse=not comparator.is_ascending)
        return array("I", result)

    return Order(sorter, whole)


async def _key(
    account: MailAccount, rows: Sequence[int], comparator: Comparator, header_values: HeaderValues
) -> Callable[[], Callable[[int], Any]]:
    """A function that gives the sort key of the moment; ties stay in the fixed order of the rows."""
    name = comparator.property
    if name == "receivedAt":
        return lambda: account.emails.received_at.__getitem__
    if name == "size":
        return lambda: account.emails.size.__getitem__
    if name in KEYWORD_SORTS:
        if name != "hasKeyword":
            await account.threads.ready()
        return lambda: KEYWORD_SORTS[name](account, comparator.extra["keyword"]).__getitem__
    values = await header_values(rows, name)
    make = _instant if name == "sentAt" else _text_key(name, sort_key(comparator.collation))
    keys: dict[int, Any] = {}
    for done, (row, value) in enumerate(values.items(), 1):
        keys[row] = make(value)
        if done % SLICE == 0:
            await give_way()
    # A message that arrives at this very moment sorts first; the next query sees its header.
    nothing = make(None)
    return lambda: lambda row: keys.get(row, nothing)


def _text_key(name: str, collate: Callable[[str], Any]) -> Callable[[Any], Any]:
    text = _subject if name == "subject" else _first_address
    return lambda value: collate(text(value))


def _instant(date: str | None) -> float:
    # A missing or impossible date sorts before all others.
    return instant(date) if date else float("-inf")


def _subject(subject: str | None) -> str:
    return base_subject(subject or "")


def _first_address(addresses: Sequence[Mapping[str, str | None]] | None) -> str:
    first = addresses[0] if addresses else {}
    return first.get("name") or first.get("email") or ""


def collapsed(account: MailAccount, rows: "array[int]") -> "array[int]":
    """Only the first row of each Thread (RFC 8621 §4.4.3). Needs the whole thread index."""
    column = account.threads.column()
    seen: set[int] = set()
    result = array("I")
    for row in rows:
        thread = column[row]
        if thread not in seen:
            seen.add(thread)
            result.append(row)
    return result
