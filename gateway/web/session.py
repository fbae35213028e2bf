"""The session resource (RFC 8620 §2)."""

import base64
import hashlib
from collections.abc import Mapping
from typing import Any, Final

import orjson
from aiohttp import web

from gateway.context import Login
from gateway.web import addresses
from gateway.web.keys import Services, services

WELL_KNOWN: Final = "/.well-known/jmap"
SESSION: Final = "/jmap/session"
API: Final = "/jmap/api"
UPLOAD: Final = "/jmap/upload/{accountId}/"
DOWNLOAD: Final = "/jmap/download/{accountId}/{blobId}/{name}"
EVENTS: Final = "/jmap/eventsource"
SOCKET: Final = "/jmap/ws"
TICKETS: Final = "/jmap/ws/ticket"

WEBSOCKET: Final = "urn:ietf:params:jmap:websocket"
TICKET: Final = "com:linagora:params:jmap:ws:ticket"
STATES_KEPT: Final = 8
"""Of one login: for so many names that the gateway is called by."""

TRANSPORT: Final[Mapping[str, Mapping[str, Any]]] = {WEBSOCKET: {"supportsPush": True}, TICKET: {}}
"""Capabilities of the web layer itself (RFC 8887 §3, gateway.web.tickets); their URLs depend on the request."""


async def get_session(request: web.Request) -> web.Response:
    """GET /jmap/session, and the same at /.well-known/jmap (RFC 8620 §2.2)."""
    async with services(request).authenticator.login(request) as login:
        found = session_object(services(request), login, _base_url(request))
    # RFC 8620 §2: RECOMMENDED to disable HTTP caching altogether.
    headers = {"Cache-Control": "no-cache, no-store, must-revalidate", "Vary": "Authorization"}
    return web.Response(body=orjson.dumps(found), content_type="application/json", headers=headers)


def session_state(request: web.Request, login: Login) -> str:
    """The state of the session object that this client sees, for the answers of the API (RFC 8620 §3.4)."""
    base, known = _base_url(request), login.session_states
    key = base, *(account.id for account in login.listed)
    if (state := known.get(key)) is None:
        if len(known) >= STATES_KEPT:  # a client may call the gateway by any name
            known.clear()
        state = known[key] = str(session_object(services(request), login, base)["state"])
    return state


def session_object(found: Services, login: Login, base: str) -> dict[str, Any]:
    """The Session object; `state` is a digest of all the rest of it."""
    body: dict[str, Any] = {
        "capabilities": {urn: {**value, **_resources(urn, base)} for urn, value in found.capabilities.items()},
        "accounts": {
            account.id: {
                "name": account.name,
                "isPersonal": account.is_personal,
                "isReadOnly": account.is_read_only,
                "accountCapabilities": {urn: dict(value) for urn, value in account.capabilities.items()},
            }
            for account in login.listed
        },
        "primaryAccounts": dict(login.primary),
        "username": login.username,
        **_urls(base),
    }
    return body | {"state": _digest(body)}


def _urls(base: str) -> dict[str, str]:
    return {
        "apiUrl": base + API,
        "uploadUrl": base + UPLOAD,
        "downloadUrl": f"{base}{DOWNLOAD}?type={{type}}",  # RFC 8620 §2: "type" RECOMMENDED in the query
        "eventSourceUrl": f"{base}{EVENTS}?types={{types}}&closeafter={{closeafter}}&ping={{ping}}",
    }


def _resources(urn: str, base: str) -> dict[str, str]:
    """The URLs that stand in a capability's object."""
    if urn == WEBSOCKET:
        return {"url": "ws" + base.removeprefix("http") + SOCKET}  # https becomes wss
    if urn == TICKET:
        return {"generationEndpoint": base + TICKETS, "revocationEndpoint": base + TICKETS}
    return {}


def _base_url(request: web.Request) -> str:
    return addresses.base_url(request, services(request).config.server)


def _digest(body: Mapping[str, Any]) -> str:
    hashed = hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).digest()
    return base64.urlsafe_b64encode(hashed[:12]).decode()
