"""Media with octets of their own: blobs for clients, "data:" URIs in the stored card (RFC 9610 §3, §3.5)."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import Any, Final

from adapters.errors import Conflict, NotFound
from adapters.formats.data_uris import read_data_uri
from gateway.context import Account, Context
from gateway.jmap.errors import SetError
from gateway.objects.contacts.card_rules import invalid
from gateway.objects.embedding import MAX_EMBEDDED, data_uri, media_type, octets_of
from gateway.store.blobs import OpenBlob
from gateway.sync.contacts.account import ContactsAccount
from gateway.sync.contacts.entries import media_data, media_digest, read_card
from gateway.sync.contacts.index import Card, Index
from gateway.sync.contacts.refresh import current
from gateway.sync.pace import aside

Medium = Mapping[str, Any]

_IMAGES: Final = (  # the first octets of what browsers show
    *(b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"BM", b"II*\0", b"MM\0*", b"\0\0\1\0"),
    *(b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"),
)
_BRANDS: Final = (b"avif", b"avis", b"heic", b"heix", b"heif", b"mif1", b"msf1")


def blob_id(digest: str) -> str:
    """The id of the blob with these octets: that of an upload of the same (`gateway.store.blobs`)."""
    return f"u{digest}"


def shown(media: Mapping[str, Medium]) -> dict[str, Medium]:
    """Media as clients have them, of those in the index."""
    return {
        key: {**medium, "blobId": blob_id(medium["blobId"])} if "blobId" in medium else medium
        for key, medium in media.items()
    }


async def taken(
    context: Context, account: Account, media: Mapping[str, Medium], own: Mapping[str, Medium]
) -> dict[str, Medium]:
    """Media of a client as the index has them: octets that are new for the card as "data:" URIs.

    own: those of the card in the index. Raises SetError: blobNotFound, tooLarge; adapters.errors.
    """
    known = {blob_id(medium["blobId"]): medium["blobId"] for medium in own.values() if "blobId" in medium}
    found: dict[str, Medium] = {}
    missing, room = [], MAX_EMBEDDED
    for key, medium in media.items():
        wanted = medium.get("blobId") if isinstance(medium, dict) else None
        if not isinstance(wanted, str):
            found[key] = medium
        elif wanted in known:
            found[key] = {**medium, "blobId": known[wanted]}
        elif (blob := await context.blobs.find(account, wanted)) is None:
            missing.append(wanted)
        else:
            octets = await octets_of(blob, room)
            room -= len(octets)
            found[key] = _embedded(medium, blob.type, octets)
    if missing:
        raise SetError("blobNotFound", notFound=missing)  # RFC 8620 §5.3
    return found


def _embedded(medium: Medium, blob_type: str | None, octets: bytes) -> Medium:
    content_type = media_type(medium.get("mediaType") or blob_type)
    rest = {name: value for name, value in medium.items() if name != "blobId"}
    return {**rest, "mediaType": content_type, "uri": data_uri(content_type, octets)}


def restored(media: Mapping[str, Medium], stored: Mapping[str, Medium]) -> dict[str, Medium]:
    """Media of the index as they are to be stored. stored: as they are now. Raises Conflict where octets are gone."""
    originals = {digest: medium for medium in stored.values() if (digest := _digest(medium)) is not None}
    return {
        key: _restored(medium, originals.get(medium["blobId"])) if "blobId" in medium else medium
        for key, medium in media.items()
    }


def _restored(medium: Medium, original: Medium | None) -> Medium:
    if original is None:
        raise Conflict("what a blob id stands for is not in the card any more")
    rest = {name: value for name, value in medium.items() if name != "blobId"}
    if "mediaType" not in original and rest.get("mediaType") == read_data_uri(original["uri"])[0]:
        del rest["mediaType"]  # it is said in the URI
    return {**rest, "uri": original["uri"]}


def _digest(medium: Medium) -> str | None:
    try:
        return media_digest(read_data_uri(medium.get("uri", ""))[1])
    except ValueError:
        return None


def check_photos(media: Mapping[str, Medium], stored: Iterable[Medium]) -> None:
    """Raises SetError for a new photo that is no image of a type that is recognised (RFC 9610 §3.5)."""
    known = list(stored)
    for medium in media.values():
        if medium in known or medium.get("kind") != "photo":
            continue
        try:
            _, octets = read_data_uri(medium["uri"])
        except ValueError:
            if not medium["uri"].lower().startswith("data:"):
                continue  # elsewhere
            octets = b""
        if not _is_image(octets):
            raise invalid("a photo must be an image", "media")


def _is_image(octets: bytes) -> bool:
    return (
        octets.startswith(_IMAGES)
        or (octets[:4] == b"RIFF" and octets[8:12] == b"WEBP")
        or (octets[4:8] == b"ftyp" and octets[8:12] in _BRANDS)
    )


class CardBlobs:
    """Finds the octets in stored cards (gateway.context.BlobSource)."""

    async def find(self, account: Account, wanted: str) -> OpenBlob | None:
        """The blob, or None. Raises adapters.errors."""
        contacts = account.contacts
        if contacts is None or not wanted.startswith("u"):
            return None
        if not contacts.index.books:
            await contacts.refresh()
        digest = wanted[1:]
        card = (await _cards_by_digest(contacts.index)).get(digest)
        found = None if card is None else await _octets(contacts, card, digest)
        if found is None:
            return None
        content_type, octets = found
        return OpenBlob(len(octets), content_type, lambda start, stop: _slice(octets, start, stop))


async def _slice(octets: bytes, start: int, stop: int | None) -> AsyncIterator[bytes]:
    yield octets[start:stop]


async def _cards_by_digest(index: Index) -> Mapping[str, Card]:
    known: dict[str, Card] | None = index.derived.get("blobs")
    if known is None:
        size = sum(len(card.entry.json) for card in index.cards.values())
        known = await aside(size, lambda: dict(_media_of(index.cards.values())))
        index.keep("blobs", known)
    return known


def _media_of(cards: Iterable[Card]) -> Iterator[tuple[str, Card]]:
    for card in cards:
        if b'"blobId"' in card.entry.json:
            media = (card.entry.card().get("media") or {}).values()
            yield from ((medium["blobId"], card) for medium in media if "blobId" in medium)


async def _octets(contacts: ContactsAccount, card: Card, digest: str) -> tuple[str, bytes] | None:
    place = card.places[0]
    path = contacts.index.books[place.book_id].info.path
    try:
        resource = await current(contacts.port, path, place.name)
        return media_data(read_card(resource.data, path, place.name), digest)
    except (NotFound, ValueError):  # changed or gone since
        return None
