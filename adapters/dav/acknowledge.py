"""Sockets that acknowledge at once.

A server that writes its answer in pieces and leaves Nagle's algorithm on (Cyrus does) waits for the acknowledgement of
the first, which the kernel delays by 40 ms. Linux forgets TCP_QUICKACK, so it is set after each read.
"""

import socket
from typing import Any, Final

QUICKACK: Final[int | None] = getattr(socket, "TCP_QUICKACK", None)


class PromptSocket(socket.socket):
    """A TCP socket; asyncio reads it by `recv`."""

    def recv(self, *args: Any) -> bytes:
        """See socket.recv."""
        data = super().recv(*args)
        if QUICKACK is not None and data:
            self.setsockopt(socket.IPPROTO_TCP, QUICKACK, 1)
        return data


def prompt_socket(address: Any) -> socket.socket:
    """A socket for one row of getaddrinfo, as aiohttp's connector asks for it."""
    family, kind, protocol, *_ = address
    return PromptSocket(family, kind, protocol)
