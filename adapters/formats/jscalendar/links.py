"""Links, virtual locations, relations and descriptions: the collections that several components share.

draft-ietf-calext-jscalendar-icalendar-25 §2.3.3, §2.3.10, §2.3.13, §2.3.22, §2.3.24, §2.3.35, §2.3.41, §2.3.46, §3.4.
"""

import html
import re

from adapters.formats.content_lines import ContentLine
from adapters.formats.jscalendar.state import Reading, Writing
from adapters.formats.keys import property_key, value_key
from adapters.formats.pointer import escape
from adapters.formats.values import JsonObject, read_text, write_text, write_verbatim

# ------------------------------------------------------------------------------------------------------ links

_LINK_RELS = {"ATTACH": "enclosure", "IMAGE": "icon", "URL": "describedby"}
_LINK_PROPERTIES = ("ATTACH", "IMAGE", "LINK", "URL")
_TITLE_PARAMETER = {"ATTACH": "FILENAME", "IMAGE": "FILENAME", "LINK": "LABEL", "URL": "LABEL"}  # §3.4
_BINARY_HREF = re.compile(r"data:([\w.+-]+/[\w.+-]+)?;base64,([A-Za-z0-9+/]+=*)")


def read_links(r: Reading) -> None:
    """ATTACH, IMAGE, LINK and URL to Link objects."""
    for name in _LINK_PROPERTIES:
        for line in r.take(name):
            _read_link(r, line)


def _read_link(r: Reading, line: ContentLine) -> None:
    href = _read_href(line)
    if href is None:
        r.kept.append(line)
        return
    link: JsonObject = {"@type": "Link", "href": href}
    used = {"JSID", "VALUE", "ENCODING"} | _read_link_parameters(line, link)
    if line.name != "LINK":
        link["rel"] = _LINK_RELS[line.name]
    links = r.js.setdefault("links", {})
    key = property_key(line.value, line.parameter("JSID"), links)
    links[key] = link
    url_free = not any(other.get("rel") == "describedby" for name, other in links.items() if name != key)
    unusual = _link_property(link, url_free=url_free) != line.name
    r.mark(f"links/{key}/href", line, frozenset(used), always=unusual)


def _read_href(line: ContentLine) -> str | None:
    """The href of a link property; None where its value type has no equivalent (REFERENCE, XML, UID, TEXT)."""
    value_type = (line.parameter("VALUE") or "URI").upper()
    if value_type == "BINARY" or (line.parameter("ENCODING") or "").upper() in {"BASE64", "B"}:
        href = f"data:{line.parameter('FMTTYPE') or ''};base64,{line.value}"
        return href if _BINARY_HREF.fullmatch(href) else None
    return line.value if value_type == "URI" else None


def _read_link_parameters(line: ContentLine, link: JsonObject) -> set[str]:
    used = set()
    parameters = line.parameters
    title = _TITLE_PARAMETER[line.name]
    for name, path in (("FMTTYPE", "contentType"), (title, "title"), ("LINKREL", "rel")):
        if len(parameters.get(name, ())) == 1 and (name != "LINKREL" or line.name == "LINK"):
            link[path] = parameters[name][0]
            used.add(name)
    if line.name in {"ATTACH", "IMAGE"} and (size := line.parameter("SIZE") or "").isdecimal():
        link["size"] = int(size)
        used.add("SIZE")
    if line.name == "IMAGE" and "DISPLAY" in parameters:
        link["display"] = {value.lower(): True for value in parameters["DISPLAY"]}
        used.add("DISPLAY")
    return used


def _link_property(link: JsonObject, *, url_free: bool) -> str:
    """Which property a Link becomes (§3.4, the first matching criterion)."""
    match link.get("rel"):
        case "enclosure":
            return "ATTACH"
        case "icon":
            return "IMAGE"
        case "describedby" if url_free:
            return "URL"
    return "LINK"


def write_links(w: Writing) -> None:
    """Link objects to ATTACH, IMAGE, LINK and URL."""
    for key, link in _objects(w, "links"):
        if not isinstance(link.get("href"), str):
            w.point(f"links/{escape(key)}", {"@type": "Link", **link})
            continue
        path = f"links/{key}/href"
        recorded = (w.source(path) or "").upper()
        url_free = not any(line.name == "URL" for line in w.lines)
        name = recorded if recorded in _LINK_PROPERTIES else _link_property(link, url_free=url_free)
        if name in _LINK_RELS and link.get("rel") != _LINK_RELS[name]:
            name = _link_property(link, url_free=url_free)  # the client changed the relation
        _write_link(w, key, link, name)


def _write_link(w: Writing, key: str, link: JsonObject, name: str) -> None:
    rest = {member: value for member, value in link.items() if member not in {"@type", "href"}}
    parameters: dict[str, tuple[str, ...]] = {}
    href, rel = link["href"], rest.pop("rel", None)
    binary = _BINARY_HREF.fullmatch(href) if name in {"ATTACH", "IMAGE"} else None
    if binary and (binary[1] or None) == link.get("contentType"):
        parameters |= {"ENCODING": ("BASE64",), "VALUE": ("BINARY",)}
        href = binary[2]
    elif name in {"LINK", "IMAGE"}:
        parameters["VALUE"] = ("URI",)
    if name == "LINK" and isinstance(rel, str):
        parameters["LINKREL"] = (rel,)
    for member, parameter in (("contentType", "FMTTYPE"), ("title", _TITLE_PARAMETER[name])):
        if isinstance(rest.get(member), str):
            parameters[parameter] = (rest.pop(member),)
    if name in {"ATTACH", "IMAGE"} and isinstance(rest.get("size"), int):
        parameters["SIZE"] = (str(rest.pop("size")),)
    if name == "IMAGE" and isinstance(rest.get("display"), dict) and rest["display"]:
        parameters["DISPLAY"] = tuple(value.upper() for value in rest.pop("display"))
    path = f"links/{escape(key)}"
    w.point_rest(path, rest)
    _add_keyed(w, name, write_verbatim(href), parameters, key, f"{path}/href")


def _add_keyed(w: Writing, name: str, raw: str, parameters: dict[str, tuple[str, ...]], key: str, path: str) -> None:
    """Add a property that stands for an entry of a map, with JSID where its key would not come back by itself."""
    if value_key(raw) != key or key in w.pinned:
        parameters = {"JSID": (key,), **parameters}
    w.add(name, raw, parameters, path)


def _objects(w: Writing, member: str) -> list[tuple[str, JsonObject]]:
    """The entries of a map of objects; a member that is none is left to JSPROP as a whole."""
    value = w.left.get(member)
    if not isinstance(value, dict) or not all(isinstance(item, dict) for item in value.values()):
        return []
    del w.left[member]
    return list(value.items())


# ------------------------------------------------------------------------------------------ virtual locations


def read_conferences(r: Reading) -> None:
    """CONFERENCE to VirtualLocation objects."""
    for line in r.take("CONFERENCE"):
        virtual: JsonObject = {"@type": "VirtualLocation", "uri": line.value}
        used = {"JSID", "VALUE"}
        if label := line.parameter("LABEL"):
            virtual["name"] = label
            used.add("LABEL")
        if features := line.parameters.get("FEATURE"):
            # RFC 7986 §6.3: no comma stands within a feature, whatever is quoted
            virtual["features"] = {feature.lower(): True for quoted in features for feature in quoted.split(",")}
            used.add("FEATURE")
        found = r.js.setdefault("virtualLocations", {})
        key = property_key(line.value, line.parameter("JSID"), found)
        found[key] = virtual
        r.mark(f"virtualLocations/{key}/uri", line, frozenset(used))


def write_conferences(w: Writing) -> None:
    """VirtualLocation objects to CONFERENCE (§3.7)."""
    for key, virtual in _objects(w, "virtualLocations"):
        path = f"virtualLocations/{escape(key)}"
        rest = {member: value for member, value in virtual.items() if member != "@type"}
        uri = rest.pop("uri", None)
        if not isinstance(uri, str):
            w.point(path, virtual)
            continue
        parameters: dict[str, tuple[str, ...]] = {"VALUE": ("URI",)}
        if isinstance(rest.get("name"), str):
            parameters["LABEL"] = (rest.pop("name"),)
        if isinstance(rest.get("features"), dict) and rest["features"]:
            parameters["FEATURE"] = tuple(feature.upper() for feature in rest.pop("features"))
        w.point_rest(path, rest)
        _add_keyed(w, "CONFERENCE", write_verbatim(uri), parameters, key, f"{path}/uri")


# -------------------------------------------------------------------------------------------------- relations


def read_relations(r: Reading) -> None:
    """RELATED-TO to Relation objects, keyed by the raw UID (of an alarm: `alerts` turns it into the alert's key)."""
    for line in r.take("RELATED-TO"):
        target = read_text(line.value)
        relations = r.js.setdefault("relatedTo", {})
        kind = line.parameter("RELTYPE")
        path = f"relatedTo/{escape(target)}"
        known = relations.get(target)
        if known is not None and (not kind or not known.get("relation") or path in r.converted):
            r.kept.append(line)
            continue
        relation = relations.setdefault(target, {"@type": "Relation"})
        if kind:
            relation.setdefault("relation", {})[kind.lower()] = True
        r.mark(path, line, frozenset({"RELTYPE", "VALUE"}), value_type=_unusual_type(line, "TEXT"))


def _unusual_type(line: ContentLine, usual: str) -> str | None:
    value_type = line.parameter("VALUE")
    return value_type.lower() if value_type and value_type.upper() != usual else None


def write_relations(w: Writing) -> None:
    """Relation objects to RELATED-TO, one for each relation type."""
    for target, relation in _objects(w, "relatedTo"):
        path = f"relatedTo/{escape(target)}"
        kinds = relation.get("relation") or {}
        rest = {member: value for member, value in relation.items() if member not in {"@type", "relation"}}
        entry = w.converted.get(path) or {}
        value_type = {"VALUE": (entry["valueType"].upper(),)} if isinstance(entry.get("valueType"), str) else {}
        for kind in kinds or [""]:
            parameters = {"RELTYPE": (kind.upper(),), **value_type} if kind else value_type
            w.add("RELATED-TO", write_text(target), parameters, path)
        w.point_rest(path, rest)


# ----------------------------------------------------------------------------------------------- descriptions


def read_description(r: Reading) -> None:
    """DESCRIPTION and STYLED-DESCRIPTION to description and descriptionContentType (§2.3.13, §2.3.41)."""
    styled = next((line for line in r.lines.get("STYLED-DESCRIPTION", ()) if _is_description(line)), None)
    if styled is not None:
        r.lines["STYLED-DESCRIPTION"].remove(styled)
        r.js["description"] = read_text(styled.value)
        content_type = styled.parameter("FMTTYPE")
        if content_type:
            r.js["descriptionContentType"] = content_type
        usual = bool(content_type) and content_type != "text/plain"
        r.mark("description", styled, frozenset({"VALUE", "FMTTYPE"}), always=not usual)
        plain = r.take_first("DESCRIPTION")
        if plain is not None and not _is_own_derivation(plain, r.js["description"]):
            r.kept.append(plain)
        return
    plain = r.take_first("DESCRIPTION")
    if plain is None:
        return
    if _is_derived(plain):
        r.kept.append(plain)
        return
    r.js["description"] = read_text(plain.value)
    if plain.parameters:
        r.mark("description", plain)


def _is_derived(line: ContentLine) -> bool:
    return (line.parameter("DERIVED") or "").upper() == "TRUE"


def _is_description(line: ContentLine) -> bool:
    return (
        (line.parameter("VALUE") or "TEXT").upper() == "TEXT"
        and (line.parameter("FMTTYPE") or "text/").lower().startswith("text/")
        and not _is_derived(line)
    )


def _is_own_derivation(plain: ContentLine, rich: str) -> bool:
    return _is_derived(plain) and len(plain.parameters) == 1 and read_text(plain.value) == plain_text(rich)


def plain_text(rich: str) -> str:
    """Plain text of a rich description, for readers that know only DESCRIPTION (§3.2, remarks)."""
    text = re.sub(r"(?is)<(style|script|head)\b.*?</\1\s*>|<!--.*?-->|<![^>]*>", "", rich)
    text = re.sub(r"(?i)<(br|/p|/div|/tr|/li)\b[^>]*>", "\n", text)
    return html.unescape(re.sub(r"<[^>]*>", "", text)).strip()


def write_description(w: Writing) -> None:
    """The reverse; a rich description is accompanied by a derived plain one."""
    description = w.left.get("description")
    if not isinstance(description, str):
        return
    del w.left["description"]
    content_type = w.left.get("descriptionContentType")
    if isinstance(content_type, str):
        del w.left["descriptionContentType"]
    rich = content_type not in {None, "text/plain"}
    if not rich and w.source("description") != "styled-description":
        w.add("DESCRIPTION", write_text(description), path="description")
        return
    parameters = {"VALUE": ("TEXT",)} | ({"FMTTYPE": (content_type,)} if isinstance(content_type, str) else {})
    w.add("STYLED-DESCRIPTION", write_text(description), parameters, "description")
    if rich and not any(line.name == "DESCRIPTION" for line in w.kept):
        w.add("DESCRIPTION", write_text(plain_text(description)), {"DERIVED": ("TRUE",)})
