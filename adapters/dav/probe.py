"""What a DAV server says to strangers, for operators who set the gateway up."""

from dataclasses import dataclass
from typing import Final

from adapters.dav.connection import DavConnection, Endpoint
from adapters.dav.quirks import recognise

SPOKEN: Final = frozenset({"basic", "bearer"})


@dataclass(frozen=True, slots=True)
class Offer:
    """status: of the answer. path: where discovery led. server: the row of the table of quirks.

    classes: the DAV header (RFC 4918 §10.1); empty where only users are told. schemes: of WWW-Authenticate, lower case.
    """

    status: int
    path: str
    server: str
    classes: tuple[str, ...]
    schemes: tuple[str, ...]

    @property
    def usable(self) -> bool:
        """Whether the server asks for a login that the gateway can give, or for none."""
        return bool(SPOKEN & set(self.schemes)) if self.status == 401 else self.status < 400


async def offer(endpoint: Endpoint, path: str) -> Offer:
    """Ask without logging in. Raises Unavailable."""
    connection = DavConnection(endpoint, None)
    try:
        answer = await connection.look(path)
    finally:
        await connection.close()
    challenges = answer.headers.get("www-authenticate", "")
    return Offer(
        status=answer.status,
        path=answer.path,
        server=recognise(answer.headers, answer.path).server,
        classes=tuple(word for word in (part.strip() for part in answer.headers.get("dav", "").split(",")) if word),
        schemes=tuple(scheme for scheme in ("basic", "bearer", "digest", "negotiate") if _offers(challenges, scheme)),
    )


def _offers(challenges: str, scheme: str) -> bool:
    """Whether a scheme is among challenges (RFC 9110 §11.6.1), at the start of one."""
    return any(part.strip().lower().split(" ")[0] == scheme for part in challenges.split(","))
