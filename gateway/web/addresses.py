"""Who is asking, and under which URL: forwarded header fields count only from listed proxies."""

import ipaddress
import re
from functools import lru_cache
from typing import Final

from aiohttp import web

from gateway.config import Server
from gateway.config_reader import Network

_HOST: Final = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,253})|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")


@lru_cache(maxsize=1024)
def is_listed(address: str | None, networks: tuple[Network, ...]) -> bool:
    """Whether the address lies in one of the networks; an IPv4 address mapped into IPv6 counts as IPv4."""
    try:
        parsed = ipaddress.ip_address(address or "")
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return any(parsed in network for network in networks)


def peer(request: web.BaseRequest) -> str:
    """The address of the other end of the connection; "" where there is none."""
    name = request.transport.get_extra_info("peername") if request.transport is not None else None
    return str(name[0]) if isinstance(name, tuple) else ""


def client_address(request: web.BaseRequest, server: Server) -> str:
    """The client's address: the last one in X-Forwarded-For that is not a trusted proxy of ours."""
    return _way(request, server)[-1]


def _way(request: web.BaseRequest, server: Server) -> list[str]:
    """The addresses on the way back to the client; all but the last are trusted proxies."""
    way = [peer(request)]
    for hop in reversed(_forwarded(request, "X-Forwarded-For")):
        if not is_listed(way[-1], server.trusted_proxies):
            break
        try:
            way.append(str(ipaddress.ip_address(hop)))
        except ValueError:
            break
    return way


def _forwarded(request: web.BaseRequest, name: str) -> list[str]:
    """The values of a header field to which every proxy adds its own."""
    values = ",".join(request.headers.getall(name, [])).split(",")
    return [value.strip() for value in values if value.strip()]


def throttle_key(address: str) -> str:
    """An IPv4 address, or the /64 of an IPv6 one, which is what one customer has."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def base_url(request: web.BaseRequest, server: Server) -> str:
    """The URL that clients reach the gateway under, without a slash at the end."""
    if server.public_url is not None:
        return server.public_url.rstrip("/")
    scheme, host = "http", request.headers.get("Host", "")
    proxies = 0
    if server.trusted_proxies:
        proxies = sum(is_listed(address, server.trusted_proxies) for address in _way(request, server))
    if proxies:
        forwarded = _told_by(_forwarded(request, "X-Forwarded-Proto"), proxies, scheme).lower()
        scheme = forwarded if forwarded in {"http", "https"} else scheme
        host = _told_by(_forwarded(request, "X-Forwarded-Host"), proxies, host)
    if not _HOST.fullmatch(host):
        host = str(server.listen)
    return f"{scheme}://{host}"


def _told_by(values: list[str], proxies: int, default: str) -> str:
    """What the outermost of so many proxies says; what stands before that came from the client."""
    return values[-min(proxies, len(values))] if values else default
