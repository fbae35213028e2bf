"""A JMAP client of a few lines, for the demo's self-check: session, API calls, download."""

import base64
import json
import urllib.parse
import urllib.request
from typing import cast

CORE = "urn:ietf:params:jmap:core"
MAIL = "urn:ietf:params:jmap:mail"
SUBMISSION = "urn:ietf:params:jmap:submission"
CALENDARS = "urn:ietf:params:jmap:calendars"
CONTACTS = "urn:ietf:params:jmap:contacts"
TIMEOUT_SECONDS = 60

Json = dict[str, "object"]


class CheckError(Exception):
    """The gateway did not answer as RFC 8620 and RFC 8621 say."""


class JmapClient:
    """A logged-in client of the gateway at `url`.

    Its methods raise `CheckError` if an answer is wrong and `OSError` if there is none.
    """

    def __init__(self, url: str, user: str, password: str) -> None:
        self.url = url
        self._token = base64.b64encode(f"{user}:{password}".encode()).decode()
        # RFC 8620 §2.2: the session is found by its well-known address.
        self.session = self._json(f"{url}/.well-known/jmap")
        accounts = self.session.get("primaryAccounts")
        if not isinstance(accounts, dict) or MAIL not in accounts:
            raise CheckError("the session names no primary account for mail")
        self.account = str(accounts[MAIL])
        self.api_url = self._absolute("apiUrl")

    def call(self, *calls: tuple[str, Json]) -> list[Json]:
        """The responses' arguments, one per method call; the account is added to each call (RFC 8620 §3.3)."""
        requested = [
            [method, {"accountId": self.account, **arguments}, str(number)]
            for number, (method, arguments) in enumerate(calls)
        ]
        using = [CORE, MAIL, SUBMISSION, CALENDARS, CONTACTS]
        answer = self._json(self.api_url, {"using": using, "methodCalls": requested})
        responses = answer.get("methodResponses")
        if not isinstance(responses, list) or len(responses) != len(calls):
            raise CheckError(f"not one response per call: {answer}")
        for (method, _), (name, arguments, _call_id) in zip(calls, responses, strict=True):
            if name != method:
                raise CheckError(f"{method} gave {name}: {arguments}")
        return [cast("Json", arguments) for _, arguments, _ in responses]

    def download(self, blob: str, name: str) -> bytes:
        """The bytes of a blob (RFC 8620 §6.2)."""
        values = {"accountId": self.account, "blobId": blob, "name": name, "type": "message/rfc822"}
        url = self._absolute("downloadUrl")
        for variable, value in values.items():
            url = url.replace(f"{{{variable}}}", urllib.parse.quote(value, safe=""))
        return self._fetch(url)

    def _absolute(self, member: str) -> str:
        return urllib.parse.urljoin(self.url, str(self.session.get(member)))

    def _json(self, url: str, body: Json | None = None) -> Json:
        answer = json.loads(self._fetch(url, None if body is None else json.dumps(body).encode()))
        if not isinstance(answer, dict):
            raise CheckError(f"{url}: not a JSON object")
        return answer

    def _fetch(self, url: str, body: bytes | None = None) -> bytes:
        headers = {"Authorization": f"Basic {self._token}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(url, body, headers)  # noqa: S310 - the demo's own gateway
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 - the demo's own URL
            return cast("bytes", answer.read())
