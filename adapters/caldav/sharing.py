"""Who else may do what with a calendar, told to the server: by its access control list, or as invitations."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote

from adapters.dav.bodies import element, hrefs, octets
from adapters.dav.connection import DavConnection
from adapters.dav.discovery import properties
from adapters.dav.names import dav
from adapters.dav.privileges import regranted
from adapters.dav.quirks import Quirks
from adapters.errors import InvalidData, Unsupported
from adapters.ports.calendar_people import CalendarPrincipal
from adapters.ports.collections import Privilege

Access = Mapping[CalendarPrincipal, frozenset[Privilege]]

_WRITE: Final = frozenset({"read", "write-content", "bind", "unbind"})
_SHARING: Final = {"Content-Type": "application/davsharing+xml; charset=utf-8"}


async def by_acl(connection: DavConnection, path: str, access: Access, quirks: Quirks) -> None:
    """RFC 3744 §8.1: an ACL request is the whole list. Raises as SharingPort.share."""
    acl = (await properties(connection, path, [dav("acl")])).found.get(dav("acl"))
    if acl is None:
        raise Unsupported("the server shows no access control list")
    wanted = {principal.path: privileges for principal, privileges in access.items()}
    await connection.request("ACL", path, octets(regranted(acl, wanted, says_nothing=quirks.keeps_grants)))


async def by_invitation(connection: DavConnection, path: str, access: Access, own: tuple[str, str] | None) -> None:
    """draft-pot-webdav-resource-sharing §5.1, as Cyrus and sabre/dav have it. Raises as SharingPort.share.

    own: path of the owner's principal and address.
    """
    sharees = [
        element(
            dav("sharee"),
            *hrefs([_address(principal, own)]),
            element(dav("share-access"), element(dav(_level(privileges)))),
        )
        for principal, privileges in access.items()
    ]
    await connection.request("POST", path, octets(element(dav("share-resource"), *sharees)), _SHARING)


def _level(privileges: frozenset[Privilege]) -> str:
    """The most that is within the set."""
    if not privileges:
        return "no-access"
    if "read" not in privileges:
        raise InvalidData("the server gives no rights without the right to read")
    return "read-write" if privileges >= _WRITE else "read"


def _address(principal: CalendarPrincipal, own: tuple[str, str] | None) -> str:
    """What the server knows a sharee by: the address; of those whose properties it hides, made as the owner's is."""
    if principal.addresses:
        return principal.addresses[0]
    if own is not None:
        parent, _, name = own[0].rstrip("/").rpartition("/")
        above, _, other = principal.path.rstrip("/").rpartition("/")
        prefix = f"mailto:{unquote(name)}@"
        if above == parent and own[1].startswith(prefix):
            return f"mailto:{unquote(other)}@{own[1].removeprefix(prefix)}"
    return principal.path
