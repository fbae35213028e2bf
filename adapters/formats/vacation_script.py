"""A VacationResponse (RFC 8621 §8) as a Sieve script (RFC 5228, RFC 5230), and back.

The settings stand in a comment at the head of the script, so that they are read back exactly as they were set; the
code below is made from them and never read. All text of the user goes into quoted strings (RFC 5228 §2.4.2), bodies
beside HTML into base64: nothing in it can end a string, a script line or a MIME part.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from itertools import takewhile
from typing import Final

from adapters.errors import InvalidData
from adapters.formats.preview import html_text

EXTENSIONS: Final = frozenset({"vacation", "date", "relational"})
"""Sieve extensions that the script may need, besides "include" where another script follows."""

_HEAD: Final = "# VacationResponse of jmap-gateway: changed by VacationResponse/set only."
_MARK: Final = "#vacation1: "
_WIDTH: Final = 76
_BOUNDARY: Final = "=_vacation"
"""Never part of a line of base64 (RFC 2046 §5.1.1)."""
_DEFAULT: Final = "I am away at the moment and will read your message when I am back."


@dataclass(frozen=True, slots=True)
class Vacation:
    """What VacationResponse/set has set, but for isEnabled: that is whether the script is the active one.

    from_date, to_date: UTCDates. includes: the script of the user that was active before and goes on working.
    """

    from_date: str | None = None
    to_date: str | None = None
    subject: str | None = None
    text_body: str | None = None
    html_body: str | None = None
    includes: str | None = None


def write(vacation: Vacation) -> bytes:
    """The script. Raises InvalidData for text that no Sieve script can hold: NUL, a line break in the subject."""
    requires = ["vacation"]
    tests = _period(vacation)
    if tests:
        requires += ["date", "relational"]
    if vacation.includes is not None:
        requires.append("include")
    lines = [_HEAD, *_settings(vacation), f"require [{', '.join(map(_quoted, requires))}];"]
    action = _action(vacation)
    lines.append(f"if allof ({', '.join(['true', *tests])}) {{\n{action}\n}}" if tests else action)
    if vacation.includes is not None:
        # RFC 6609 §3.2: a script that is gone by then is no error; the response must not fail with it.
        lines.append(f"include :personal :optional {_quoted(vacation.includes)};")
    return "\r\n".join("\n".join([*lines, ""]).split("\n")).encode()


def read(script: bytes) -> Vacation | None:
    """The settings that `write` put there; None for a script that it did not write."""
    head, *lines = script.decode(errors="replace").replace("\r\n", "\n").split("\n")
    if head != _HEAD:
        return None
    # Only the lines right behind the head: the text of the user may hold some that look like them.
    packed = "".join(line.removeprefix(_MARK) for line in takewhile(lambda line: line.startswith(_MARK), lines))
    try:
        found = json.loads(base64.b64decode(packed, validate=True))
    except ValueError:  # binascii.Error is one
        return None
    return _vacation(found) if isinstance(found, dict) else None


def _vacation(found: Mapping[str, object]) -> Vacation | None:
    values: dict[str, str | None] = {}
    for field in fields(Vacation):
        value = found.get(field.name)
        if value is not None and not isinstance(value, str):
            return None
        values[field.name] = value
    return Vacation(**values)


def _settings(vacation: Vacation) -> list[str]:
    packed = base64.b64encode(json.dumps(asdict(vacation)).encode()).decode()
    return [_MARK + packed[start : start + _WIDTH] for start in range(0, len(packed), _WIDTH)]


def _period(vacation: Vacation) -> list[str]:
    """Tests of the date (RFC 5260 §4.2, §5); ISO 8601 in one zone compares as text, with or without an offset."""
    tests = []
    for operator, moment in (("ge", vacation.from_date), ("lt", vacation.to_date)):
        if moment is not None:
            seconds = moment[: len("2014-10-30T06:12:00")]
            tests.append(f'currentdate :zone "+0000" :value "{operator}" "iso8601" {_quoted(seconds)}')
    return tests


def _action(vacation: Vacation) -> str:
    words = ["vacation"]
    if vacation.subject is not None:
        if any(char in vacation.subject for char in "\r\n"):
            raise InvalidData("a line break in a subject")
        words += [":subject", _quoted(vacation.subject)]
    if vacation.html_body is None:
        words.append(_quoted(_lines(vacation.text_body or _DEFAULT)))
    else:
        text = (
            html_text(vacation.html_body, len(vacation.html_body)) if vacation.text_body is None else vacation.text_body
        )
        words += [":mime", _quoted(_alternatives(text, vacation.html_body))]
    return " ".join(words) + ";"


def _alternatives(text: str, html: str) -> str:
    """A MIME entity (RFC 5230 §4.4) with both bodies."""
    parts = [f'Content-Type: multipart/alternative; boundary="{_BOUNDARY}"', ""]
    for subtype, body in (("plain", text), ("html", html)):
        parts += [
            f"--{_BOUNDARY}",
            f"Content-Type: text/{subtype}; charset=utf-8",
            "Content-Transfer-Encoding: base64",
            "",
            base64.encodebytes(_crlf(body).encode()).decode().rstrip("\n"),
        ]
    return "\n".join([*parts, f"--{_BOUNDARY}--", ""])


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _crlf(text: str) -> str:
    return _lines(text).replace("\n", "\r\n")  # RFC 2046 §4.1.1


def _quoted(text: str) -> str:
    """RFC 5228 §2.4.2: quoted strings hold anything but NUL, with two characters escaped."""
    if "\x00" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise InvalidData("a character that no Sieve script can hold")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
