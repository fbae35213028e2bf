"""Until the conversion is there: what these tests need of it."""

import importlib.util
import sys
import types
from typing import Any

from adapters.formats.content_lines import parse


def read_cards(data: bytes) -> list[dict[str, Any]]:
    cards = []
    for component in parse(data).components:
        card: dict[str, Any] = {"@type": "Card", "version": "1.0"}
        uid, photo, revision = component.value("UID"), component.value("PHOTO"), component.value("REV")
        card["name"] = {"full": component.value("FN")}
        card |= {} if uid is None else {"uid": uid}
        card |= {} if revision is None else {"updated": revision}
        card |= {} if photo is None else {"media": {"1": {"@type": "Media", "kind": "photo", "uri": photo}}}
        cards.append(card)
    return cards


if importlib.util.find_spec("adapters.formats.jscontact") is None:
    module = types.ModuleType("adapters.formats.jscontact.read")
    module.__dict__["read_cards"] = read_cards
    sys.modules["adapters.formats.jscontact"] = types.ModuleType("adapters.formats.jscontact")
    sys.modules["adapters.formats.jscontact.read"] = module
