"""FN and N, with SORT-AS, JSCOMPS and the phonetic form (RFC 9555 §2.5.2, §2.5.5, §2.3.15, §2.3.21)."""

from adapters.formats.content_lines import ContentLine
from adapters.formats.jscontact.jcard import vcard_params
from adapters.formats.jscontact.phonetics import take_components, write_phonetic
from adapters.formats.jscontact.state import NOWHERE, Reading, Writing
from adapters.formats.jscontact.structured import (
    NAME_KINDS,
    Placed,
    Structure,
    joined,
    read_name,
    split_sort_as,
    write_name,
    write_sort_as,
)
from adapters.formats.values import Json, JsonObject, read_text, write_text

_USED_BY_N = frozenset({"VALUE", "PROP-ID", "JSCOMPS", "SORT-AS"})
_USED_BY_FN = frozenset({"VALUE", "PROP-ID", "PHONETIC", "SCRIPT"})  # the latter say nothing of a text


def read_names(r: Reading) -> None:
    """N and FN to name. Of several, N takes the first and FN that with the fewest parameters; others are kept."""
    name: JsonObject = {}
    for line in r.take("N"):
        structure = None if "components" in name else read_name(line)
        if structure is None:
            _keep(r, line, name)
        else:
            name |= components_of(line, structure)
            r.structures["name"] = structure
            r.came(line, "name/components")
    full = sorted(r.take("FN"), key=lambda line: len(line.parameters))
    for n, line in enumerate(full):
        if n or _is_derived(line, name):
            if n:
                r.keep(line)
            else:
                r.came(line, "name/full")  # §2.3.7: what says that it is derived says nothing
            continue
        r.came(line, "name/full")
        item = full_of(line)
        params = {**item.pop("vCardParams", {}), **name.get("vCardParams", {})}
        name |= item | ({"vCardParams": params} if params else {})
    if name.keys() - {"vCardParams"}:
        r.js["name"] = name


def _keep(r: Reading, line: ContentLine, name: JsonObject) -> None:
    """An N that says nothing is what vCard 3.0 demands of a card without components (RFC 2426 §3.1.2)."""
    if "components" not in name and not line.value.strip(";, ") and not line.parameters and not line.group:
        r.came(line, "name/components")
    else:
        r.keep(line)


def _is_derived(line: ContentLine, name: JsonObject) -> bool:
    derived = (line.parameter("DERIVED") or "").lower() == "true"
    return (derived and "components" in name) or not read_text(line.value).strip()


def components_of(line: ContentLine, structure: Structure) -> JsonObject:
    """The members of a Name that an N is."""
    item = structure.members()
    sort_as = {kind: text for kind, text in zip(NAME_KINDS, split_sort_as(line), strict=False) if text}
    if sort_as:
        item["sortAs"] = sort_as
    return _with_params(item, vcard_params(line, _USED_BY_N))


def full_of(line: ContentLine) -> JsonObject:
    """The members of a Name that an FN is."""
    return _with_params({"full": read_text(line.value)}, vcard_params(line, _USED_BY_FN))


def _with_params(item: JsonObject, params: JsonObject) -> JsonObject:
    return item | ({"vCardParams": params} if params else {})


# ---------------------------------------------------------------------------------------------------- writing


def write_names(w: Writing) -> None:
    """name to FN and N; both versions demand FN, vCard 3.0 N too (RFC 9555 §3.1, RFC 2426 §3.1)."""
    name = dict(w.pop("name") or {})
    whole = dict(name)
    params = name.pop("vCardParams", None)
    full, components = name.pop("full", None), name.get("components")
    of_full = params
    if components and params:  # of both FN and N; LANGUAGE is rather said of N alone, as Outlook does
        of_full = {key: value for key, value in params.items() if key != "language"}
    if full is not None:
        w.add("name/full", "FN", write_text(full), {}, of_full)
    elif components:
        w.add("name/full", "FN", write_text(joined(components, name)), {"DERIVED": ("TRUE",)}, of_full, "name")
    elif all(line.name != "FN" for line in w.kept.values()):
        w.add("name/full", "FN", "", target=NOWHERE)
    written = write_name(name) if components else None
    if written is not None:
        _write_components(w, name, written, params)
        w.leave_rest("name", name)
    elif components and full is None:
        w.leave("name", whole)
    else:
        w.leave_rest("name", name)
    if written is None and w.version == "3.0" and all(line.name != "N" for line in w.kept.values()):
        w.add("name/components", "N", ";;;;", target=NOWHERE)


def _write_components(w: Writing, name: JsonObject, written: Placed, params: Json) -> None:
    parameters = {}
    sort_as = name.get("sortAs")
    if sort_as and sort_as.keys() <= set(NAME_KINDS) and any(sort_as.values()):
        texts = [sort_as.get(kind, "") for kind in NAME_KINDS]
        while not texts[-1]:
            texts.pop()
        parameters["SORT-AS"] = write_sort_as(texts)
        del name["sortAs"]
    if written.jscomps is not None:
        parameters["JSCOMPS"] = (written.jscomps,)
    line = w.add("name/components", "N", written.value, parameters, params)
    if w.version != "3.0":  # which has N once (RFC 2426 §3.1.2)
        write_phonetic(w, "name", line, name, written)
    take_components(w, "name", name, written)
