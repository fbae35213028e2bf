"""The corpus as test data, and how a Card of a published pair is compared with a converted one."""

import json
from pathlib import Path
from typing import Any

from adapters.formats.jscontact.read import read_cards

CORPUS = Path(__file__).parents[2] / "corpus"
FILES = sorted((CORPUS / "vcf").rglob("*.vcf"))
MAPS = (
    *("nicknames", "organizations", "titles", "emails", "onlineServices", "phones", "preferredLanguages", "calendars"),
    *("schedulingAddresses", "addresses", "cryptoKeys", "directories", "links", "media", "anniversaries", "notes"),
    *("personalInfo", "pronouns"),
)


def name(path: Path) -> str:
    """A corpus file as `group/file`."""
    return path.relative_to(CORPUS / "vcf").as_posix()


def pairs(file: str) -> list[dict[str, Any]]:
    """The cases of a file in pairs/."""
    text = (CORPUS / "pairs" / file).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def vcard(lines: str, version: str = "4.0") -> bytes:
    """A vCard of some lines; whole ones stay."""
    text = lines.replace("\r\n", "\n").strip("\n")
    if not text.upper().startswith("BEGIN:VCARD"):
        text = f"BEGIN:VCARD\nVERSION:{version}\n{text}\nEND:VCARD"
    return (text.replace("\n", "\r\n") + "\r\n").encode()


def card(lines: str, version: str = "4.0") -> dict[str, Any]:
    """The Card of some vCard lines."""
    (found,) = read_cards(vcard(lines, version))
    return found


def missing(expected: Any, got: Any, path: str = "") -> list[str]:
    """What `expected` says and `got` does not. Keys of maps are made up by the pair: the objects are compared."""
    if isinstance(expected, dict) and isinstance(got, dict):
        if not path:
            expected = renamed(expected, got)
        found = []
        for key, value in expected.items():
            if key not in got:
                found.append(f"{path}/{key}: {value!r}")
            else:
                found += missing(value, got[key], f"{path}/{key}")
        return found
    return [] if expected == got else [f"{path}: {expected!r} is {got!r}"]


def renamed(expected: dict[str, Any], got: dict[str, Any]) -> dict[str, Any]:
    """`expected` with the keys that objects like its own have in `got`."""
    names: dict[str, str] = {}
    for holder, other in ((expected, got), (expected.get("speakToAs", {}), got.get("speakToAs", {}))):
        for member in MAPS:
            free = dict(other.get(member, {}))
            for key, item in holder.get(member, {}).items():
                plain = {name: value for name, value in item.items() if name != "organizationId"}
                match = next((k for k, v in free.items() if not missing(plain, v, "x")), key)
                free.pop(match, None)
                names[f"{member}/{key}"] = f"{member}/{match}"
    result: dict[str, Any] = _rename(expected, names)
    return result


def _rename(value: Any, names: dict[str, str], inside: str = "") -> Any:
    if not isinstance(value, dict):
        return value
    found = {}
    for key, item in value.items():
        new = str(names.get(f"{inside}/{key}", key)).removeprefix(f"{inside}/")
        for old, now in names.items():
            if new.startswith((f"{old}/", f"speakToAs/{old}/")) or new == old:  # in a localization
                new = new.replace(old, now, 1)
                break
        found[new] = _rename(item, names, key)
    if "organizationId" in found:
        organization = names.get(f"organizations/{found['organizationId']}", "")
        found["organizationId"] = organization.partition("/")[2]
    return found
