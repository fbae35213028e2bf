"""Which Emails match a resolved filter: masks over the columns of the index (RFC 8621 §4.4.1).

A selection is a mask: one octet per row of the index, 1 where the row matches. It is evaluated at once, without
waiting, so that the answer is one committed state's.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from gateway.objects.mail.dates import instant
from gateway.objects.mail.filter_tree import Branch, Decided, Found, Leaf, Node
from gateway.sync.account import MailAccount

Mask = bytes


def matching(account: MailAccount, node: Node, *, perhaps: bool = False) -> Mask:
    """The rows that match a resolved filter. Dead rows may match as well; nobody looks at them.

    perhaps: also those of which it is not known. What is not known to match does not match NOT either.
    """
    size = len(account.emails)
    match node:
        case Found():
            return _found(account, node, perhaps=perhaps)
        case Decided(ids=ids, undecided=undecided):
            known = (account.emails.row(email_id) for email_id in (ids | undecided if perhaps else ids))
            return _of_rows((row for row in known if row is not None), size)
        case Leaf(name, value):
            return (CONDITIONS.get(name) or THREAD_CONDITIONS[name])(account, value)
        case Branch("AND", children):
            return _intersection([matching(account, child, perhaps=perhaps) for child in children], size)
        case Branch("OR", children):
            return _union([matching(account, child, perhaps=perhaps) for child in children], size)
        case Branch(_, children):
            return _inverse(_union([matching(account, child, perhaps=not perhaps) for child in children], size))


def _found(account: MailAccount, found: Found, *, perhaps: bool) -> Mask:
    emails, size = account.emails, len(account.emails)
    mask = _of_rows((row for box, uids in found.uids.items() for row in emails.uids_to_rows(box, uids)), size)
    if not (perhaps and found.unsearched):
        return mask
    unsearched = _union([_in_mailbox(account, box) for box in found.unsearched], size)
    searched = _union([_in_mailbox(account, box) for box in found.uids], size)
    return _union([mask, _intersection([unsearched, _inverse(searched)], size)], size)


def _in_mailbox(account: MailAccount, mailbox_id: str) -> Mask:
    return _of_rows(account.emails.in_mailbox(mailbox_id), len(account.emails))


def _in_mailbox_other_than(account: MailAccount, mailbox_ids: Sequence[str]) -> Mask:
    others = [_in_mailbox(account, box) for box in account.mailboxes.keys() - set(mailbox_ids)]
    return _union(others, len(account.emails))


def _before(account: MailAccount, date: str) -> Mask:
    return bytes(map(instant(date).__gt__, account.emails.received_at))


def _after(account: MailAccount, date: str) -> Mask:
    return bytes(map(instant(date).__le__, account.emails.received_at))


def _min_size(account: MailAccount, size: int) -> Mask:
    return bytes(map(size.__le__, account.emails.size))


def _max_size(account: MailAccount, size: int) -> Mask:
    return bytes(map(size.__gt__, account.emails.size))


def _has_keyword(account: MailAccount, keyword: str) -> Mask:
    return account.emails.keyword_rows(keyword.lower())


def _not_keyword(account: MailAccount, keyword: str) -> Mask:
    return _inverse(_has_keyword(account, keyword))


CONDITIONS: Mapping[str, Callable[[MailAccount, Any], Mask]] = {
    "inMailbox": _in_mailbox,
    "inMailboxOtherThan": _in_mailbox_other_than,
    "before": _before,
    "after": _after,
    "minSize": _min_size,
    "maxSize": _max_size,
    "hasKeyword": _has_keyword,
    "notKeyword": _not_keyword,
}


def some_in_thread(account: MailAccount, keyword: str) -> Mask:
    """At least one Email of the Thread has the keyword. Needs the whole thread index."""
    return _of_threads(account, _has_keyword(account, keyword))


def all_in_thread(account: MailAccount, keyword: str) -> Mask:
    """No Email of the Thread lacks the keyword."""
    return _inverse(_of_threads(account, _not_keyword(account, keyword)))


def none_in_thread(account: MailAccount, keyword: str) -> Mask:
    """No Email of the Thread has the keyword."""
    return _inverse(some_in_thread(account, keyword))


THREAD_CONDITIONS: Mapping[str, Callable[[MailAccount, str], Mask]] = {
    "allInThreadHaveKeyword": all_in_thread,
    "someInThreadHaveKeyword": some_in_thread,
    "noneInThreadHaveKeyword": none_in_thread,
}


def _of_threads(account: MailAccount, mask: Mask) -> Mask:
    """The rows of every Thread that has a living row in the mask."""
    column = account.threads.column()
    threads = {column[row] for row in account.emails.all_rows() if mask[row]}
    return bytes(map(threads.__contains__, column)).ljust(len(mask), b"\0")


def _of_rows(rows: Iterable[int], size: int) -> Mask:
    mask = bytearray(size)
    for row in rows:
        mask[row] = 1
    return bytes(mask)


def _full(size: int) -> Mask:
    return b"\x01" * size


def _number(mask: Mask) -> int:
    return int.from_bytes(mask, "little")


def _intersection(masks: Sequence[Mask], size: int) -> Mask:
    number = _number(_full(size))
    for mask in masks:
        number &= _number(mask)
    return number.to_bytes(size, "little")


def _union(masks: Sequence[Mask], size: int) -> Mask:
    number = 0
    for mask in masks:
        number |= _number(mask)
    return number.to_bytes(size, "little")


def _inverse(mask: Mask) -> Mask:
    return (_number(mask) ^ _number(_full(len(mask)))).to_bytes(len(mask), "little")
