"""PatchObjects (RFC 8620 §5.3)."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.jmap import checks, patch
from gateway.jmap.errors import SetError
from gateway.jmap.properties import ID, Property, PropertyTable, UnknownReference, Update, reference_ids

TABLE = PropertyTable(
    [
        ID,
        Property("a", checks.anything, omittable=True),
        Property("b", checks.anything, omittable=True),
        Property("d", checks.anything, default="default"),
        Property("must", checks.string),
        Property("born", checks.string, immutable=True),
        Property("size", checks.unsigned_int, server_set=True),
        Property("boxes", checks.map_of(checks.id_, checks.true), default={}, references=reference_ids),
    ]
)
CURRENT = {
    "id": "x",
    "a": {"k": {"m": 1}, "list": [{"n": 1}], "s": "text", "none": None, "~/": {"in": 1}},
    "d": 5,
    "must": "be",
    "born": "1990",
    "size": 3,
    "boxes": {"b1": True},
}


def lookup(creation_id: str) -> str:
    if creation_id != "new":
        raise UnknownReference
    return "b9"


def applied(changes: dict[str, Any]) -> Update:
    before = copy.deepcopy(CURRENT)
    update = patch.apply(TABLE, CURRENT, patch.resolve(TABLE, patch.parse(changes), lookup))
    assert before == CURRENT
    return update


def refused(changes: dict[str, Any]) -> SetError:
    with pytest.raises(SetError) as caught:
        applied(changes)
    return caught.value


def test_values_are_set_and_removed() -> None:
    update = applied({"a/k/m": 2, "a/k/new": [1], "a/s": None, "a/absent": None, "a/~0~1/in": 7, "b": "added"})
    assert update.patched["a"] == {"k": {"m": 2, "new": [1]}, "list": [{"n": 1}], "none": None, "~/": {"in": 7}}
    assert update.patched["b"] == "added"
    assert update.current == {"a": CURRENT["a"]}
    assert update.changed == {"a", "b"}


def test_null_is_the_default_or_removes() -> None:
    update = applied({"d": None, "a": None, "b": None})
    assert update.patched == {"d": "default"}
    assert update.changed == {"a", "d"}  # removing what is not there is a no-op
    assert refused({"must": None}).properties == ["must"]


def test_a_whole_object_is_a_patch_of_itself() -> None:
    assert applied(copy.deepcopy(CURRENT)).changed == frozenset()


def test_server_set_and_immutable_values_may_only_be_repeated() -> None:
    assert applied({"size": 3, "born": "1990", "id": "x"}).changed == frozenset()
    error = refused({"size": 4, "born": "1991", "id": "y", "must": "fine"})
    assert (error.type, error.properties) == ("invalidProperties", ["born", "id", "size"])
    assert refused({"size": True}).properties == ["size"]


def test_wrong_and_unknown_properties_are_all_named() -> None:
    error = refused({"must": 1, "nonsense": 1, "boxes": {"b1": False}, "a": 1})
    assert (error.type, error.properties) == ("invalidProperties", ["boxes", "must", "nonsense"])


@pytest.mark.parametrize(
    "changes",
    [
        {"a/list/0": 1},
        {"a/list/0/n": 1},
        {"a/list/-": 1},
        {"a/s/x": 1},
        {"a/none/x": 1},
        {"a/absent/x": 1},
        {"b/x": 1},
        {"must/0": "x"},
        {"nonsense/x": 1},
        {"a/k": {}, "a/k/m": 1},
        {"a": {}, "a/k/m": 1},
        {"a/k/m": 1, "a/k/m/n": 1, "a/l": 2},
        {"a/~2": 1},
        {"a~": 1},
        {"/a": 1},
        {"a//x": 1},
        {"a/" + "k/" * 5000: 1},
        {"boxes/#new": True, "boxes/b9": None},
    ],
)
def test_what_is_no_patch(changes: dict[str, Any]) -> None:
    assert refused(changes).type == "invalidPatch"


def test_a_prefix_counts_by_token_not_by_letter() -> None:
    assert applied({"a/k": 1, "a/kk": 2, "a/k-": 3}).patched["a"]["kk"] == 2


def test_creation_ids_in_paths_and_values() -> None:
    assert applied({"boxes/#new": True, "boxes/b1": None}).patched["boxes"] == {"b9": True}
    assert applied({"boxes": {"#new": True}}).patched["boxes"] == {"b9": True}
    assert applied({"must": "#new"}).patched["must"] == "#new"  # no id, so no reference
    assert refused({"boxes/#other": True}).properties == ["boxes/#other"]


keys = st.sampled_from(["a", "b", "~", "/", "x/y", ""])
trees = st.recursive(
    st.integers(0, 3) | st.lists(st.integers(0, 1), max_size=2),
    lambda children: st.dictionaries(keys, children, max_size=3),
    max_leaves=8,
)


def model(root: dict[str, Any], changes: list[tuple[list[str], Any]]) -> dict[str, Any] | None:
    """The rules of §5.3 one by one; None where the patch is invalid."""
    paths = [path for path, _ in changes]
    for one in range(len(paths)):
        for other in range(len(paths)):
            if one != other and paths[other][: len(paths[one])] == paths[one]:
                return None
    result = copy.deepcopy(root)
    for path, value in changes:
        parent: Any = result
        for key in path[:-1]:
            if not isinstance(parent, dict) or key not in parent:
                return None
            parent = parent[key]
        if not isinstance(parent, dict):
            return None
        if value is None:
            parent.pop(path[-1], None)
        else:
            parent[path[-1]] = value
    return result


ANYTHING = PropertyTable([ID], dynamic=lambda name: Property(name, checks.anything, omittable=True))


@given(
    st.dictionaries(keys, trees, max_size=3),
    st.lists(st.tuples(st.lists(keys, min_size=1, max_size=3), st.none() | trees), max_size=4),
)
def test_application_is_that_of_the_model(root: dict[str, Any], changes: list[tuple[list[str], Any]]) -> None:
    by_path = {"/".join(k.replace("~", "~0").replace("/", "~1") for k in path): value for path, value in changes}
    distinct = list({tuple(path): (path, value) for path, value in changes}.values())
    expected = model(root, distinct)
    if expected is None:
        with pytest.raises(SetError, match="invalidPatch"):
            patch.apply(ANYTHING, {"id": "x", **root}, patch.parse(by_path))
        return
    update = patch.apply(ANYTHING, {"id": "x", **root}, patch.parse(by_path))
    touched = {path[0] for path, _ in distinct}
    assert update.patched == {name: value for name, value in expected.items() if name in touched}
    assert update.changed == {name for name in touched if expected.get(name) != root.get(name)}
