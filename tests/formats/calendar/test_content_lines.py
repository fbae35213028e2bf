"""The tokenizer and the writer of content lines."""

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.formats import content_lines
from adapters.formats.content_line_heads import _split_outside_quotes, split_line
from adapters.formats.content_line_writer import fold, format_line, serialize
from adapters.formats.content_lines import (
    Component,
    ContentLine,
    ContentLineError,
    Limits,
    parse,
)


def parse_line(text: str) -> ContentLine | None:
    parsed = split_line(text)
    if parsed is None:
        return None
    group, name, parameters, value = parsed
    return ContentLine(name, parameters, value, -1, group)


_printable = st.characters(blacklist_categories=("Cs", "Cc"))
_text = st.text(_printable, max_size=200)
_name = st.from_regex(r"X-[A-Z0-9]{1,8}", fullmatch=True)
_parameter_value = st.text(st.one_of(_printable, st.just("\n")), min_size=1, max_size=40)
_lines = st.builds(
    ContentLine, _name, st.dictionaries(_name, st.lists(_parameter_value, min_size=1).map(tuple), max_size=3), _text
)
_components = st.recursive(
    st.builds(Component, _name, st.lists(_lines, max_size=4)),
    lambda inner: st.builds(Component, _name, st.lists(_lines, max_size=3), st.lists(inner, max_size=2)),
    max_leaves=4,
)


def _plain(component: Component) -> object:
    properties = [(line.name, dict(line.parameters), line.value) for line in component.properties]
    return component.name, properties, [_plain(child) for child in component.components]


@given(_components)
def test_what_is_written_is_read_again(component: Component) -> None:
    document = parse(serialize(component))
    assert [_plain(root) for root in document.components] == [_plain(component)]
    assert document.problems == []


@given(_components)
def test_the_same_from_bytes_with_bare_line_feeds(component: Component) -> None:
    data = serialize(component).replace("\r\n", "\n").encode()
    assert [_plain(root) for root in parse(data).components] == [_plain(component)]


@given(_text)
def test_folds_at_75_octets_between_characters(text: str) -> None:
    lines = fold(text).removesuffix("\r\n").split("\r\n")
    assert all(len(line.encode()) <= 75 for line in lines)
    assert "\r\n ".join([lines[0], *(line[1:] for line in lines[1:])]).replace("\r\n ", "") == text


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused_with_a_line(text: str) -> None:
    with contextlib.suppress(ContentLineError):
        assert len(parse(text).components) <= text.upper().count("BEGIN")


@pytest.mark.parametrize("character", ["\n", "\r", "\0", "\x0b", "\x7f"])
def test_the_writer_refuses_control_characters(character: str) -> None:
    with pytest.raises(ContentLineError):
        format_line(ContentLine("SUMMARY", {}, f"a{character}BEGIN:VEVENT"))
    with pytest.raises(ContentLineError):
        format_line(ContentLine(f"X{character}Y", {}, ""))
    if character != "\n":  # RFC 6868 has a form for it
        with pytest.raises(ContentLineError):
            format_line(ContentLine("X", {"CN": (f"a{character}b",)}, ""))


def test_parameters_are_decoded_and_encoded_as_rfc_6868_says() -> None:
    line = parse_line("ATTENDEE;CN=George Herman ^'Babe^' Ruth;X=a^nb^^c:mailto:babe@example.com")
    assert line is not None
    assert line.parameters == {"CN": ('George Herman "Babe" Ruth',), "X": ("a\nb^c",)}
    assert format_line(line).endswith("CN=George Herman ^'Babe^' Ruth;X=a^nb^^c:mailto:babe@example.com")


@pytest.mark.parametrize(
    ("text", "parameters", "value"),
    [
        ('X;P="a:b;c,d",e:v', {"P": ("a:b;c,d", "e")}, "v"),
        ("DTSTART;VALUE=DATE;:20250101", {"VALUE": ("DATE",)}, "20250101"),
        ("TEL;HOME;VOICE:1", {"TYPE": ("HOME", "VOICE")}, "1"),
        ('X;CN=5" disk:v:w', {"CN": ('5" disk',)}, "v:w"),
        ("X:a:b;c", {}, "a:b;c"),
    ],
)
def test_irregular_lines(text: str, parameters: dict[str, tuple[str, ...]], value: str) -> None:
    line = parse_line(text)
    assert line is not None
    assert (line.parameters, line.value) == (parameters, value)


def test_groups_of_vcards() -> None:
    vcard = parse("BEGIN:VCARD\nitem1.TEL;TYPE=home:+1\nEND:VCARD").components[0]
    assert (vcard.properties[0].group, vcard.properties[0].name) == ("item1", "TEL")
    assert "item1.TEL;TYPE=home:+1" in serialize(vcard)


def test_errors_and_problems_name_the_physical_line() -> None:
    folded = "BEGIN:VCALENDAR\r\nX-A:one\r\n two\r\n three\r\nno property\r\nEND:VCALENDAR\r\n"
    assert [(p.line, p.reason[:11]) for p in parse(folded).problems] == [(5, "no property")]
    with pytest.raises(ContentLineError, match="line 5: unexpected END:VEVENT"):
        parse(folded.replace("no property", "END:VEVENT"))
    with pytest.raises(ContentLineError, match="line 1: BEGIN:VCALENDAR has no END"):
        parse("BEGIN:VCALENDAR\nX:1\n")


def test_quoted_printable_soft_breaks_are_joined() -> None:
    text = "BEGIN:VCALENDAR\nSUMMARY;ENCODING=QUOTED-PRINTABLE:a=\nb\nEND:VCALENDAR"
    assert parse(text).components[0].value("SUMMARY") == "ab"


def test_octets_that_are_not_utf_8_are_read_as_latin_1() -> None:
    document = parse("BEGIN:VCALENDAR\nSUMMARY:Müller\nEND:VCALENDAR".encode("latin-1"))
    assert document.components[0].value("SUMMARY") == "Müller"
    assert [problem.reason for problem in document.problems] == ["not UTF-8: read as Latin-1"]


def test_limits_are_kept() -> None:
    nested = "BEGIN:A\n" * 20 + "END:A\n" * 20
    with pytest.raises(ContentLineError, match="nested deeper"):
        parse(nested)
    with pytest.raises(ContentLineError, match="longer than"):
        parse(nested, Limits(octets=10))
    with pytest.raises(ContentLineError, match="more than 3 lines"):
        parse(nested, Limits(lines=3))


def test_parameters_that_are_repeated_keep_their_values_in_order() -> None:
    for line in ('A;B=1,2;C=x;B=3;B="4;5":v', 'A;;B=1;B=2;C=x;B=3;B="4;5":v'):  # regular, and not
        found = parse_line(line)
        assert found is not None
        assert found.parameters == {"B": ("1", "2", "3", "4;5"), "C": ("x",)}


@given(st.text('a;"', max_size=12))
def test_semicolons_in_quotes_part_nothing(text: str) -> None:
    assert _split_outside_quotes(text) == re.split(r';(?=(?:[^"]*"[^"]*")*[^"]*$)', text)


def test_zones_inside_of_zones_are_as_deep_as_any_component() -> None:
    text = "BEGIN:VCALENDAR\n" + "BEGIN:VTIMEZONE\n" * 2000 + "END:VTIMEZONE\n" * 2000 + "END:VCALENDAR\n"
    with pytest.raises(ContentLineError, match="nested deeper"):
        parse(text)


def test_zones_that_end_elsewhere_are_not_read_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []
    read = content_lines._zone

    def zone_of(text: str) -> Component | None:
        tried.append(text.count("BEGIN"))
        return read(text)

    monkeypatch.setattr(content_lines, "_zone", zone_of)
    odd = "BEGIN:VTIMEZONE\nend:vtimezone\n" * 50
    zone = "BEGIN:VTIMEZONE\nTZID:a\nEND:VTIMEZONE\n"
    (calendar,) = parse(f"BEGIN:VCALENDAR\n{odd}{zone}{zone}{odd}END:VCALENDAR\n").components
    assert len(calendar.components) == 102
    assert tried == [51, 1]
