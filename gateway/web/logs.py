"""Logs: one line per event on standard output, with the request's id, without anything a user wrote or sent.

The message of an exception may quote a header, a password or a mail; only those of errors that are made for the
log are shown. Of all others the type and the places in the code are.
"""

import asyncio
import logging
import secrets
import sys
import traceback
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final, Literal

import orjson
from aiohttp.http_exceptions import HttpProcessingError

from adapters.errors import AdapterError
from gateway.store.base import StoreUnavailable

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the request that is being served; None outside of one."""


def new_id() -> str:
    """An id for a request that brought none."""
    return secrets.token_hex(8)


SPEAKING: Final = (AdapterError, StoreUnavailable, OSError)
"""Errors whose message is written for the log."""

FIELDS: Final = "fields"
"""The key under which `extra` carries structured fields: `log.info("request", extra={FIELDS: {...}})`."""


def set_up(level: str, form: Literal["json", "text"]) -> None:
    """Send all logging of the process to standard output in the wanted form."""
    handler = logging.StreamHandler(sys.stdout)
    handler.addFilter(_calm)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("asyncio").setLevel(logging.WARNING)


def exception_handler(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """For `loop.set_exception_handler`: asyncio's own prints the exception's repr and the task's."""
    error = context.get("exception")
    logging.getLogger("gateway").error(
        "unhandled: %s", context.get("message"), exc_info=error if isinstance(error, BaseException) else None
    )


def describe(error: BaseException) -> str:
    """The error in one line: its type, with the message only where that is made for the log."""
    name = type(error).__name__
    return f"{name}: {error}" if isinstance(error, SPEAKING) else name


def frames(error: BaseException) -> list[str]:
    """Where the error came from and its causes: places in the code and types, no values."""
    lines: list[str] = []
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        lines.append(describe(cause))
        stack = traceback.extract_tb(cause.__traceback__)
        lines.extend(f"  {frame.filename}:{frame.lineno} {frame.name}" for frame in stack[-12:])
        cause = cause.__cause__ or cause.__context__
    return lines


class JsonFormatter(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        """time, level, logger, message, request id, fields of the event, error."""
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        } | _extras(record)
        if record.exc_info and record.exc_info[1] is not None:
            entry["error"] = frames(record.exc_info[1])
        return orjson.dumps(entry, default=lambda value: type(value).__name__).decode()


class TextFormatter(logging.Formatter):
    """One line for people."""

    def format(self, record: logging.LogRecord) -> str:
        """The same as JsonFormatter, as text."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        extras = "".join(f" {name}={value!r}" for name, value in _extras(record).items())
        line = f"{time} {record.levelname:7} {record.name}: {_one_line(record.getMessage())}{extras}"
        if record.exc_info and record.exc_info[1] is not None:
            line += "\n" + "\n".join(f"    {_one_line(frame)}" for frame in frames(record.exc_info[1]))
        return line


def _calm(record: logging.LogRecord) -> bool:
    """A client that speaks no HTTP is no fault of ours: one short line, not a traceback that quotes what it sent."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError):
        record.msg, record.args, record.exc_info = "malformed HTTP: %s", (type(error).__name__,), None
        record.levelno, record.levelname = logging.INFO, "INFO"
    return True


def _one_line(text: str) -> str:
    """Nothing from outside may forge a second log line."""
    return text.translate({code: f"\\x{code:02x}" for code in [*range(32), 127, 0x2028, 0x2029]})


def _extras(record: logging.LogRecord) -> dict[str, Any]:
    extras: dict[str, Any] = {}
    if (current := request_id.get()) is not None:
        extras["request"] = current
    fields = getattr(record, FIELDS, None)
    if isinstance(fields, Mapping):
        extras.update(fields)
    return extras
