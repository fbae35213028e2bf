"""Clients are told that an Email changed once it can be read that they asked for in vain (decision 16).

It is looked for by itself, as a client that got everything else has no reason to ask again; each attempt may cost a
session at the mail server, so the pauses grow.
"""

import asyncio
import contextlib
from collections.abc import Iterable
from itertools import islice
from typing import Final

from adapters.errors import AdapterError
from adapters.formats.email import BodyOptions
from gateway.objects.mail.contents import contents
from gateway.objects.mail.wanted import Wanted
from gateway.sync.account import MailAccount

FIRST_PAUSE: Final = 60.0
LONGEST_PAUSE: Final = 3600.0
MOST_AT_ONCE: Final = 100

# Header fields, structures and previews are what servers keep beside the file that they cannot read.
_TELLING: Final = Wanted(("bodyValues",), BodyOptions(fetch_text_body_values=True))


async def withhold(mail: MailAccount, email_ids: Iterable[str]) -> None:
    """A client asked for Emails that exist and cannot be read now."""
    await mail.unread.add(email_ids)
    _watch(mail)


async def resume(mail: MailAccount) -> None:
    """Look for those that could not be read when the account was open before."""
    await mail.unread.load()
    _watch(mail)


def _watch(mail: MailAccount) -> None:
    if mail.unread.ids and not mail.unread.watched:
        mail.unread.watched = True
        mail.begin(_look_again_and_again(mail))


async def _look_again_and_again(mail: MailAccount) -> None:
    pause = FIRST_PAUSE
    try:
        while mail.unread.ids:
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            with contextlib.suppress(AdapterError):
                while mail.unread.ids and await _look_again(mail):
                    pause = FIRST_PAUSE
    finally:
        mail.unread.watched = False


async def _look_again(mail: MailAccount) -> bool:
    """Tell of those that can be read by now, or are gone; whether there were any. Raises adapters.errors.*."""
    some = list(islice(mail.unread.ids, MOST_AT_ONCE))
    await mail.refresh()
    alive = [email_id for email_id in some if mail.emails.row(email_id) is not None]
    found = await contents(mail, alive, _TELLING, lenient=True)
    left = [email_id for email_id in alive if email_id not in found]
    mail.unread.put_off(left)
    await mail.tell_updated(found)
    await mail.unread.remove(set(some) - set(left))
    return len(left) < len(some)
