"""The configuration's environment variables: `JMAPGW__SECTION__KEY`, in capitals, laid over the tables of the file.

A variable that begins like one of these but is not named like one is a mistake, never ignored.
"""

import dataclasses
import re
import typing
from collections.abc import Mapping
from typing import Any, Final

from gateway.config_reader import FILE_SUFFIX, ConfigError, FromText, is_secret, is_section, without_none

PREFIX: Final = "JMAPGW__"

_KUBERNETES: Final = re.compile(r"JMAPGW_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?)")
"""What Kubernetes (and links of Docker) set in every container where a service is called "jmapgw"."""


def overlay_environment(table: dict[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """The table with `JMAPGW__SECTION__KEY` variables laid over it; names are taken in lower case."""
    for name, value in sorted(environment.items()):
        if not name.startswith(PREFIX):
            continue
        path = name[len(PREFIX) :].lower().split("__")
        target = table
        for part in path[:-1]:
            below = target.setdefault(part, {})
            if not isinstance(below, dict):
                raise ConfigError([f"{name}: {part} is a value, not a section"])
            target = below
        target[path[-1]] = FromText(value)
    return table


def misspelt(kind: type, environment: Mapping[str, str]) -> list[str]:
    """A line for each variable that was meant for the configuration `kind` and that no key is named like."""
    return [
        f"{name}: unknown variable{_hint(kind, name)}; the names are {PREFIX}SECTION__KEY"
        for name in sorted(environment)
        if name.upper().startswith(PREFIX[:-2]) and not name.startswith(PREFIX) and not _KUBERNETES.fullmatch(name)
    ]


def _hint(kind: type, name: str) -> str:
    words = [word for word in name[len(PREFIX) - 2 :].lower().split("_") if word]
    path = _path(kind, words)
    return f"; did you mean {PREFIX}{'__'.join(path).upper()}?" if path else ""


def _path(kind: Any, words: list[str]) -> list[str] | None:
    """The key below a section whose names, put together, are these words; None where there is none."""
    if not is_section(kind):
        return None if words else []
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        below = without_none(hints[field.name])
        for named in (field.name, field.name + FILE_SUFFIX) if is_secret(below) else (field.name,):
            length = named.count("_") + 1
            if words[:length] == named.split("_") and (rest := _below(below, words[length:])) is not None:
                return [named, *rest]
    return None


def _below(kind: Any, words: list[str]) -> list[str] | None:
    if typing.get_origin(kind) is not dict:
        return _path(kind, words)
    rest = _path(typing.get_args(kind)[1], words[1:]) if words else None  # the first is a name, such as "default"
    return None if rest is None else [words[0], *rest]
