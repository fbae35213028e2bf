"""Media of ContactCards (RFC 9610 §3, §3.5), and copies of cards in other accounts (§3.6), on a model server."""

from base64 import b64encode
from collections.abc import AsyncIterator, Collection, Mapping

import pytest

from adapters.ports.contacts import CardResource
from tests.objects.contacts.harness import Client, record, vcard
from tests.sync.contacts.model import Home, ModelPort

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(200))


def with_photo(octets: bytes, *, kind: str = "image/png") -> str:
    uri = f"data:{kind};base64,{b64encode(octets).decode()}"
    return vcard("UID:x", "FN:X", f"PHOTO;PROP-ID=p:{uri}")


async def test_pictures_are_blobs(client: Client, home: Home) -> None:
    """§3: a blobId in place of a data: URI, with the mediaType."""
    home.write("work/", "x.vcf", with_photo(PNG))
    photo = (await client.card(client.card_id("x")))["media"]["p"]
    assert photo.keys() == {"kind", "mediaType", "blobId"}
    assert photo["mediaType"] == "image/png"
    assert photo["blobId"] == await client.upload(PNG, "text/plain")  # the same octets have the same id
    fetched = Client(home)  # where nothing was uploaded
    answer = await fetched.call("Blob/get", ids=[photo["blobId"]], properties=["data:asBase64"])
    assert answer["list"][0]["data:asBase64"] == b64encode(PNG).decode()


async def test_a_picture_survives_a_change_beside_it(client: Client, home: Home) -> None:
    home.write("work/", "x.vcf", with_photo(PNG))
    line = next(line for line in home.text("work/", "x.vcf").split("\r\n") if line.startswith("PHOTO"))
    await client.update(client.card_id("x"), {"media/p/label": "Me", "name/full": "Y"})
    text = home.text("work/", "x.vcf").replace("\r\n ", "")
    assert line.partition("base64,")[2] in text
    photo = (await client.card(client.card_id("x")))["media"]["p"]
    assert (photo["label"], photo["mediaType"]) == ("Me", "image/png")


async def test_a_blob_becomes_a_picture(client: Client, home: Home) -> None:
    blob = await client.upload(PNG, "image/png")
    told = await client.create(record(client, media={"p": {"kind": "photo", "blobId": blob}}))
    assert told["media"] == {"p": {"kind": "photo", "blobId": blob, "mediaType": "image/png"}}
    assert b64encode(PNG)[:40].decode() in home.text("work/", client.name(told["uid"])).replace("\r\n ", "")
    home.write("work/", "y.vcf", vcard("UID:y", "FN:Y"))
    later = Client(home)  # the upload is gone; the other card has the octets
    media = {"p": {"kind": "photo", "blobId": blob, "mediaType": "image/png"}}
    assert (await later.update(client.card_id("y"), {"media": media})).keys() == {"updated"}
    assert (await later.card(client.card_id("y")))["media"] == media


@pytest.mark.parametrize(
    ("octets", "fits"),
    [
        (PNG, True),
        (b"\xff\xd8\xff\xe0" + bytes(20), True),
        (b"GIF89a" + bytes(20), True),
        (b"RIFF\0\0\0\0WEBPVP8 ", True),
        (b"\0\0\0\x1cftypavif" + bytes(20), True),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", False),
        (b"RIFF\0\0\0\0WAVEfmt ", False),
        (b"", False),
        (b"%PDF-1.7", False),
    ],
)
async def test_a_photo_is_an_image(client: Client, octets: bytes, fits: bool) -> None:
    """§3.5: MUST reject; what the client calls it counts for nothing."""
    blob = await client.upload(octets, "image/png")
    media = {"p": {"kind": "photo", "blobId": blob, "mediaType": "image/png"}}
    uri = {"p": {"kind": "photo", "uri": f"data:image/png;base64,{b64encode(octets).decode()}"}}
    if fits:
        assert (await client.create(record(client, media=media)))["id"]
        return
    for value in (media, uri):
        error = await client.refused("create", {"k": record(client, media=value)})
        assert (error["type"], error["properties"]) == ("invalidProperties", ["media"])
    told = await client.create(record(client))
    error = await client.refused("update", {told["id"]: {"media": media}})
    assert (error["type"], error["properties"]) == ("invalidProperties", ["media"])
    sound = {"s": {"kind": "sound", "blobId": blob, "mediaType": "audio/wav"}}
    if octets:
        assert await client.create(record(client, media=sound))


@pytest.mark.parametrize("uri", ["data:image/png;base64,A", "DATA:image/png"])
async def test_a_photo_that_cannot_be_read_is_no_image(client: Client, uri: str) -> None:
    media = {"p": {"kind": "photo", "uri": uri}}
    assert (await client.refused("create", {"k": record(client, media=media)}))["properties"] == ["media"]


async def test_one_blob_many_times(client: Client, home: Home) -> None:
    """An id is short, what it stands for is not."""
    blob = await client.upload(bytes(500_000), "audio/ogg")
    media = {f"m{number}": {"kind": "sound", "blobId": blob} for number in range(11)}
    error = await client.refused("create", {"k": record(client, media=media)})
    assert (error["type"], error["maxSize"]) == ("tooLarge", 5_000_000)
    assert not home.shelves["work/"].resources


async def test_blobs_that_are_not_there(client: Client) -> None:
    media = {"p": {"kind": "photo", "blobId": "unothing"}, "q": {"kind": "logo", "blobId": "uneither"}}
    error = await client.refused("create", {"k": record(client, media=media)})
    assert (error["type"], sorted(error["notFound"])) == ("blobNotFound", ["uneither", "unothing"])


async def test_a_picture_elsewhere_is_a_link(client: Client) -> None:
    media = {"p": {"kind": "photo", "uri": "https://example.org/me.jpg"}}
    told = await client.create(record(client, media=media))
    assert (await client.card(told["id"]))["media"] == media


# copy


async def test_a_copy_in_another_account(client: Client, home: Home) -> None:
    """§3.6: with everything that the vCard has, also what JSContact does not know."""
    there = Home()
    there.add_book("team/", "Team")
    other = Client(there, "aother")
    client.others = {"aother": other.account}
    home.write("work/", "x.vcf", with_photo(PNG).replace("FN:X", "FN:X\r\nX-OWN:kept"))
    create = {"k": {"id": client.card_id("x"), "addressBookIds": {other.book_id("team/"): True}, "kind": "org"}}
    arguments = {"accountId": "aother", "fromAccountId": client.account.id, "create": create}
    answer = await client.call("ContactCard/copy", **arguments)
    copied = answer["created"]["k"]["id"]
    text = there.text("team/", f"{copied}.vcf")
    assert "X-OWN:kept" in text
    assert "KIND:org" in text
    again = await client.call("ContactCard/copy", **arguments)
    error = again["notCreated"]["k"]
    assert (error["type"], error["existingId"]) == ("alreadyExists", copied)  # RFC 8620 §5.4
    create["k"].pop("addressBookIds")
    create["n"] = {"id": "rnowhere", "addressBookIds": {other.book_id("team/"): True}}
    answer = await client.call("ContactCard/copy", **arguments)
    assert answer["notCreated"]["k"]["properties"] == ["addressBookIds"]
    assert answer["notCreated"]["n"]["type"] == "notFound"
    home.write("work/", "z.vcf", vcard("UID:z", "FN:Z"))
    create["z"] = {"id": client.card_id("z"), "addressBookIds": {other.book_id("team/"): True}}
    await client.card(client.card_id("z"))
    client.contacts.port = _Vanishing(home, "x.vcf")
    create["k"]["addressBookIds"] = {other.book_id("team/"): True}
    answer = await client.call("ContactCard/copy", **arguments)
    assert answer["notCreated"]["k"]["type"] == "notFound"  # and costs only itself
    assert answer["created"].keys() == {"z"}


class _Vanishing(ModelPort):
    """A resource that is listed, and gone when it is fetched."""

    def __init__(self, home: Home, name: str) -> None:
        super().__init__(home)
        self.name = name

    async def fetch(self, path: str, names: Collection[str]) -> AsyncIterator[Mapping[str, CardResource]]:
        async for batch in super().fetch(path, [name for name in names if name != self.name]):
            yield batch
