"""How a collection moved. The caller's own names and ETags are the truth; RFC 6578 is an accelerator.

Nothing is ever removed on the word of an answer that failed, broke off or was not a listing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from adapters.dav.bodies import Element, propfind, sync_collection
from adapters.dav.connection import DavConnection
from adapters.dav.errors import refusal
from adapters.dav.hrefs import canonical, member
from adapters.dav.multistatus import Entry, Malformed, Multistatus
from adapters.dav.names import dav
from adapters.errors import AdapterError, NotFound, TooLarge, Unavailable

_ETAG: Final = dav("getetag")
_TYPE: Final = dav("resourcetype")
_MOST_PAGES: Final = 1000

_TOKEN_REFUSED: Final = frozenset({400, 403, 405, 409, 410, 412, 415, 501})
"""What servers answer to a token that they do not honour, or to a REPORT that they do not know."""


@dataclass(slots=True)
class Delta:
    """Names of one collection, as `CalendarDelta` and `AddressBookDelta` have them. token: None where there is none.

    along: name -> text of the property that was asked for along with the ETags, as far as the server gave it.
    """

    token: str | None
    changed: dict[str, str]
    removed: frozenset[str]
    along: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Seen:
    """What an answer said. unclear: names that exist, but whose ETag the server did not give."""

    etags: dict[str, str] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    unclear: set[str] = field(default_factory=set)
    along: dict[str, str] = field(default_factory=dict)
    itself: bool = False


async def delta(
    connection: DavConnection,
    path: str,
    token: str | None,
    known: Mapping[str, str],
    *,
    reports: bool,
    along: Element | None = None,
) -> Delta:
    """How the collection at `path` moved since `token`, or as compared with `known`.

    reports: the server has sync-collection (RFC 6578) and its tokens can be relied on. along: a property that is
    asked for too where only a part of the collection is expected; not every server gives it.
    Raises NotFound, Forbidden, Unavailable, AuthFailed.
    """
    if reports:
        found = await _since(connection, path, token, known, along) if token is not None else None
        found = found or await _from_start(connection, path, known)
        if found is not None:
            return found
    return await _listed(connection, path, known)


def strong(etag: str) -> str:
    """The ETag as If-Match can use it: a weak one never matches (RFC 9110 §13.1.1)."""
    return etag.strip().removeprefix("W/")


async def _since(
    connection: DavConnection, path: str, token: str, known: Mapping[str, str], along: Element | None
) -> Delta | None:
    """The incremental answer; None where the token is not honoured, or the answer shows that it was not."""
    try:
        seen, after = await _report(connection, path, token, along)
    except AdapterError as error:
        refused = refusal(error).status in _TOKEN_REFUSED
        token_refused = refused and "valid-sync-token" in refusal(error).conditions
        if along is not None and not token_refused and (refused or isinstance(error, (TooLarge, Malformed))):
            return await _since(connection, path, token, known, None)  # what was asked for along may be the trouble
        if refused:
            return None
        raise
    repeated = sum(1 for name, etag in seen.etags.items() if known.get(name) == etag)
    if after is None or seen.unclear or (repeated and repeated * 2 >= len(known)):
        # A few that did not change are the caller's own writes; most of them: the server lost the token and lists
        # everything, but not what is gone (seen: DAViCal).
        return None
    changed = {name: etag for name, etag in seen.etags.items() if known.get(name) != etag}
    along_with = {name: text for name, text in seen.along.items() if name in changed}
    return Delta(after, changed, frozenset(seen.gone & known.keys()), along_with)


async def _from_start(connection: DavConnection, path: str, known: Mapping[str, str]) -> Delta | None:
    """The initial synchronization (RFC 6578 §3.4) is a full listing; None where the server cannot do it."""
    try:
        seen, after = await _report(connection, path, None, None)
    except AdapterError as error:
        if refusal(error).status in _TOKEN_REFUSED:
            return None
        raise
    if after is None or (known and not seen.etags):
        return None  # "all is gone" is only believed of a listing that shows the collection itself
    return _compared(seen, known, after)


async def _listed(connection: DavConnection, path: str, known: Mapping[str, str]) -> Delta:
    """PROPFIND with Depth 1: the whole collection."""
    seen = _Seen()
    async for entry in connection.multistatus("PROPFIND", path, propfind([_ETAG, _TYPE]), depth="1"):
        _take(entry, path, seen, None)
    if not seen.itself:
        raise Unavailable("a listing that does not show the collection itself")
    return _compared(seen, known, None)


def _compared(seen: _Seen, known: Mapping[str, str], token: str | None) -> Delta:
    changed = {name: etag for name, etag in seen.etags.items() if known.get(name) != etag}
    return Delta(token, changed, frozenset(known.keys() - seen.etags.keys() - seen.unclear))


async def _report(
    connection: DavConnection, path: str, token: str | None, along: Element | None
) -> tuple[_Seen, str | None]:
    """sync-collection, page after page (RFC 6578 §3.6), and the token after it."""
    seen = _Seen()
    for _ in range(_MOST_PAGES):
        about = Multistatus()
        truncated = False
        body = sync_collection(token, [_ETAG] if along is None else [_ETAG, along])
        async for entry in connection.multistatus("REPORT", path, body, depth="0", about=about):  # RFC 6578 §3.2
            truncated = truncated or (entry.status == 507 and canonical(entry.href) in {path, path.rstrip("/")})
            _take(entry, path, seen, None if along is None else along.tag)
        if not truncated:
            return seen, about.sync_token
        if about.sync_token in {None, token}:
            raise Unavailable("a truncated answer to sync-collection with no token to go on from")
        token = about.sync_token
    raise Unavailable("sync-collection does not come to an end")


def _take(entry: Entry, path: str, seen: _Seen, along: str | None) -> None:
    """One response. What is neither there nor gone for certain is unclear, and stays as it was known."""
    if canonical(entry.href) in {path, path.rstrip("/")}:
        if entry.status in {404, 410}:  # Xandikos says it inside a 207
            raise NotFound("the collection is gone")
        seen.itself = seen.itself or entry.status < 300
        return
    name = member(entry.href, path)
    kind = entry.found.get(_TYPE)
    if name is None or (kind is not None and kind.find(dav("collection")) is not None):
        return
    etag = entry.text(_ETAG)
    if entry.status in {404, 410}:
        seen.gone.add(name)
        seen.etags.pop(name, None)
        seen.along.pop(name, None)
    elif etag is not None:
        seen.etags[name] = strong(etag)
        seen.gone.discard(name)
        text = None if along is None else entry.text(along)
        if text is not None:
            seen.along[name] = text
    else:
        seen.unclear.add(name)
