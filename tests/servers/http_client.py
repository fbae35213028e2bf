"""One HTTP request with a password, for the servers of the tests."""

import base64
import urllib.request

from tests.servers.users import User


def http_request(url: str, method: str, user: User, body: bytes | None = None, **fields: str) -> bytes:
    """The body of the answer. fields: of the header, underscores standing for hyphens.

    Raises:
        urllib.error.HTTPError: the status is not of success.
    """
    token = base64.b64encode(f"{user.name}:{user.password}".encode()).decode()
    headers = {"Authorization": f"Basic {token}", "Depth": "1"}
    headers |= {name.replace("_", "-"): value for name, value in fields.items()}
    request = urllib.request.Request(url, data=body, headers=headers, method=method)  # noqa: S310 - a server of the tests
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - our own servers
        found = answer.read()
    assert isinstance(found, bytes)
    return found
