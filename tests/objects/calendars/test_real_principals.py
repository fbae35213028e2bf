"""Principals and availability through a whole gateway on Radicale, Xandikos and Cyrus."""

from typing import Any

from gateway.objects.calendars.capability import AVAILABILITY, CALENDARS
from gateway.objects.principals.capability import OWNER, PRINCIPALS
from tests.client import CORE
from tests.objects.calendars.conftest import Place

DAY = {"utcStart": "2026-12-01T00:00:00Z", "utcEnd": "2026-12-02T00:00:00Z"}


async def call(place: Place, name: str, **arguments: Any) -> dict[str, Any]:
    using = (CORE, CALENDARS, PRINCIPALS, AVAILABILITY)
    ((answered, answer, _),) = await place.jmap.sentences((name, arguments), using=using)
    assert answered == name, answer
    found: dict[str, Any] = answer
    return found


async def test_the_session_leads_to_the_owner(place: Place) -> None:
    """RFC 9670 §1.5."""
    session, account = place.jmap.session, place.jmap.account
    assert session["capabilities"][PRINCIPALS] == session["capabilities"][AVAILABILITY] == {}
    assert OWNER not in session["capabilities"]
    assert OWNER not in session["primaryAccounts"]
    assert session["primaryAccounts"][PRINCIPALS] == account
    own = session["accounts"][account]["accountCapabilities"]
    assert own[AVAILABILITY] == {"maxAvailabilityDuration": "P366D"}
    principal = own[PRINCIPALS]["currentUserPrincipalId"]
    assert own[OWNER] == {"accountIdForPrincipal": account, "principalId": principal}
    (found,) = (await call(place, "Principal/get", ids=[principal]))["list"]
    assert found["accounts"] == {account: session["accounts"][account]}
    assert (await call(place, "Principal/query", filter={"accountIds": [account]}))["ids"] == [principal]


async def test_availability_of_the_owner(place: Place) -> None:
    told = await place.create()
    own = place.jmap.session["accounts"][place.jmap.account]["accountCapabilities"]
    arguments = {"id": own[PRINCIPALS]["currentUserPrincipalId"], **DAY}
    found = (await call(place, "Principal/getAvailability", **arguments, showDetails=False))["list"]
    bare = {"busyStatus": "unavailable", "event": None, "accountId": None}
    assert {"utcStart": "2026-12-01T11:00:00Z", "utcEnd": "2026-12-01T12:00:00Z", **bare} in found
    found = (await call(place, "Principal/getAvailability", **arguments, showDetails=True, eventProperties=["id"]))[
        "list"
    ]
    assert {"id": told["id"]} in [one["event"] for one in found]


async def test_nothing_new_was_shared(place: Place) -> None:
    assert (await call(place, "ShareNotification/query"))["ids"] == []
