"""localizations to properties with LANGUAGE and ALTID (RFC 9555 §2.3.11); what has no such form becomes JSPROP."""

from collections.abc import Callable, Mapping
from typing import Any

from adapters.formats.content_lines import ContentLine
from adapters.formats.jscontact.languages import LOCALIZABLE, MAX_LANGUAGES
from adapters.formats.jscontact.state import Writing
from adapters.formats.jscontact.values import canonical_tag
from adapters.formats.pointer import InvalidPatch, apply_patch, escape, tokens
from adapters.formats.values import Json, JsonObject

WriteMain = Callable[..., Writing]
_MARKS = frozenset({"ALTID", "LANGUAGE"})
_ONCE = frozenset({"N", "FN"})
"""In vCard 3.0, which has no alternatives (RFC 2426 §3.1.1, §3.1.2)."""


def write_localizations(w: Writing, card: Mapping[str, Any], write_main: WriteMain) -> None:
    """Write each localization: what the Card says in that language and not in its own."""
    mains = dict(reversed(w.lines))
    for n, (tag, patch) in enumerate((card.get("localizations") or {}).items()):
        lines = _localized(w, card, tag, patch, mains, write_main) if n < MAX_LANGUAGES else None
        if lines is None:
            w.leave(f"localizations/{escape(tag)}", patch)
            continue
        for path, line in lines:
            w.lines.append((f"localizations/{tag}/{path}", line))
        w.exist(f"localizations/{tag}")


def _localized(
    w: Writing,
    card: Mapping[str, Any],
    tag: str,
    patch: JsonObject,
    mains: dict[str, ContentLine],
    write_main: WriteMain,
) -> list[tuple[str, ContentLine]] | None:
    """The lines of a localization; None where properties can't say it."""
    before = _touched(card, patch)
    try:
        after = apply_patch(before, patch)
        if canonical_tag(tag) != tag or _loses(before, after):
            return None
        written = write_main(after, w.version, apple=w.apple)
    except (ValueError, AttributeError, KeyError, TypeError, InvalidPatch):
        return None
    if any(path not in w.rest or w.rest[path] != value for path, value in written.rest.items()):
        return None
    lines = []
    for path, line in written.lines:
        if path.split("/")[0] not in before or _same(mains.get(path), line) or "DERIVED" in line.parameters:
            continue
        main = mains.get(path.removesuffix("/phonetic") if path != "name/phonetic" else "name/components")
        if line.name not in LOCALIZABLE or main is None or (w.version == "3.0" and line.name in _ONCE):
            return None
        lines.append((path, _marked(line, main, tag)))
    return lines or None


def _marked(line: ContentLine, main: ContentLine, tag: str) -> ContentLine:
    """The line as an alternative of `main`."""
    altid = main.parameters.get("ALTID") or main.parameters.get("PROP-ID") or ("1",)
    main.parameters = {**main.parameters, "ALTID": altid}
    return ContentLine(line.name, {**line.parameters, "ALTID": altid, "LANGUAGE": (tag,)}, line.value, group=main.group)


def _same(main: ContentLine | None, line: ContentLine) -> bool:
    if main is None or main.name != line.name or main.value != line.value:
        return False
    ours, theirs = (
        {name: values for name, values in found.parameters.items() if name not in _MARKS} for found in (line, main)
    )
    return ours == theirs


def _touched(card: Mapping[str, Any], patch: JsonObject) -> JsonObject:
    """The parts of the Card that a patch reaches into: whole members, of maps only the objects that are meant."""
    found: JsonObject = {}
    for pointer in patch:
        first, *others = tokens(pointer)
        value = card.get(first)
        if (
            value is None
            or first in {"name", "speakToAs", "localizations"}
            or not others
            or not isinstance(value, dict)
        ):
            if value is not None:
                found[first] = value
        elif others[0] in value and found.get(first) is not value:
            found.setdefault(first, {})[others[0]] = value[others[0]]
    return found


def _loses(before: Json, after: Json) -> bool:
    """Whether a localization takes members away, which no property can say."""
    if isinstance(before, dict) and isinstance(after, dict):
        return any(
            (name not in after and value is not False) or _loses(value, after.get(name))
            for name, value in before.items()
        )
    return isinstance(before, dict)
