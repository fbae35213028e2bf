"""How a collection moved, by every way that servers leave open, and never a removal that nobody announced."""

import pytest

from adapters.dav.bodies import element
from adapters.dav.connection import Credentials, DavConnection, Endpoint
from adapters.dav.sync import Delta, delta
from adapters.errors import AdapterError, Forbidden, NotFound, Unavailable
from tests.wire.dav import Reply, error, etag, found, multistatus, scripted_dav, status, token

KNOWN = {"a.ics": '"1"', "b.ics": '"1"', "c.ics": '"1"', "d.ics": '"1"'}
ITSELF = found("/c/", "<D:resourcetype><D:collection/></D:resourcetype>")
UNCHANGED = [etag(f"/c/{name}", "1") for name in KNOWN]
LISTING = Reply(body=multistatus(ITSELF, *UNCHANGED[:3], etag("/c/e.ics", "1")))
"""As compared with KNOWN: d is gone, e is new."""


async def moved(reports: list[Reply] | Reply, listing: Reply = LISTING, since: str | None = "old") -> tuple[Delta, int]:
    """The delta, and how many requests it took."""
    async with scripted_dav({("REPORT", "/c/"): reports, ("PROPFIND", "/c/"): listing}) as script:
        connection = DavConnection(Endpoint(script.url, read_timeout=0.5), Credentials("a", password="b"))
        try:
            return await delta(connection, "/c/", since, KNOWN, reports=True), len(script.heard)
        finally:
            await connection.close()


async def test_an_incremental_answer() -> None:
    answer = multistatus(etag("/c/a.ics", "2"), etag("/c/x.ics", "1"), status("/c/b.ics", 404), extra=token("new"))
    found, requests = await moved(Reply(body=answer))
    assert found == Delta("new", {"a.ics": '"2"', "x.ics": '"1"'}, frozenset({"b.ics"}))
    assert requests == 1


DATA = "{urn:ietf:params:xml:ns:caldav}calendar-data"


def with_data(name: str, value: str, text: str) -> str:
    return found(f"/c/{name}", f'<D:getetag>"{value}"</D:getetag><C:calendar-data>{text}</C:calendar-data>')


async def along(reports: list[Reply]) -> tuple[Delta, list[bytes]]:
    """The delta where the data is asked for along, and what was asked."""
    async with scripted_dav({("REPORT", "/c/"): reports, ("PROPFIND", "/c/"): LISTING}) as script:
        connection = DavConnection(Endpoint(script.url, read_timeout=0.5), Credentials("a", password="b"))
        try:
            found = await delta(connection, "/c/", "old", KNOWN, reports=True, along=element(DATA))
            return found, [request.body for request in script.heard]
        finally:
            await connection.close()


async def test_data_that_comes_along() -> None:
    answer = multistatus(
        with_data("a.ics", "2", "A"), with_data("b.ics", "1", "own"), etag("/c/x.ics", "1"), extra=token("n")
    )
    found_along, asked = await along([Reply(body=answer)])
    assert found_along == Delta("n", {"a.ics": '"2"', "x.ics": '"1"'}, frozenset(), {"a.ics": "A"})
    assert len(asked) == 1


@pytest.mark.parametrize(
    "trouble",
    [
        Reply(body=multistatus(with_data("a.ics", "2", "bad\x0b"))),
        Reply(body=multistatus(with_data("a.ics", "2", "x" * 10_100_000))),
        Reply(403),
        Reply(400),
    ],
)
async def test_data_that_is_trouble_is_not_asked_for_again(trouble: Reply) -> None:
    plain = Reply(body=multistatus(etag("/c/a.ics", "2"), extra=token("n")))
    found_along, asked = await along([trouble, plain])
    assert found_along == Delta("n", {"a.ics": '"2"'}, frozenset())
    assert [b"calendar-data" in body for body in asked] == [True, False]


async def test_a_whole_listing_asks_for_no_data() -> None:
    initial = Reply(body=multistatus(*UNCHANGED[:3], etag("/c/e.ics", "1"), extra=token("new")))
    found_along, asked = await along([Reply(403, error("D:valid-sync-token")), initial])
    assert found_along == Delta("new", {"e.ics": '"1"'}, frozenset({"d.ics"}))
    assert [b"calendar-data" in body for body in asked] == [True, False]


async def test_an_outage_is_not_asked_again() -> None:
    with pytest.raises(Unavailable):
        await along([Reply(503), Reply(body=multistatus(extra=token("n")))])


async def test_nothing_happened() -> None:
    found, requests = await moved(Reply(body=multistatus(extra=token("new"))))
    assert (found, requests) == (Delta("new", {}, frozenset()), 1)


async def test_gone_before_it_was_known() -> None:
    answer = multistatus(status("/c/ghost.ics", 404), extra=token("new"))
    assert (await moved(Reply(body=answer)))[0] == Delta("new", {}, frozenset())


async def test_hrefs_are_written_in_many_ways() -> None:
    answer = multistatus(etag("http://dav.example.org/c/%61.ics", "2"), status("/c/b%2Eics", 404), extra=token("new"))
    assert (await moved(Reply(body=answer)))[0] == Delta("new", {"a.ics": '"2"'}, frozenset({"b.ics"}))


async def test_weak_etags_are_made_usable() -> None:
    answer = multistatus(found("/c/a.ics", '<D:getetag>W/"2"</D:getetag>'), extra=token("new"))
    assert (await moved(Reply(body=answer)))[0].changed == {"a.ics": '"2"'}


INVALID = [
    Reply(403, error("D:valid-sync-token")),  # RFC 6578 §3.2: Cyrus, Radicale, sabre/dav
    Reply(412, error("D:valid-sync-token")),  # Xandikos
    Reply(409, error("D:valid-sync-token")),
    Reply(410),
    Reply(400),
]


@pytest.mark.parametrize("refused", INVALID)
async def test_an_invalid_token_costs_a_listing(refused: Reply) -> None:
    initial = Reply(body=multistatus(*UNCHANGED[:3], etag("/c/e.ics", "1"), extra=token("new")))
    found, requests = await moved([refused, initial])
    assert found == Delta("new", {"e.ics": '"1"'}, frozenset({"d.ics"}))
    assert requests == 2


async def test_an_unknown_token_that_is_answered_with_everything() -> None:
    """DAViCal: what is gone can't be told from such an answer, so it is not taken for a delta."""
    everything = Reply(body=multistatus(*UNCHANGED[:3], etag("/c/e.ics", "1"), extra=token("new")))
    found, requests = await moved([everything, everything])
    assert found == Delta("new", {"e.ics": '"1"'}, frozenset({"d.ics"}))
    assert requests == 2


async def test_own_writes_that_are_repeated_are_a_delta() -> None:
    answer = multistatus(UNCHANGED[0], etag("/c/e.ics", "1"), extra=token("new"))
    found, requests = await moved(Reply(body=answer))
    assert found == Delta("new", {"e.ics": '"1"'}, frozenset())
    assert requests == 1


@pytest.mark.parametrize("refused", [Reply(405), Reply(501), Reply(415), Reply(403, error("D:supported-report"))])
async def test_no_sync_collection_at_all(refused: Reply) -> None:
    found, requests = await moved(refused)
    assert found == Delta(None, {"e.ics": '"1"'}, frozenset({"d.ics"}))
    assert requests == 3


async def test_an_answer_without_a_token_is_not_believed() -> None:
    found, _ = await moved(Reply(body=multistatus(etag("/c/a.ics", "2"))))
    assert found == Delta(None, {"e.ics": '"1"'}, frozenset({"d.ics"}))


async def test_nothing_known_and_nothing_there() -> None:
    async with scripted_dav({("REPORT", "/c/"): Reply(body=multistatus(extra=token("new")))}) as script:
        connection = DavConnection(Endpoint(script.url), Credentials("a", password="b"))
        assert await delta(connection, "/c/", None, {}, reports=True) == Delta("new", {}, frozenset())
        await connection.close()


async def test_all_is_gone_needs_a_listing_that_shows_the_collection() -> None:
    empty = Reply(body=multistatus(extra=token("new")))
    found, _ = await moved(empty, Reply(body=multistatus(ITSELF)), since=None)
    assert found == Delta(None, {}, frozenset(KNOWN))
    with pytest.raises(Unavailable):
        await moved(empty, Reply(body=multistatus()), since=None)


PAGES = [
    Reply(body=multistatus(etag("/c/a.ics", "2"), status("/c/", 507), extra=token("middle"))),
    Reply(body=multistatus(etag("/c/x.ics", "1"), status("/c/b.ics", 404), extra=token("end"))),
]


async def test_truncated_answers_are_read_on() -> None:
    """RFC 6578 §3.6, as Cyrus does it."""
    found, requests = await moved(PAGES)
    assert found == Delta("end", {"a.ics": '"2"', "x.ics": '"1"'}, frozenset({"b.ics"}))
    assert requests == 2


async def test_truncated_answers_that_lead_nowhere() -> None:
    with pytest.raises(Unavailable):
        await moved(Reply(body=multistatus(status("/c/", 507), extra=token("old"))))


async def test_a_change_whose_etag_is_missing_is_looked_for() -> None:
    lacking = Reply(body=multistatus(found("/c/a.ics", "<D:resourcetype/>"), extra=token("new")))
    whole = Reply(body=multistatus(etag("/c/a.ics", "2"), *UNCHANGED[1:], extra=token("new")))
    found_after, _ = await moved([lacking, whole])
    assert found_after == Delta("new", {"a.ics": '"2"'}, frozenset())


async def test_what_a_listing_cannot_tell_stays() -> None:
    """trouble with one resource is no removal of it."""
    listing = Reply(body=multistatus(ITSELF, *UNCHANGED[:3], status("/c/d.ics", 500)))
    assert (await moved(Reply(501), listing))[0] == Delta(None, {}, frozenset())


FAILURES = [
    (Reply(503), Unavailable),
    (Reply(500), Unavailable),
    (Reply(404), NotFound),
    (Reply(body=multistatus(*UNCHANGED), cut=300), Unavailable),
    (Reply(wait=2), Unavailable),
    (Reply(200, "<html/>"), Unavailable),
]


@pytest.mark.parametrize(("failure", "kind"), FAILURES)
async def test_a_failure_is_never_a_removal(failure: Reply, kind: type[AdapterError]) -> None:
    with pytest.raises(kind):
        await moved(failure)
    with pytest.raises(kind):
        await moved(Reply(501), failure)


async def test_a_calendar_that_may_no_longer_be_read() -> None:
    with pytest.raises(Forbidden):
        await moved(Reply(403), Reply(403))
