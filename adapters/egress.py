"""Where the gateway may connect to on the word of somebody else, such as a URL in a certificate or from a client.

It is decided at the moment of connecting, by the very address: what a name resolved to before, or where a redirect
leads, cannot get around it.
"""

import ipaddress
import socket
from collections.abc import Callable, Sequence
from typing import Any, Final

__all__ = ["is_allowed", "socket_factory"]

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
AddressInfo = tuple[int, int, int, str, tuple[Any, ...]]

_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


def is_allowed(address: str, networks: Sequence[Network] = ()) -> bool:
    """Whether an address (as text) may be connected to: any public one, others if they are in one of the networks."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    meant = _meant(parsed)
    if any(meant in network or parsed in network for network in networks):
        return True
    return meant.is_global and not meant.is_multicast and not meant.is_reserved


def socket_factory(networks: Sequence[Network] = ()) -> Callable[[AddressInfo], socket.socket]:
    """For aiohttp's TCPConnector: a socket for an address, or PermissionError (an OSError) where it isn't allowed."""

    def make(info: AddressInfo) -> socket.socket:
        family, kind, protocol, _, address = info
        if not is_allowed(str(address[0]), networks):
            raise PermissionError(f"connecting to {address[0]} is not allowed")
        return socket.socket(family, kind, protocol)

    return make


def _meant(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The IPv4 address inside of an IPv6 address that is only a way to write or to reach it."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else address)
