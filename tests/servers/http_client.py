"""One HTTP request with a password, for the servers of the tests."""

import base64
import urllib.request

from tests.servers.users import User


def http_request(url: str, method: str, user: User) -> bytes:
    """The body of the answer.

    Raises:
        urllib.error.HTTPError: the status is not of success.
    """
    token = base64.b64encode(f"{user.name}:{user.password}".encode()).decode()
    headers = {"Authorization": f"Basic {token}", "Depth": "1"}
    request = urllib.request.Request(url, headers=headers, method=method)  # noqa: S310 - a server of the tests
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - our own servers
        body = answer.read()
    assert isinstance(body, bytes)
    return body
