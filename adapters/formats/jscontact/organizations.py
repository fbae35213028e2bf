"""ORG, and what groups tie together: the organization of a title, and labels (RFC 9555 §2.9.4, §2.9.6, §2.11.11)."""

import re
from collections import Counter

from adapters.formats.content_lines import ContentLine
from adapters.formats.jscontact.items import read_types, recorded_types, write_types
from adapters.formats.jscontact.jcard import vcard_params
from adapters.formats.jscontact.rows import CONTEXTS, ROWS
from adapters.formats.jscontact.state import Reading, Writing
from adapters.formats.jscontact.structured import split_sort_as, write_sort_as
from adapters.formats.values import JsonObject, read_text, split_raw, write_text

_USED = frozenset({"VALUE", "PROP-ID", "SORT-AS", "TYPE"})
_LABELLED = frozenset(row.path for row in ROWS if row.label)
_OWN_LABEL = re.compile(r"_\$!<(.*)>!\$_")
_APPLE_LABELS = frozenset(
    [
        "Anniversary",
        "Assistant",
        "Brother",
        "Child",
        "Daughter",
        "Father",
        "Friend",
        "Home",
        "HomeFAX",
        "HomePage",
        "iCloud",
        "iPhone",
        "Main",
        "Manager",
        "Mobile",
        "Mother",
        "Other",
        "OtherFAX",
        "Pager",
        "Parent",
        "Partner",
        "School",
        "Sister",
        "Son",
        "Spouse",
        "Work",
        "WorkFAX",
    ]
)
"""Labels that Apple's programs show in the language of the user, marked as such in the text."""


def read_organizations(r: Reading) -> None:
    """ORG to organizations."""
    lines = r.take("ORG")
    r.claim("organizations", lines)
    for line in lines:
        item = organization_of(line)
        if item is None:
            r.keep(line)
        else:
            r.put("organizations", line, item)


def organization_of(line: ContentLine) -> JsonObject | None:
    """The Organization that an ORG is; None where it is empty."""
    name, *units = [read_text(part) for part in split_raw(line.value, ";")]
    while units and not units[-1]:
        units.pop()
    if not name and not units:
        return None
    item: JsonObject = {"name": name} if name else {}
    if units:
        item["units"] = [{"name": unit} for unit in units]
    for text, target in zip(split_sort_as(line), [item, *item.get("units", ())], strict=False):
        if text:
            target["sortAs"] = text
    types = read_types(line, CONTEXTS, item)
    if item.pop("pref", None):  # an Organization has none (RFC 9553 §2.2.3)
        types.append("pref")
    params = vcard_params(line, _USED)
    if types:
        params["type"] = types[0] if len(types) == 1 else types
    return item | ({"vCardParams": params} if params else {})


def write_organizations(w: Writing) -> None:
    """organizations to ORG."""
    for key, given in (w.pop("organizations") or {}).items():
        item = dict(given)
        params = item.pop("vCardParams", None)
        named = [item, *map(dict, item.pop("units", ()))]
        value = ";".join(write_text(part.pop("name", "")) for part in named)
        parameters: dict[str, tuple[str, ...]] = {"PROP-ID": (key,)}
        sort_as = [part.pop("sortAs", "") for part in named]
        while sort_as and not sort_as[-1]:
            sort_as.pop()
        if sort_as:
            parameters["SORT-AS"] = write_sort_as(sort_as)
        types = (*write_types(w, f"organizations/{key}", CONTEXTS, item), *recorded_types(params))
        if types:
            parameters["TYPE"] = types
        w.add(f"organizations/{key}", "ORG", value, parameters, params)
        w.leave_rest(f"organizations/{key}", item)


# -------------------------------------------------------------------------------------------------------- groups


def read_groups(r: Reading) -> None:
    """organizationId of titles, where their group has exactly one ORG; X-ABLABEL, where its group has what takes it."""
    for paths in r.groups.values():
        organizations = [path for path in paths if path.startswith("organizations/")]
        if len(organizations) == 1:
            for path in paths:
                if path.startswith("titles/"):
                    r.item(path)["organizationId"] = organizations[0].partition("/")[2]
    labelled: set[str] = set()
    for line in r.take("X-ABLABEL"):
        group, label = (line.group or "").lower(), _unmarked(read_text(line.value))
        paths = [] if group in labelled else [path for path in r.groups.get(group, ()) if _takes_label(path)]
        labelled.add(group)
        if not paths or not label or line.parameters.keys() - {"VALUE"}:
            r.keep(line)
            continue
        for path in paths:
            r.item(path)["label"] = label
            r.came(line, f"{path}/label")


def _takes_label(path: str) -> bool:
    return path.rpartition("/")[0] in _LABELLED


def _unmarked(label: str) -> str:
    match = _OWN_LABEL.fullmatch(label)
    return match[1] if match and match[1] in _APPLE_LABELS else label


def write_groups(w: Writing) -> None:
    """Put titles into the group of their organization, and what has a label into one with X-ABLABEL."""
    lines = dict(reversed(w.lines))
    names = _Names(w)
    held = dict(w.held)
    for path, line in lines.items():
        if path.startswith("titles/") and path not in held and names.organizations[(line.group or "").lower()] == 1:
            line.group = None  # or a reader would say that the title is held there
    for path, key in held.items():
        _write_held(w, names, lines, path, key)
    for path, label in w.labels:
        line = lines[path]
        if not line.group or names.labels.get(line.group.lower(), label) != label:
            line.group = names.new()
        if line.group.lower() not in names.labels:
            names.labels[line.group.lower()] = label
            text = f"_$!<{label}>!$_" if label in _APPLE_LABELS else label
            w.lines.append((f"{path}/label", ContentLine("X-ABLABEL", {}, write_text(text), group=line.group)))


def _write_held(w: Writing, names: "_Names", lines: dict[str, ContentLine], path: str, key: str) -> None:
    """organizationId: by the group of the ORG, else by JSPROP."""
    title, organization = lines[path], lines.get(f"organizations/{key}")
    if organization is not None and not organization.group and not title.group:
        organization.group = names.new()
        names.organizations[organization.group] = 1
    if (
        organization is None
        or title.group not in {None, organization.group}
        or names.organizations[(organization.group or "").lower()] != 1
    ):
        w.leave(f"{path}/organizationId", key)
    else:
        title.group = organization.group


class _Names:
    """The groups of a card: which labels they have, and names for more."""

    def __init__(self, w: Writing) -> None:
        grouped = [line for line in (*w.kept.values(), *(line for _, line in w.lines)) if line.group]
        self._used = {line.group.lower() for line in grouped if line.group}
        self.organizations = Counter(line.group.lower() for line in grouped if line.group and line.name == "ORG")
        self.labels = {
            line.group.lower(): _unmarked(read_text(line.value))
            for line in w.kept.values()
            if line.name == "X-ABLABEL" and line.group
        }
        self._next = 1

    def new(self) -> str:
        """A name that no line has."""
        while (name := f"item{self._next}") in self._used:
            self._next += 1
        self._used.add(name)
        return name
