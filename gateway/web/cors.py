"""Web pages of other origins (Fetch standard, CORS protocol). Credentials mode is never allowed: no cookies here."""

from typing import Final

from aiohttp import web

from gateway.config import Cors

METHODS: Final = "GET, HEAD, POST, DELETE, OPTIONS"
HEADERS: Final = (
    "Authorization, Content-Type, Content-Encoding, Accept, Cache-Control, Last-Event-ID, "
    "If-None-Match, If-Range, Range, X-Request-Id"
)
EXPOSED: Final = "X-Request-Id, Retry-After, Content-Disposition, Content-Range, Accept-Ranges, ETag, WWW-Authenticate"
MAX_AGE: Final = "7200"


def fields(origin: str | None, cors: Cors) -> dict[str, str]:
    """Header fields of every answer to a request with this Origin."""
    if "*" in cors.origins:
        return {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": EXPOSED}
    vary = {"Vary": "Origin"} if cors.origins else {}
    if origin is None or origin not in cors.origins:
        return vary
    return vary | {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": EXPOSED}


def is_preflight(request: web.Request) -> bool:
    """OPTIONS with an origin and the method to come; a browser sends it without credentials."""
    return (
        request.method == "OPTIONS"
        and "Origin" in request.headers
        and "Access-Control-Request-Method" in request.headers
    )


def preflight(request: web.Request, cors: Cors) -> web.Response:
    """The answer to a preflight; without the Allow fields where the origin is not allowed."""
    headers = fields(request.headers.get("Origin"), cors)
    if "Access-Control-Allow-Origin" in headers:
        headers |= {
            "Access-Control-Allow-Methods": METHODS,
            "Access-Control-Allow-Headers": HEADERS,
            "Access-Control-Max-Age": MAX_AGE,
        }
    headers.pop("Access-Control-Expose-Headers", None)
    return web.Response(status=204, headers=headers)
