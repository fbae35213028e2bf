"""Address books that others share, as Cyrus lists them."""

import imaplib

import pytest

from adapters.carddav.backend import CardDav
from adapters.dav.connection import Credentials, Endpoint
from adapters.errors import Forbidden
from tests.adapters.carddav.conftest import card
from tests.servers.cyrus import Cyrus
from tests.servers.dav import login

MAILBOX = "#addressbooks/Default"


async def test_an_address_book_of_somebody_else(request: pytest.FixtureRequest, cyrus: Cyrus) -> None:
    """Once it was taken up; its owner and the rights are told, and the login's own have no owner."""
    theirs, ours = (login(request, "cyrus") for _ in range(2))
    owner, port = (CardDav(Endpoint(one.url), Credentials(one.user, password=one.password)) for one in (theirs, ours))
    try:
        await owner.open()
        await owner.create("Default/", "a.vcf", card("a"))
        with imaplib.IMAP4(cyrus.host, cyrus.imap) as client:
            client.login(theirs.user, theirs.password)
            client.setacl(f'"{MAILBOX}"', ours.user, "lrs")
        with imaplib.IMAP4(cyrus.host, cyrus.imap) as client:
            client.login(ours.user, ours.password)
            client.subscribe(f'"Other Users/{theirs.user}/{MAILBOX}"')
        await port.open()
        own, shared = sorted(await port.address_books(), key=lambda book: book.owner or "")
        assert (own.path, own.owner) == ("Default/", None)
        assert shared.owner == owner.principal
        assert shared.privileges is not None
        assert "read" in shared.privileges
        assert not shared.privileges & {"write-content", "bind", "unbind"}
        moved = await port.changes(shared, None, {})
        assert set(moved.changed) == {"a.vcf"}
        with pytest.raises(Forbidden):
            await port.replace(shared.path, "a.vcf", card("a"), moved.changed["a.vcf"])
    finally:
        await owner.close()
        await port.close()
