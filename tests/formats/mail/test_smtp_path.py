"""Envelope addresses and parameters: what stands in a command is what was given, or nothing does (RFC 5321 §4.1.2)."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.errors import InvalidData
from adapters.formats.smtp_path import parameter, path

ANY = st.text(max_size=30) | st.text('a@b.\r\n\0 <>"\\=+;:é\u2028', max_size=20)
ADDRESSES = ANY | st.builds("{}@{}".format, ANY, ANY)
NAMES = ANY | st.sampled_from(["RET", "ENVID", "NOTIFY", "ORCPT", "HOLDFOR", "by"])
VALUES = st.none() | ANY | st.sampled_from(["rfc822;a+b@c d", "FULL", "a b=c+d"])
_XTEXT = re.compile(r"\+([0-9A-F]{2})")


@settings(max_examples=500)
@given(ADDRESSES, st.dictionaries(NAMES, VALUES, max_size=2))
def test_nothing_leaves_its_place(email: str, parameters: dict[str, str | None]) -> None:
    """Row 18 of the threat model: one line, one path, the parameters that were given and no other."""
    try:
        octets = path(email, parameters)
    except InvalidData:
        return
    text = octets.decode()
    assert not re.search(r"[\r\n\0]", text)
    assert text.startswith(f"<{email}>")
    words = text.removeprefix(f"<{email}>").split(" ")[1:]
    assert len(words) == len(parameters)
    for word, (name, value) in zip(words, parameters.items(), strict=True):
        told, _, encoded = word.partition("=")
        assert told == name.upper()
        assert (value is None) is ("=" not in word)
        decoded = _XTEXT.sub(lambda found: chr(int(found[1], 16)), encoded)
        assert (value or "") in {encoded, decoded}


@settings(max_examples=300)
@given(ADDRESSES)
def test_an_address_ends_where_it_ends(email: str) -> None:
    """Row 18: no space outside of quotes, no ">", and a reader finds its "@"."""
    try:
        text = path(email, {}).decode()[1:-1]
    except InvalidData:
        return
    if text:
        local, _, domain = text.rpartition("@")
        assert local
        assert re.fullmatch(r"[^\s<>@\"]+", domain)
        assert local.startswith('"') or not re.search(r"[\s<>@\"]", local)


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Cn", "Zl", "Zp"]), min_size=1, max_size=40))
def test_addresses_that_are_not_ascii_come_back(value: str) -> None:
    r"""RFC 6533 §3: \x{HEX} for what xtext cannot carry."""
    encoded = parameter("ORCPT", f"utf-8;{value}").removeprefix("ORCPT=utf-8;")
    assert re.fullmatch(r"[!-*,-<>-~]+", encoded)
    assert re.sub(r"\\x\{([0-9A-F]+)\}", lambda found: chr(int(found[1], 16)), encoded) == value


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=40))
def test_xtext_comes_back(value: str) -> None:
    """RFC 3461 §4."""
    encoded = parameter("ENVID", value).removeprefix("ENVID=")
    assert re.fullmatch(r"[!-<>-~]+", encoded)
    assert _XTEXT.sub(lambda found: chr(int(found[1], 16)), encoded) == value
