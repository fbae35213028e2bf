"""Problem details (RFC 7807) as answers: every HTTP error of the gateway has this one form."""

import logging
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import orjson
from aiohttp import web

from adapters.errors import AdapterError
from gateway.jmap.errors import RequestProblem
from gateway.store.base import StoreUnavailable
from gateway.web import logs

faults = logging.getLogger("gateway.faults")

BLANK: Final = "about:blank"
PROBLEM_JSON: Final = "application/problem+json"


class Refusal(RequestProblem):
    """A RequestProblem that needs header fields too, such as Retry-After or WWW-Authenticate."""

    def __init__(
        self, status: int, detail: str, headers: Mapping[str, str] | None = None, *, limit: str | None = None
    ) -> None:
        super().__init__(
            BLANK if limit is None else "urn:ietf:params:jmap:error:limit", detail, status=status, limit=limit
        )
        self.headers = dict(headers or {})


def retry_after(seconds: float) -> dict[str, str]:
    """The Retry-After header field: whole seconds, at least one (RFC 9110 §10.2.3)."""
    return {"Retry-After": str(max(1, math.ceil(seconds)))}


def unavailable(detail: str, seconds: float = 5) -> Refusal:
    """503: something behind the gateway does not answer; trying again later may succeed."""
    return Refusal(503, detail, retry_after(seconds))


def problem_response(problem: RequestProblem) -> web.Response:
    """The problem as an HTTP answer; an error answer is never cached."""
    headers = problem.headers if isinstance(problem, Refusal) else {}
    return web.Response(
        status=problem.status,
        body=orjson.dumps(problem_object(problem)),
        content_type=PROBLEM_JSON,
        headers={"Cache-Control": "no-store", **headers},
    )


def problem_of(error: Exception) -> RequestProblem:
    """What a client is told of an error, whatever it is; those that are nobody's wish are logged."""
    if isinstance(error, RequestProblem):
        return error
    if isinstance(error, AdapterError | StoreUnavailable | TimeoutError):
        faults.warning("unavailable: %s", logs.describe(error))
        return unavailable("Something behind this gateway does not answer; try again later.")
    faults.error("internal fault", exc_info=error)
    return RequestProblem(BLANK, f"Internal fault {logs.request_id.get()}.", status=500)


def problem_object(problem: RequestProblem) -> dict[str, object]:
    """The problem details object (RFC 7807 §3.1)."""
    body = problem.to_json()
    if problem.type == BLANK:  # RFC 7807 §4.2: the title is then the HTTP status phrase
        body["title"] = HTTPStatus(problem.status).phrase
    return body
