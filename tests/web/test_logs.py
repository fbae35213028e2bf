"""Logs: structured, with request ids, without anything a user wrote or sent (DESIGN §6)."""

import base64
import json
import logging
import socket

import pytest

from adapters.errors import Unavailable
from gateway.web import logs
from tests.waiting import until
from tests.web.gateway import TEST, basic, raw, running


def record(error: BaseException | None = None, message: str = "m") -> logging.LogRecord:
    info = None if error is None else (type(error), error, error.__traceback__)
    return logging.LogRecord("gateway.x", logging.ERROR, "f.py", 1, message, (), info)


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    try:
        raise error from cause
    except type(error) as caught:
        return caught


@pytest.mark.parametrize("formatter", [logs.JsonFormatter(), logs.TextFormatter()])
def test_messages_of_exceptions_stay_inside(formatter: logging.Formatter) -> None:
    error = raised(KeyError("Dear Bob, the password is hunter2"), raised(ValueError("alice@example.org")))
    line = formatter.format(record(error))
    assert "KeyError" in line
    assert "ValueError" in line
    assert "test_logs.py" in line
    assert "hunter2" not in line
    assert "alice" not in line
    assert "connection refused" in formatter.format(record(raised(Unavailable("connection refused"))))


def test_one_event_is_one_line() -> None:
    token = logs.request_id.set("r1")
    try:
        assert "\n" not in logs.TextFormatter().format(record(message="a\r\nb\x1b[31m\u2028c"))
        entry = json.loads(logs.JsonFormatter().format(record(message="a\nb")))
    finally:
        logs.request_id.reset(token)
    assert entry["message"] == "a\nb"
    assert entry["request"] == "r1"
    assert entry["level"] == "error"


def test_asyncios_own_reports_say_no_values(caplog: pytest.LogCaptureFixture) -> None:
    context = {"message": "Task exception was never retrieved", "exception": raised(ValueError("hunter2"))}
    logs.exception_handler(None, context)  # type: ignore[arg-type]
    assert "hunter2" not in logs.JsonFormatter().format(caplog.records[-1])


async def test_nothing_secret_in_any_log(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    """A whole run at the lowest level: right and wrong passwords, tokens, faults, malformed requests, mail text."""
    caplog.set_level(logging.DEBUG)
    secret, wrong, text = "wonder:land", "Tr0ub4dor", "the subject of a mail"
    async with running() as gateway:
        await gateway.api(["Core/echo", {"subject": text}, "c"])
        await gateway.api(["Test/fail", {}, "c"], using=(TEST,))
        for headers in ({"Authorization": basic("alice", wrong)}, {"Authorization": f"Bearer {wrong}"}):
            async with gateway.http.get(f"{gateway.url}/jmap/session", headers=headers) as response:
                assert response.status == 401
        async with gateway.http.get(f"{gateway.url}/jmap/download/A/{wrong}/{text}?type={secret}") as response:
            assert response.status == 401
        gateway.backend.down = True
        async with gateway.http.get(
            f"{gateway.url}/jmap/session", headers={"Authorization": basic("bob", "builder")}
        ) as response:
            assert response.status == 503
        header = basic("alice", secret).encode()
        for line in (b"Authorization : " + header, b"Authorization: " + header + b"\0", b"Auth\x01: " + header):
            await raw(gateway.port, b"GET / HTTP/1.1\r\nHost: x\r\n" + line + b"\r\n\r\n", 0.5)
    formatter = logs.JsonFormatter()
    output = ""
    for each in caplog.records:
        logs._calm(each)
        output += formatter.format(each) + "\n"
    captured = capfd.readouterr()
    output += captured.out
    assert output.count('"message":"request"') >= 6
    for private in (secret, wrong, text, "builder", base64.b64encode(f"alice:{secret}".encode()).decode(), "alice"):
        assert private not in output, private


async def test_every_request_is_one_line_with_its_id(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    entries = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            entries.append(json.loads(logs.JsonFormatter().format(record)))

    handler = Keep()
    logging.getLogger("gateway.access").addHandler(handler)
    try:
        async with running() as gateway:
            headers = gateway.auth() | {"X-Request-Id": "mine"}
            async with gateway.http.get(f"{gateway.url}/jmap/session", headers=headers) as response:
                assert response.status == 200
    finally:
        logging.getLogger("gateway.access").removeHandler(handler)
    (entry,) = entries
    assert entry["request"] == "mine"
    assert (entry["route"], entry["method"], entry["status"]) == ("/jmap/session", "GET", 200)


async def test_the_answer_does_not_wait_for_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    received: list[bytes] = []

    class Look(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            received.append(client.recv(4096, socket.MSG_DONTWAIT))

        def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
            received.append(b"")

    handler = Look()
    async with running() as gateway:
        with socket.create_connection(("127.0.0.1", gateway.port)) as client:
            logging.getLogger("gateway.access").addHandler(handler)
            try:
                client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine\r\n\r\n")
                await until(lambda: bool(received))
            finally:
                logging.getLogger("gateway.access").removeHandler(handler)
    assert received[0].startswith(b"HTTP/1.1 200")
    assert b"X-Request-Id: mine\r\n" in received[0]
