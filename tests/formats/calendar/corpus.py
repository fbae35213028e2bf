"""The corpus as test data, and how an expected object of a published pair is compared with a converted one."""

import json
from pathlib import Path
from typing import Any

CORPUS = Path(__file__).parents[2] / "corpus"
FILES = sorted((CORPUS / "ics").rglob("*.ics"))
# what JSCalendar assumes where a member is left out; the pairs sometimes say it and sometimes don't
DEFAULTS = {
    "action": "display",
    "showWithoutTime": False,
    "participationStatus": "needs-action",
    "relativeTo": "start",
    "timeZone": None,
}


def name(path: Path) -> str:
    """A corpus file as `group/file`."""
    return path.relative_to(CORPUS / "ics").as_posix()


def pairs(file: str) -> list[dict[str, Any]]:
    """The cases of a file in pairs/."""
    text = (CORPUS / "pairs" / file).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def missing(expected: Any, got: Any, path: str = "") -> list[str]:
    """What `expected` says and `got` does not. A map whose keys are made up by the pair is compared by its values."""
    if isinstance(expected, dict) and isinstance(got, dict):
        found = []
        for key, value in expected.items():
            if key == "...":
                continue
            if key in got:
                found += missing(value, got[key], f"{path}/{key}")
            elif key not in DEFAULTS or DEFAULTS[key] != value:
                alike = [other for other in got.values() if isinstance(value, dict) and isinstance(other, dict)]
                if not any(
                    not missing(value, other) for other in alike if other.get("@type") == value.get("@type", "")
                ):
                    found.append(f"{path}/{key}: {value!r}")
        return found
    if isinstance(expected, list) and isinstance(got, list) and expected and isinstance(expected[0], dict | list):
        if len(expected) != len(got):
            return [f"{path}: {len(got)} instead of {len(expected)} items"]
        return [
            text for n, (a, b) in enumerate(zip(expected, got, strict=True)) for text in missing(a, b, f"{path}/{n}")
        ]
    if expected is ...:
        return []
    if isinstance(expected, list) and isinstance(got, list) and ... in expected and len(expected) == len(got):
        return [
            text for n, (a, b) in enumerate(zip(expected, got, strict=True)) for text in missing(a, b, f"{path}/{n}")
        ]
    return [] if expected == got else [f"{path}: {expected!r} is {got!r}"]
