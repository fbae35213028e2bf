"""PatchObjects (jscalendarbis §1.5.9): apply one, and make the one that leads from an object to another."""

from itertools import pairwise

from adapters.formats.values import Json, JsonObject


class InvalidPatch(ValueError):
    """A patch of the PatchObject is not valid; none of it was applied."""


def escape(token: str) -> str:
    """A reference token as it stands in a JSON pointer (RFC 6901 §3)."""
    return token.replace("~", "~0").replace("/", "~1") if "~" in token or "/" in token else token


def unescape(token: str) -> str:
    """The reverse."""
    return token.replace("~1", "/").replace("~0", "~") if "~" in token else token


def tokens(pointer: str) -> list[str]:
    """The reference tokens of a PatchObject key."""
    return [unescape(token) for token in pointer.split("/")]


def apply_patch(target: JsonObject, patch: JsonObject) -> JsonObject:
    """A patched copy of `target`. Raises `InvalidPatch` if any patch is invalid; then nothing was applied."""
    return patched(copied(target), patch)


def patched(target: JsonObject, patch: JsonObject) -> JsonObject:
    """`target` itself, patched. Raises `InvalidPatch` if any patch is invalid; then some may have been applied."""
    pointers = sorted(patch)
    for first, second in pairwise(pointers):
        if second.startswith(first + "/"):
            raise InvalidPatch(f"{first!r} is a prefix of {second!r}")
    for pointer, value in patch.items():
        set_pointer(target, pointer, copied(value))
    return target


def copied(value: Json) -> Json:
    """A copy that shares nothing that can change; JSON needs none of the bookkeeping of `copy.deepcopy`."""
    if isinstance(value, dict):
        return {key: copied(member) for key, member in value.items()}
    return [copied(item) for item in value] if isinstance(value, list) else value


def set_pointer(target: JsonObject, pointer: str, value: Json) -> None:
    """Apply one patch in place; None removes. Raises `InvalidPatch` where a parent does not exist."""
    *parents, last = tokens(pointer)
    node: Json = target
    for token in parents:
        node = _step(node, token, pointer)
    if isinstance(node, dict):
        if value is None:
            node.pop(last, None)
        else:
            node[last] = value
    elif isinstance(node, list) and _is_index(last, node) and value is not None:
        node[int(last)] = value
    else:
        raise InvalidPatch(f"{pointer!r} points nowhere")


def _step(node: Json, token: str, pointer: str) -> Json:
    if isinstance(node, dict) and token in node:
        return node[token]
    if isinstance(node, list) and _is_index(token, node):
        return node[int(token)]
    raise InvalidPatch(f"{pointer!r} points nowhere")


def _is_index(token: str, node: list[Json]) -> bool:
    """Whether a token names an element that is there (RFC 6901 §4)."""
    return token.isascii() and token.isdigit() and len(token) < 10 and int(token) < len(node)


def get_pointer(target: JsonObject, pointer: str) -> Json:
    """The value at a pointer, None where there is none."""
    node: Json = target
    try:
        for token in tokens(pointer):
            node = _step(node, token, pointer)
    except InvalidPatch:
        return None
    return node


def make_patch(old: JsonObject, new: JsonObject, prefix: str = "") -> JsonObject:
    """The smallest PatchObject that turns `old` into `new`; arrays are replaced whole."""
    patch: JsonObject = {}
    for key in old.keys() - new.keys():
        patch[prefix + escape(key)] = None
    for key, value in new.items():
        path = prefix + escape(key)
        before = old.get(key)
        if key not in old or type(before) is not type(value):
            patch[path] = value
        elif isinstance(value, dict) and value and before:
            patch.update(make_patch(before, value, path + "/"))
        elif before != value:
            patch[path] = value
    return patch
