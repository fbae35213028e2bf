"""Which Emails are S/MIME, and the octets that their signatures are verified on.

The kind follows from the header, or else from the MIME structure, and never changes, so it is kept in the cache of
answers. A small message is fetched whole, many at once. A large one is read once, into one buffer: raw where it is
signed in two parts, and of an opaque one only what lies in its transfer encoding.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

from adapters.errors import Conflict, NotFound
from adapters.formats.email import SMIME_LAYER, BodyOptions
from adapters.formats.mime import Part, parse_message
from adapters.formats.smime.kinds import Kind, Layer, cms_kind, layer_of, needs_structure
from adapters.ports.mail import FetchPlan
from adapters.ports.signatures import SignedMessage
from gateway.context import Account, Context
from gateway.objects.mail import blob_ids
from gateway.objects.mail.contents import contents, place_of
from gateway.objects.mail.wanted import WHOLE_LIMIT, Wanted
from gateway.store.blobs import OpenBlob
from gateway.sync.account import MailAccount

FROM: Final = "header:From:asAddresses:all"
CONTENT_TYPE: Final = "header:Content-Type"
_BEGINNING: Final = 64
_NONE: Final = "none"


async def kinds_of(
    context: Context, account: Account, mail: MailAccount, email_ids: Sequence[str]
) -> dict[str, Kind | None]:
    """The kind by Email id, None where no signature shows; ids of Emails that are gone are left out."""
    found: dict[str, str] = {}
    for email_id in email_ids:
        if (value := context.cache.get((SMIME_LAYER, account.key, email_id))) is not None:
            found[email_id] = value.decode()
    missing = [email_id for email_id in email_ids if email_id not in found]
    for email_id, layer in (await _layers(mail, missing)).items():
        kind = _NONE if layer is None else layer.kind
        if kind == "unlabelled":
            kind = await _told_by_content(context, account, email_id) or _NONE
        found[email_id] = kind
        context.cache.put((SMIME_LAYER, account.key, email_id), kind.encode())
    return {email_id: _KINDS[kind] for email_id, kind in found.items()}


async def _layers(mail: MailAccount, email_ids: Sequence[str]) -> dict[str, Layer | None]:
    """By one header field, which a server has at hand; only where that doesn't tell by the structure of the message."""
    if not email_ids:
        return {}
    fields = await contents(mail, email_ids, Wanted((CONTENT_TYPE,), BodyOptions()))
    roots = {email_id: _root(values[CONTENT_TYPE]) for email_id, values in fields.items()}
    inside = [email_id for email_id, root in roots.items() if needs_structure(root)]
    found = {email_id: layer_of(root) for email_id, root in roots.items() if not needs_structure(root)}
    if inside:
        structures = await contents(mail, inside, Wanted((SMIME_LAYER,), BodyOptions()))
        found |= {email_id: values[SMIME_LAYER] for email_id, values in structures.items()}
    return found


def _root(content_type: str | None) -> Part:
    return parse_message(f"Content-Type:{content_type or ''}\r\n\r\n".encode()).root


_KINDS: Final[Mapping[str, Kind | None]] = {
    "detached": "detached",
    "opaque": "opaque",
    "unknown": "unknown",
    _NONE: None,
}


async def _told_by_content(context: Context, account: Account, email_id: str) -> Kind | None:
    blob = await context.blobs.find(account, _content_id(email_id))
    beginning = b"" if blob is None else b"".join([piece async for piece in blob.read(0, _BEGINNING)])
    return cms_kind(beginning)


async def signed_messages(
    context: Context, account: Account, mail: MailAccount, kinds: Mapping[str, Kind | None]
) -> AsyncIterator[tuple[str, SignedMessage]]:
    """What has to be verified of each Email, one after the other: no two large ones are held at a time."""
    small = await _small_messages(mail, [email_id for email_id in kinds if _size(mail, email_id) <= WHOLE_LIMIT])
    for email_id, kind in kinds.items():
        octets: bytes | bytearray | None = small.pop(email_id, None)
        if octets is not None:
            yield email_id, SignedMessage(octets)
        elif (message := await _large_message(context, account, mail, email_id, kind)) is not None:
            yield email_id, message


def _content_id(email_id: str) -> str:
    """The blob id of the only part of a message."""
    return str(blob_ids.of_parts(blob_ids.of_email(email_id))(Part(part_id="1")))


def _size(mail: MailAccount, email_id: str) -> int:
    row = mail.emails.row(email_id)
    return 0 if row is None else mail.emails.size[row]


async def _small_messages(mail: MailAccount, email_ids: Sequence[str]) -> dict[str, bytes]:
    """Whole messages, as far as they are where they were."""
    folders: defaultdict[tuple[str, int], dict[int, str]] = defaultdict(dict)
    for email_id in email_ids:
        if (place := place_of(mail, email_id)) is not None:
            folders[place.path, place.uid_validity][place.uid] = email_id
    found: dict[str, bytes] = {}
    for (path, uid_validity), by_uid in folders.items():
        try:
            fetched = await mail.port.fetch(path, uid_validity, list(by_uid), FetchPlan(whole=True))
        except Conflict:
            continue
        found |= {by_uid[uid]: data.message for uid, data in fetched.items() if data.message is not None}
    return found


async def _large_message(
    context: Context, account: Account, mail: MailAccount, email_id: str, kind: Kind | None
) -> SignedMessage | None:
    """None where it is gone, or goes at this moment."""
    senders: list[str] | None = None
    blob_id = blob_ids.of_email(email_id)
    try:
        if kind == "opaque":
            blob_id, senders = _content_id(email_id), await _senders(mail, email_id)
        octets = await _buffer(await context.blobs.find(account, blob_id))
    except (NotFound, Conflict):
        return None
    return None if octets is None else SignedMessage(octets, senders)


async def _buffer(blob: OpenBlob | None) -> bytearray | None:
    """All octets of a blob, held once: the room for them is made before they come."""
    if blob is None:
        return None
    buffer, end = bytearray(blob.size or 0), 0
    async for piece in blob.read(0, None):
        buffer[end : end + len(piece)] = piece
        end += len(piece)
    del buffer[end:]
    return buffer


async def _senders(mail: MailAccount, email_id: str) -> list[str]:
    found = await contents(mail, [email_id], Wanted((FROM,), BodyOptions()))
    if email_id not in found:
        raise NotFound("the message is gone")
    fields = found[email_id][FROM]
    return [address["email"] for field in fields for address in field]
