"""Properties that a row converts to one object of a map, read and written (RFC 9555 §2)."""

from collections.abc import Iterator

from adapters.formats.content_lines import ContentLine
from adapters.formats.jscontact.jcard import vcard_params
from adapters.formats.jscontact.rows import BY_NAME, BY_PATH, Parameter, Row, TypeTable
from adapters.formats.jscontact.state import Reading, Writing
from adapters.formats.jscontact.values import is_text_value, read_value, write_value
from adapters.formats.pointer import escape
from adapters.formats.values import Json, JsonObject, read_text, split_raw, write_text

_SERVICE_NAMES = {"SERVICE-TYPE": "X-SERVICE-TYPE", "USERNAME": "X-USER"}  # what came before RFC 9554
_PROFILE_NAMES = {"SERVICE-TYPE": "TYPE", "USERNAME": "X-USER"}  # of X-SOCIALPROFILE, Apple's


def read_rows(r: Reading) -> None:
    """Convert every property that has a row; what does not convert is kept."""
    for path, rows in BY_PATH.items():
        lines = [line for row in rows for line in r.take(row.name)]
        if not lines:
            continue
        r.claim(path, lines)
        for line in lines:
            for part in _nicknames(line) if line.name == "NICKNAME" else (line,):
                item = read_item(part)
                if item is None:
                    r.keep(part)
                else:
                    r.put(path, part, item)


def _nicknames(line: ContentLine) -> Iterator[ContentLine]:
    """One line for each of several nicknames; the key that PROP-ID names is the first one's."""
    members = split_raw(line.value)
    yield line if len(members) == 1 else ContentLine(line.name, line.parameters, members[0], line.index, line.group)
    rest = {name: values for name, values in line.parameters.items() if name != "PROP-ID"}
    for member in members[1:]:
        yield ContentLine(line.name, rest, member, line.index, line.group)


def read_item(line: ContentLine) -> JsonObject | None:
    """The object that a property with a row is; None where it does not convert."""
    row = BY_NAME[line.name]
    used = {"VALUE", "PROP-ID", "ENCODING"}
    item: JsonObject = {}
    types = read_types(line, row.types, item)
    try:
        if row.name == "SOCIALPROFILE" and is_text_value(line) and line.value:
            item["user"], media = read_text(line.value), frozenset[str]()
        else:
            item[row.member], media = read_value(line, row.value, types)
    except ValueError:
        return None
    if row.kind:
        item["kind"] = row.kind
    if row.named:
        item["vCardName"] = row.name.lower()
    for parameter in row.parameters:
        used |= _read_parameter(line, parameter, item)
    left = [name for name in types if name not in media]
    if row.name == "X-SOCIALPROFILE" and left:
        item.setdefault("service", left.pop(0))
    params = vcard_params(line, frozenset(used | {"TYPE"}))
    if left:
        params["type"] = left[0] if len(left) == 1 else left
    if params:
        item["vCardParams"] = params
    return item


def read_types(line: ContentLine, table: TypeTable | None, item: JsonObject) -> list[str]:
    """Set what TYPE says in `item` (RFC 9555 §2.3.22; "pref" of vCard 3.0 too); the values that say something else."""
    left = []
    for value in (part.strip() for given in line.parameters.get("TYPE", ()) for part in given.split(",")):
        name = value.lower()
        if table and name in table:
            member, key = table[name]
            item.setdefault(member, {})[key] = True
        elif table and name == "pref" and "PREF" not in line.parameters:
            item["pref"] = 1
        elif value:
            left.append(value)
    return left


def _read_parameter(line: ContentLine, parameter: Parameter, item: JsonObject) -> set[str]:
    """Set what a parameter says; the names of those that are answered for."""
    name = parameter.name
    if name not in line.parameters:
        name = _SERVICE_NAMES.get(name, name)
    values = line.parameters.get(name, ())
    if len(values) != 1 or not values[0]:
        return set()
    try:
        value = parameter.read(values[0])
    except ValueError:
        return set()
    *parents, member = parameter.member.split("/")
    for parent in parents:
        item = item.setdefault(parent, {})
    if member in item:
        return set()
    item[member] = value
    return {name}


# ---------------------------------------------------------------------------------------------------- writing


def write_rows(w: Writing) -> None:
    """Write the objects of every map that has rows; what has no property is left to JSPROP."""
    for path, rows in BY_PATH.items():
        items = _take(w, path)
        for key, item in items.items():
            row = _row(rows, item)
            if row is None or not _write_item(w, row, f"{path}/{key}", dict(item)):
                w.leave(f"{path}/{escape(key)}", item)


def _take(w: Writing, path: str) -> dict[str, JsonObject]:
    first, _, second = path.partition("/")
    if not second:
        return w.pop(first) or {}
    parent = dict(w.js.get(first) or {})
    items = parent.pop(second, None) or {}
    if parent.keys() - {"@type"}:
        w.js[first] = parent
    else:
        w.pop(first)
    return items


def _row(rows: list[Row], item: JsonObject) -> Row | None:
    """The row whose name stands for the kind or the vCardName of an object."""
    named = str(item.get("vCardName", "")).upper()
    for row in rows:
        if row.named and row.name == named and item.get(row.member):
            return row
    kind = item.get("kind", "title" if rows[0].path == "titles" else None)
    return next((row for row in rows if not row.named and row.kind == kind), None)


def _write_item(w: Writing, row: Row, path: str, item: JsonObject) -> bool:
    item.pop("kind", None)
    if row.named:
        item.pop("vCardName", None)
    key = path.rpartition("/")[2]
    params = item.pop("vCardParams", None)
    value = item.pop(row.member, None)
    if value:
        text, parameters = write_value(row.name, value, row.value, w.version)
    elif row.name == "SOCIALPROFILE" and item.get("user"):
        text, parameters = write_text(item.pop("user")), {"VALUE": ("text",)}
    else:
        return False
    head = {"PROP-ID": (key,)} | parameters | _written_parameters(w, row, item)
    types = [*head.get("TYPE", ()), *write_types(w, path, row.types, item), *recorded_types(params)]
    if types:
        head["TYPE"] = tuple(types)
    w.add(path, row.name, text, head, params)
    label = item.pop("label", None) if row.label else None
    if label is not None:
        w.labels.append((path, label))
    if row.path == "titles" and "organizationId" in item:
        w.held.append((path, item.pop("organizationId")))
    w.leave_rest(path, item)
    return True


def _written_parameters(w: Writing, row: Row, item: JsonObject) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for parameter in row.parameters:
        *parents, member = parameter.member.split("/")
        holder = item
        for parent in parents:
            holder = item[parent] = dict(item.get(parent) or {})
        if member not in holder or (member == "pref" and w.version == "3.0" and holder[member] == 1):
            pass
        elif (text := _parameter_text(parameter, holder[member])) is not None:
            found[_parameter_name(w, row, parameter)] = (text,)
            del holder[member]
        for parent in parents:
            if not item[parent].keys() - {"@type"}:
                del item[parent]
    return found


def _parameter_name(w: Writing, row: Row, parameter: Parameter) -> str:
    if row.name == "X-SOCIALPROFILE":
        return _PROFILE_NAMES.get(parameter.name, parameter.name)
    return _SERVICE_NAMES.get(parameter.name, parameter.name) if w.version == "3.0" else parameter.name


def _parameter_text(parameter: Parameter, value: Json) -> str | None:
    try:
        return parameter.write(value)
    except ValueError:
        return None


def write_types(w: Writing, path: str, table: TypeTable | None, item: JsonObject) -> list[str]:
    """The values of TYPE for an object, and what they said taken out of it."""
    names = []
    for name, (member, key) in (table or {}).items():
        if key in item.get(member, ()):
            names.append(name)
            item[member] = {other: flag for other, flag in item[member].items() if other != key}
            w.exist(f"{path}/{member}")
    for member in {member for member, _ in (table or {}).values()} & item.keys():
        if f"{path}/{member}" in w.exists:  # the rest of a set joins what TYPE says of it
            for key in item.pop(member):
                w.leave(f"{path}/{member}/{escape(key)}", True)
    if table and w.version == "3.0" and item.get("pref") == 1:
        names.append("pref")
        del item["pref"]
    return names


def recorded_types(params: Json) -> tuple[str, ...]:
    """The values of TYPE in vCardParams."""
    given = (params or {}).get("type", ())
    return (given,) if isinstance(given, str) else tuple(given)
