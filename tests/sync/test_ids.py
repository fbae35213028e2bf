"""Ids: derived, legal, reversible."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sync import ids
from gateway.sync.emails import Emails
from gateway.sync.hash_index import HashIndex


@given(st.binary(min_size=16, max_size=16))
def test_text_and_back(digest: bytes) -> None:
    text = ids.to_text("m", digest)
    assert re.fullmatch(r"m[0-9a-v]{26}", text)  # RFC 8620 §1.2: a legal Id that begins with a letter
    assert ids.from_text("m", text) == digest
    assert ids.from_text("t", text) is None


@given(st.text(max_size=30))
def test_what_is_no_id_is_refused(text: str) -> None:
    digest = ids.from_text("m", text)
    assert digest is None or ids.to_text("m", digest) == text


@pytest.mark.parametrize(
    "text", ["m" + "v" * 26, "m" + "_" * 26, "m+" + "0" * 25, "m" + "A" * 26, "m", "", "m" + "٣" * 26]
)
def test_other_spellings_of_numbers_are_refused(text: str) -> None:
    assert ids.from_text("m", text) is None


def test_namespace_and_source_count() -> None:
    made = {
        ids.email_id("one", "emailid", b"x"),
        ids.email_id("two", "emailid", b"x"),
        ids.email_id("one", "x-guid", b"x"),
        ids.email_id("one", "x-guid", b"y"),
    }
    assert len(made) == 4
    assert ids.email_id("one", "emailid", b"x") in made


@pytest.mark.parametrize(
    ("native", "valid"),
    [
        (b"M0123abc", True),
        (b"1795376033.M32442P11700.vm,S=127,W=134", True),
        (b"M\x16.:.V", False),
        (b"", False),
        (b"a b", False),
        (b"x" * 256, False),
    ],
)
def test_native_ids_are_validated(native: bytes, valid: bool) -> None:
    assert ids.valid_native(native) is valid


@given(st.lists(st.tuples(st.integers(0, 2**64 - 1) | st.integers(0, 3), st.integers(0, 2**32 - 1))))
def test_hash_index_is_a_multimap(entries: list[tuple[int, int]]) -> None:
    index = HashIndex()
    expected: dict[int, list[int]] = {}
    for at, (key, number) in enumerate(entries):
        if at == len(entries) // 2:
            before = index
            frozen = {key: before.find(key) for key in expected}
            index = index.fork()
        index.add(key, number)
        expected.setdefault(key, []).append(number)
    for key, numbers in expected.items():
        assert index.find(key) == numbers
        assert index.get(key) == numbers[0] == index.setdefault(key, 7)
    assert len(index) == len(entries)
    absent = next(key for key in range(len(entries) + 1) if key not in expected)
    assert index.get(absent) is None
    fork = index.fork()
    assert (fork.setdefault(absent, 7), fork.get(absent), index.get(absent)) == (7, 7, None)
    if entries:
        assert all(before.find(key) == numbers for key, numbers in frozen.items())


def test_ids_of_accounts_do_not_meet() -> None:
    """An account is the same for all who see it; what each sees of it is his own."""
    found = {
        ids.account_id("imap", "bob"),
        ids.account_id("imap", "bob/"),
        ids.account_id("other", "bob"),
        ids.shared_account_id("imap", "bob"),
        ids.view_id("aalice", "abob"),
        ids.view_id("acarol", "abob"),
        ids.view_id("abob", "aalice"),
    }
    assert len(found) == 7


def test_rows_are_told_apart_where_digests_have_the_same_key() -> None:
    emails, same = Emails(), b"\x01" * 8
    digests = [same + bytes([number]) * 8 for number in range(3)]
    for row, digest in enumerate(digests):
        emails.digests += digest
        emails.by_digest.add(ids.key_of(digest), row)
    assert [emails.find(digest) for digest in digests] == [0, 1, 2]
    assert emails.find(same + b"\xff" * 8) is None
    assert emails.find(b"\x02" * 16) is None
