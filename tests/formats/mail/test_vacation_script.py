"""VacationResponse as a Sieve script and back (trust row 20: the text round-trips exactly and cannot break out)."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.errors import InvalidData
from adapters.formats.vacation_script import Vacation, read, write

HOSTILE = [
    ".\r\n..\r\n",
    '"; discard; "',
    "text:\n.\n",
    "\\",
    '\\"',
    "${x}",
    "--=_vacation--\n",
    "\n#vacation1: e30=\n",
    "\x85#vacation1: e30=",
]
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=300)
TEXT |= st.sampled_from(HOSTILE)
SUBJECT = TEXT.map(lambda text: text.replace("\r", "").replace("\n", ""))
DATES = st.none() | st.sampled_from(["2026-07-01T00:00:00Z", "2026-07-01T10:11:12.5Z"])


def vacations() -> st.SearchStrategy[Vacation]:
    optional = st.none() | TEXT
    return st.builds(Vacation, DATES, DATES, st.none() | SUBJECT, optional, optional, st.none() | SUBJECT)


def code(script: bytes) -> tuple[str, list[str]]:
    """The script without comments and with `S` for each string, and the strings: a reader of RFC 5228 §2.4.2."""
    body = script.decode().partition("\nrequire ")[2]
    strings: list[str] = []

    def take(match: re.Match[str]) -> str:
        strings.append(re.sub(r"\\(.)", r"\1", match[1], flags=re.DOTALL))
        return "S"

    return re.sub(r'"((?:[^"\\]|\\.)*)"', take, body, flags=re.DOTALL), strings


@given(vacations())
def test_what_was_written_is_read_back(vacation: Vacation) -> None:
    """Row 20 of the threat model."""
    assert read(write(vacation)) == vacation


@given(vacations())
def test_no_text_leaves_its_string(vacation: Vacation) -> None:
    """Row 20 of the threat model."""
    bare, strings = code(write(vacation))
    allowed = r"\[S(, S)*\];\r\n(if allof \(true(, currentdate :zone S :value S S S)+\) \{\r\n)?"
    allowed += r"vacation( :subject S)?( :mime)? S;\r\n(\}\r\n)?(include :personal :optional S;\r\n)?"
    assert re.fullmatch(allowed, bare), bare
    if vacation.subject is not None:
        assert vacation.subject in strings
    if vacation.includes is not None:
        assert strings[-1] == vacation.includes


@pytest.mark.parametrize(
    "bad", [Vacation(subject="a\r\nBcc: b"), Vacation(text_body="a\x00b"), Vacation(subject="\x00")]
)
def test_what_no_script_can_hold_is_refused(bad: Vacation) -> None:
    with pytest.raises(InvalidData):
        write(bad)


@pytest.mark.parametrize(
    "script",
    [
        b"",
        b"keep;\r\n",
        b"# VacationResponse of jmap-gateway: changed by VacationResponse/set only.\r\n#vacation1: !\r\n",
        b"# VacationResponse of jmap-gateway: changed by VacationResponse/set only.\r\n#vacation1: WzFd\r\n",
        b"\xff\xfe",
    ],
)
def test_scripts_of_others_hold_no_settings(script: bytes) -> None:
    assert read(script) is None
