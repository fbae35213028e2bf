"""What follows from the message itself: header fields, structure, preview, body values (RFC 8621 §4.1.2 to §4.1.4).

Only what the asked properties need is fetched. A small message whose body is wanted is fetched whole and taken apart
here; of a large one the structure comes first and then only the pieces that are wanted.
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from adapters.errors import Broken
from adapters.formats.email import email_properties
from adapters.formats.mime import parse_message
from adapters.ports.mail import FetchPlan, MailPort, MessageData
from gateway.objects.mail import blob_ids
from gateway.objects.mail.pieces import Pieces, from_pieces, is_misread, measure, sections_of
from gateway.objects.mail.wanted import Wanted
from gateway.sync.account import MailAccount
from gateway.sync.copies import Copy
from gateway.sync.folders import AWAY


@dataclass(frozen=True, slots=True)
class Place:
    """Where one copy of an Email lies."""

    email_id: str
    path: str
    uid_validity: int
    uid: int
    size: int


async def contents(
    mail: MailAccount, email_ids: Sequence[str], wanted: Wanted, *, lenient: bool = False
) -> dict[str, dict[str, Any]]:
    """The wanted properties by Email id; ids of messages that are gone, or that the backend fails over, are left out.

    What is missing is looked for once more: where another client moves it at this very moment, or in another copy.
    lenient: messages of a folder that the backend has an error of its own with are left out too, where it is an error
    else. Raises adapters.errors.*.
    """
    faults: list[Broken] = []
    found = await _fetch(mail, _places(mail, email_ids), wanted, faults)
    missing = [email_id for email_id in email_ids if email_id not in found]
    if missing:
        tried = _places(mail, missing)
        await mail.refresh()
        found |= await _fetch(mail, _places(mail, missing, tried), wanted, faults)
    if faults and not lenient and any(email_id not in found for email_id in missing):
        raise faults[0]
    return found


def _places(mail: MailAccount, email_ids: Iterable[str], tried: Collection[Place] = ()) -> list[Place]:
    return [place for email_id in email_ids if (place := place_of(mail, email_id, tried)) is not None]


async def _fetch(
    mail: MailAccount, places: Sequence[Place], wanted: Wanted, faults: list[Broken]
) -> dict[str, dict[str, Any]]:
    groups: defaultdict[tuple[str, int, FetchPlan], list[Place]] = defaultdict(list)
    for place in places:
        groups[place.path, place.uid_validity, wanted.plan(place.size)].append(place)
    fetching = [_fetch_group(mail.port, plan, places, wanted, faults) for (_, _, plan), places in groups.items()]
    if len(fetching) == 1:  # mostly; a task of its own costs three turns of the loop
        return await fetching[0]
    done = await asyncio.gather(*fetching)
    return {email_id: properties for group in done for email_id, properties in group.items()}


def expecting(mail: MailAccount, email_id: str, wanted: Wanted) -> AbstractContextManager[None]:
    """While the context lasts the account is refreshed, and then `contents` of just this Email wanted.

    A small message is read along with the pass, which saves a round trip; what cannot be is read afterwards.
    """
    place = place_of(mail, email_id)
    if place is not None and (plan := wanted.plan(place.size)).whole:
        return mail.port.expecting(place.path, place.uid_validity, place.uid, plan)
    return nullcontext()


def place_of(mail: MailAccount, email_id: str, tried: Collection[Place] = ()) -> Place | None:
    """Where an Email can be fetched from, None where it is gone; another place than those tried, if there is one."""
    row = mail.emails.row(email_id)
    if row is None:
        return None
    best = _place(mail, email_id, row, mail.emails.best_copy(row))
    if best not in tried:
        return best
    others = (_place(mail, email_id, row, copy) for copy in mail.emails.copies(row))
    return next((place for place in others if place not in tried), best)


def _place(mail: MailAccount, email_id: str, row: int, copy: Copy) -> Place:
    return Place(email_id, copy.path, copy.uid_validity, copy.uid, mail.emails.size[row])


async def _fetch_group(
    port: MailPort, plan: FetchPlan, places: Sequence[Place], wanted: Wanted, faults: list[Broken]
) -> dict[str, dict[str, Any]]:
    """Messages of one folder by one plan. One that is gone, replaced or closed to the login by now has none of them."""
    first, by_uid = places[0], {place.uid: place.email_id for place in places}
    try:
        fetched = await port.fetch(first.path, first.uid_validity, list(by_uid), plan)
        if plan.whole:
            return {by_uid[uid]: _from_whole(by_uid[uid], data, wanted) for uid, data in fetched.items()}
        found = await _misread(port, places, fetched, wanted) if plan.structure else {}
        pieces = await _pieces(port, first, fetched, wanted)
    except AWAY:
        return {}
    except Broken as error:
        faults.append(error)
        return {}
    return found | {by_uid[uid]: from_pieces(by_uid[uid], data, pieces[uid], wanted) for uid, data in fetched.items()}


async def _misread(
    port: MailPort, places: Sequence[Place], fetched: dict[int, MessageData], wanted: Wanted
) -> dict[str, dict[str, Any]]:
    """Take the messages whose structure the server does not tell out of `fetched`, and apart here; one at a time."""
    found: dict[str, dict[str, Any]] = {}
    for place in places:
        if place.uid in fetched and is_misread(fetched[place.uid].structure, place.size):
            del fetched[place.uid]
            whole = await port.fetch(place.path, place.uid_validity, [place.uid], FetchPlan(whole=True))
            if place.uid in whole:
                found[place.email_id] = _from_whole(place.email_id, whole[place.uid], wanted)
    return found


async def _pieces(port: MailPort, place: Place, fetched: dict[int, MessageData], wanted: Wanted) -> dict[int, Pieces]:
    """The second round trip: the parts of the messages that the structure pointed to.

    A message that gives none of them is taken out of `fetched`: nothing is known of it, and not that it is empty.
    """
    asked = {uid: sections for uid, data in fetched.items() if (sections := sections_of(data, wanted))}
    pieces: dict[int, Pieces] = {uid: {} for uid in fetched}
    if asked:
        told = await port.sections(place.path, place.uid_validity, asked)
        for uid in asked.keys() - told.keys():
            del fetched[uid]
        pieces |= told
    if wanted.sizes:
        await measure(port, place.path, place.uid_validity, fetched, pieces)
    return pieces


def _from_whole(email_id: str, data: MessageData, wanted: Wanted) -> dict[str, Any]:
    blob_id_of = blob_ids.of_parts(blob_ids.of_email(email_id))
    return email_properties(
        parse_message(data.message or b""), wanted.properties, wanted.options, blob_id_of=blob_id_of
    )
