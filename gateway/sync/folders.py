"""Which folder of a new listing is which Mailbox of the index: the structural half of a pass. Pure."""

from collections.abc import Collection, Container, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from adapters.errors import Conflict, Forbidden, NotFound
from adapters.ports.mail import Folder, FolderStatus
from gateway.sync import ids
from gateway.sync.mailboxes import Box

AWAY: Final = (NotFound, Conflict, Forbidden)
"""What a folder answers that is not as the listing said: it is gone, or another, or closed to the login by now."""


@dataclass(slots=True)
class Matching:
    """same: certainly the same mailbox. doubtful: perhaps; only a look at the messages can tell.

    created: folders without a box. gone: boxes without a folder.
    """

    same: list[tuple[Folder, Box]] = field(default_factory=list)
    doubtful: list[tuple[Folder, Box]] = field(default_factory=list)
    created: list[Folder] = field(default_factory=list)
    gone: list[Box] = field(default_factory=list)


def match(boxes: Collection[Box], listing: Sequence[Folder]) -> Matching:
    """Pair by native id, then by name and UIDVALIDITY, then guess renames."""
    matching = Matching()
    by_path = {box.folder.path: box for box in boxes}
    by_native = {box.folder.native_id: box for box in boxes if box.folder.native_id}
    left = {box.number: box for box in boxes}
    rest: list[Folder] = []
    for folder in listing:
        box = by_native.get(folder.native_id) if folder.native_id else None
        if box is not None and box.number in left:
            del left[box.number]
            matching.same.append((folder, box))
        else:
            rest.append(folder)
    unknown: list[Folder] = []
    for folder in rest:
        box = by_path.get(folder.path)
        if box is None or box.number not in left or (folder.native_id and box.folder.native_id):
            unknown.append(folder)
        else:
            del left[box.number]
            pairs = matching.same if _same_life(folder.status, box.cursor) else matching.doubtful
            pairs.append((folder, box))
    _guess_renames(unknown, left, matching)
    matching.gone.extend(left.values())
    return matching


def unique(listing: Sequence[Folder]) -> list[Folder]:
    """Folders with a native id that a server gives twice have none; a path counts once."""
    seen: set[str] = set()
    paths: dict[str, Folder] = {}
    for folder in listing:
        if folder.native_id in seen:
            paths.setdefault(folder.path, replace(folder, native_id=None))
            continue
        if folder.native_id:
            seen.add(folder.native_id)
        paths.setdefault(folder.path, folder)
    return list(paths.values())


def new_id(namespace: str, folder: Folder, taken: Container[str], before: Container[str] = ()) -> str:
    """The Mailbox id of a folder without a box. taken: ids that are in use. before: those that were until now."""
    if folder.native_id and ids.valid_native(folder.native_id.encode()):
        mailbox_id = ids.mailbox_id(namespace, folder.native_id)
        if mailbox_id not in taken:
            return mailbox_id
    uid_validity = folder.status.uid_validity if folder.status else 0
    attempt = 0
    while True:
        mailbox_id = ids.mailbox_id_of_path(namespace, folder.path, uid_validity, attempt)
        if mailbox_id not in taken and mailbox_id not in before:
            return mailbox_id
        attempt += 1


def moved(status: FolderStatus, cursor: FolderStatus) -> bool:
    """Whether the folder has to be looked into.

    Without CONDSTORE nothing in STATUS tells that flags changed, so only an empty folder is passed over.
    """
    if status.highest_modseq == 0 and (status.messages or cursor.messages):
        return True
    return (status.uid_validity, status.uid_next, status.messages, status.highest_modseq) != (
        cursor.uid_validity,
        cursor.uid_next,
        cursor.messages,
        cursor.highest_modseq,
    )


def _same_life(status: FolderStatus | None, cursor: FolderStatus | None) -> bool:
    """A name that kept its UIDVALIDITY is the same mailbox (RFC 9051 §2.3.1.1); an unknown one gets the benefit."""
    return status is None or cursor is None or status.uid_validity == cursor.uid_validity


def _guess_renames(unknown: list[Folder], left: dict[int, Box], matching: Matching) -> None:
    """A box and a folder that no other name explains, with one UIDVALIDITY that nothing else shares."""
    for folder in unknown:
        rivals = [other for other in unknown if _alike(other, folder)]
        candidates = [box for box in left.values() if _renamed(folder, box)]
        if len(candidates) > 1 or len(rivals) > 1:
            candidates = [box for box in candidates if _last_name(box.folder) == _last_name(folder)]
        if len(candidates) == 1:
            matching.doubtful.append((folder, left.pop(candidates[0].number)))
        else:
            matching.created.append(folder)


def _renamed(folder: Folder, box: Box) -> bool:
    if folder.native_id or box.folder.native_id or not folder.status or not box.cursor:
        return False
    same_life = folder.status.uid_validity == box.cursor.uid_validity
    return same_life and folder.status.uid_next >= box.cursor.uid_next


def _alike(one: Folder, other: Folder) -> bool:
    if one is other:
        return True
    return bool(one.status and other.status and one.status.uid_validity == other.status.uid_validity)


def _last_name(folder: Folder) -> str:
    return folder.path.rsplit(folder.delimiter, 1)[-1] if folder.delimiter else folder.path
