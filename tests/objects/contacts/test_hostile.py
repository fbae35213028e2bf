"""Whatever a client puts into a card, the stored resource holds one vCard, and it comes back or was refused."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.formats.content_lines import parse
from tests.objects.contacts.harness import Client
from tests.sync.contacts.model import Home

NASTY = (
    "\r\nEND:VCARD\r\nBEGIN:VCARD\r\nFN:x",
    "a\nb",
    "a\rb",
    "\x00",
    "\u2028",
    "\\n\\N\\;",
    "\";:,^'",
    "^n^^",
    "item1.FN:x",
    "é" * 200,
    "",
)
text = st.sampled_from(NASTY) | st.text(max_size=30)
keys = st.from_regex(r"[A-Za-z0-9_-]{1,12}", fullmatch=True)


def maps(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(keys | text, st.fixed_dictionaries(members), min_size=1, max_size=2)


components = st.lists(
    st.fixed_dictionaries({"kind": st.sampled_from(["given", "surname", "credential"]), "value": text}), min_size=1
)
cards = st.fixed_dictionaries(
    {},
    optional={
        "name": st.fixed_dictionaries({"full": text}) | st.fixed_dictionaries({"components": components}),
        "uid": text,
        "language": text,
        "prodId": text,
        "kind": st.just("org") | text,
        "keywords": st.dictionaries(text, st.just(True), min_size=1, max_size=3),
        "emails": maps(address=st.just("a@example.org") | text, label=text),
        "phones": maps(number=text),
        "notes": maps(note=text),
        "organizations": maps(name=text),
        "onlineServices": maps(service=text, user=text),
        "addresses": maps(full=text),
        "links": maps(uri=st.just("https://x.example/a,b;c") | text),
        "example.com:x": text,
        "vCardProps": st.lists(
            st.tuples(st.just("x-own") | text, st.just({}), st.just("unknown") | text, text).map(list), max_size=2
        ),
    },
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(card=cards)
async def test_one_card_comes_back_as_it_was_or_is_refused(card: dict[str, Any]) -> None:
    """Row 22 of the threat model."""
    home = Home()
    home.add_book("work/", "Work")
    client = Client(home)
    answer = await client.call(
        "ContactCard/set", create={"k": {"addressBookIds": {client.book_id("work/"): True}, **card}}
    )
    if answer["notCreated"] is not None:
        assert answer["notCreated"]["k"]["type"] == "invalidProperties"
        assert not home.shelves["work/"].resources
        return
    (resource,) = home.shelves["work/"].resources.values()
    (vcard,) = parse(resource.data).components
    assert (vcard.name, vcard.components) == ("VCARD", [])
    told = answer["created"]["k"]
    shown = await client.card(told["id"])
    known = {**card, **told}
    assert {name: shown.get(name) for name in known if known[name] is not None} == {
        name: value for name, value in known.items() if value is not None
    }


integers = st.integers(-(2**63), 2**64 - 1)  # larger ones have become floats when a request was parsed
words = st.sampled_from(["kind", "components", "uri", "blobId", "date", "full", "titles/t", "de", "@type", "value"])
values = st.recursive(
    st.none() | st.booleans() | integers | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words | keys | text, inner, max_size=3),
)


@settings(max_examples=60, deadline=None)
@given(value=values)
@pytest.mark.parametrize(
    "name",
    [
        *("name", "addresses", "anniversaries", "media", "localizations", "vCardProps", "members", "keywords"),
        *("speakToAs", "organizations", "relatedTo", "created", "example.com:x", "notYetRegistered"),
    ],
)
async def test_values_of_any_kind_are_answered(name: str, value: Any) -> None:
    """A refusal or a card: never an internal fault, and what was stored can be read and changed."""
    home = Home()
    home.add_book("work/", "Work")
    client = Client(home)
    record = {"addressBookIds": {client.book_id("work/"): True}, name: value}
    answer = await client.call("ContactCard/set", create={"k": record})
    if answer["created"] is None:
        assert answer["notCreated"]["k"]["type"] in {"invalidProperties", "blobNotFound"}, answer
        return
    card_id = answer["created"]["k"]["id"]
    await client.card(card_id)
    await client.update(card_id, {"keywords": {"seen": True}})
