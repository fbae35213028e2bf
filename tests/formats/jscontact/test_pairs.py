"""The published pairs: every example of RFC 9555, and calcard's where they follow it."""

import json
import re
from itertools import pairwise
from typing import Any

import pytest

from adapters.formats.content_lines import ContentLine
from adapters.formats.jscontact.read import read_cards
from adapters.formats.jscontact.shape import faults
from adapters.formats.jscontact.stream import read_stream
from adapters.formats.jscontact.write import write_card
from tests.formats.jscontact.corpus import card, missing, pairs, vcard

FIGURES = {case["id"]: case for case in pairs("rfc9555-figures.jsonl")}
CALCARD = {case["id"]: case for case in pairs("calcard-jscontact.jsonl")}


def _fragment(text: str) -> dict[str, Any]:
    """Members of a Card, as the pairs write them: without braces, with dots for what is left out."""
    text = re.sub(r"^\s*\.\.\.\s*$", "", text, flags=re.MULTILINE)
    text = re.sub(r",(\s*[}\]])", r"\1", text.strip().rstrip(","))
    value: dict[str, Any] = json.loads(text if text.startswith("{") else "{" + text + "}")
    return value


def _card(text: str) -> dict[str, Any]:
    return {"@type": "Card", "version": "1.0", "uid": "u", **_fragment(text)}


def _lines(data: bytes) -> list[ContentLine]:
    return read_stream(data)[0][0].lines


def _said(data: bytes) -> set[tuple[str, str, frozenset[tuple[str, tuple[str, ...]]]]]:
    """What lines say, without what a writer makes up: uid, keys, groups, order of components."""
    return {
        (
            line.name,
            line.value.rstrip(";"),
            frozenset(
                (name, tuple(sorted(value.lower() for given in values for value in given.split(","))))
                for name, values in line.parameters.items()
                if name not in _FREE
            ),
        )
        for line in _lines(data)
        if line.name not in {"UID", "FN"}
    }


_FREE = {"PROP-ID", "ALTID", "JSCOMPS", "VALUE"}

# what the figures show otherwise than the text of an RFC says
FIGURE_NOT_READ = {
    "notes_conversion": "the figure is folded with two spaces, of which RFC 6350 §3.2 takes one away",
    "vcard-param-jscomps-example-separator": "number and name are in each other's place of RFC 9554 §2.1",
}
FIGURE_NOT_WRITTEN = {
    **FIGURE_NOT_READ,
    "grammatical_gender_pronouns_conversion": "RFC 9554 §3.2 has the value in lower case",
    "language-patch-dominant-language": "LANGUAGE of the card says it for lines without the parameter",
    "phonetic_conversion": "the same",
    "propid_conversion": "the figure is folded before the colon, with one space too many",
}
# what calcard does otherwise than the text of an RFC says, or the RFC leaves open
CALCARD_NOT_READ = {
    "003_names#003 RFC9555 JSCOMPS #1": "an FN that says it is derived need not convert (RFC 9555 §2.3.7)",
    "003_names#004 RFC9555 JSCOMPS #2": "the same",
    "005_address#001 RFC9555 GEO TZ": "coordinates are a geo: URI (RFC 9553 §2.5.1.1)",
    "005_address#003 ADR with GEO and TZ parameters": "the same; timeZone is a name of the IANA database",
    "005_address#004 ADR with GEO and TZ parameters and properties": "the same",
    "013_localizations#004 PRONOUNS with localizations": "a patch only says what differs",
    "014_rfc9553#031 RFC9553 name and localizations #1": "PHONETIC becomes phonetic (RFC 9555 §2.3.15, Figure 5)",
    "015_rfc6350#005 RFC6350 TITLE ALTID #4": "titles that are no alternatives say nothing of the card's language",
    "015_rfc6350#006 RFC6350 TITLE ALTID #5": "the same",
    "017_rfc9554#007 RFC9554 PRONOUNS": "the same, of pronouns",
    "017_rfc9554#014 RFC9554 N ALTID": "PHONETIC becomes phonetic (RFC 9555 §2.3.15, Figure 5); zh-Hant keeps its case",
}
_JOINED = "the street is one text (RFC 9555 Figure 15), not a list"
CALCARD_NOT_WRITTEN = {
    "003_names#004 RFC9555 JSCOMPS #2": "the generation stands before the credentials, as in RFC 9555 Figure 52",
    "005_address#002 RFC9555 JSCOMPS": _JOINED,
    "013_localizations#006 ADR with partial patch localizations": "phonetic without a system is not valid: JSPROP",
    "014_rfc9553#001 RFC9553 kind": "RFC 6350 §6.1.4 has the value in lower case",
    "014_rfc9553#003 RFC9553 members": "the same",
    "014_rfc9553#015 RFC9553 speakToAs": "RFC 9554 §3.2 has the value in lower case",
    "014_rfc9553#016 RFC9553 titles and organizations": "a group ties title and organization (RFC 9555 §2.9.6)",
    "014_rfc9553#023 RFC9553 addresses #1": _JOINED,
    "014_rfc9553#024 RFC9553 addresses #2": _JOINED,
    "014_rfc9553#025 RFC9553 addresses #3": _JOINED,
    "014_rfc9553#035 RFC9553 keywords": "keywords keep their order",
}


@pytest.mark.parametrize("case", [case for case in FIGURES if case not in FIGURE_NOT_READ])
def test_the_figure_converts_to_jscontact(case: str) -> None:
    assert missing(_fragment(FIGURES[case]["jscontact"]), card(FIGURES[case]["vcard"])) == []


@pytest.mark.parametrize("case", [case for case in FIGURES if case not in FIGURE_NOT_WRITTEN])
def test_the_figure_converts_to_vcard(case: str) -> None:
    js = _card(FIGURES[case]["jscontact"])
    assert _said(vcard(FIGURES[case]["vcard"])) - _said(write_card(js)) == set()


@pytest.mark.parametrize("case", FIGURES)
def test_the_figure_comes_back_unchanged(case: str) -> None:
    js = card(FIGURES[case]["vcard"])
    (again,) = read_cards(write_card(js))
    assert missing(js, again) + missing(again, js) == []


def _calcard(text: str) -> dict[str, Any]:
    """What calcard keeps in a member `vCard` of its own is in vCardProps by RFC 9555 §2.15.1; the rest of it is not."""
    value = _fragment(text)
    value.pop("vCard", None)
    return value


def _is_json(text: str) -> bool:
    return text.lstrip().startswith(("{", '"'))


@pytest.mark.parametrize("case", [case for case in CALCARD if case not in CALCARD_NOT_READ])
def test_calcards_example_converts_to_jscontact(case: str) -> None:
    for source, target in pairwise(step["text"] for step in CALCARD[case]["steps"]):
        if not _is_json(source) and _is_json(target):
            assert missing(_calcard(target), card(source)) == []


@pytest.mark.parametrize("case", [case for case in CALCARD if case not in CALCARD_NOT_WRITTEN])
def test_calcards_example_converts_to_vcard(case: str) -> None:
    source, target = (step["text"] for step in CALCARD[case]["steps"][:2])
    if _is_json(source):
        js = _card(source)
        assert faults(js) == []
        assert _said(vcard(target)) - _said(write_card(js)) == set()


def test_every_exception_is_a_case() -> None:
    assert FIGURE_NOT_WRITTEN.keys() <= FIGURES.keys()
    assert CALCARD_NOT_READ.keys() | CALCARD_NOT_WRITTEN.keys() <= CALCARD.keys()
