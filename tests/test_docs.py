"""What the documents say is what the code does."""

import re
import runpy
from pathlib import Path

from gateway.jmap.registry import Registry
from gateway.objects import DATA_TYPES, METHODS
from gateway.objects.mail.email_push import EMAIL_PUSH
from gateway.objects.mail.smime import SMIME
from gateway.push.vapid import VAPID
from gateway.web.session import WEBSOCKET

ROOT = Path(__file__).parent.parent
TABLE = runpy.run_path(str(ROOT / "docs" / "support_table.py"))
ROWS: list[list[str]] = TABLE["rows"]()


def test_the_readme_has_the_present_support_table() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert TABLE["filled"](readme) == readme, "run: python docs/support_table.py --write"


def test_every_row_is_whole_and_names_what_exists() -> None:
    for row in ROWS:
        assert len(row) == 6, row
        spec, _, status, where, _, what = row
        assert status in {"Yes", "Partial", "No"}, row
        assert bool(where) is (status != "No"), f"{spec}: what works lies somewhere"
        assert what, row
        for path in where.split():
            assert (ROOT / path).exists(), f"{spec}: there is no {path}"


def test_the_rows_bring_exactly_the_registered_types() -> None:
    brought: dict[str, set[str]] = {}
    for _, _, status, _, brings, _ in ROWS:
        if brings:
            assert status != "No", brings
            capability, _, types = brings.rpartition(":")
            brought[f"urn:ietf:params:jmap:{capability}"] = set(types.split())
    registry = Registry.build(DATA_TYPES, METHODS)
    # a transport, and an extension of Email: they bring no types
    registered: dict[str, set[str]] = {urn: set() for urn in (WEBSOCKET, SMIME, VAPID, EMAIL_PUSH)}
    for name in registry.names():
        method = registry.find(name, None)
        assert method is not None
        registered.setdefault(method.capability, set()).add(name.partition("/")[0])
    assert brought == registered


def test_the_links_of_the_documents_lead_somewhere() -> None:
    for document in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_the_map_names_the_rooms_that_exist() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for package in ("gateway", "adapters"):
        rooms = {path.name for path in (ROOT / package).iterdir() if (path / "__init__.py").exists()}
        for room in rooms:
            assert f"{room}/" in text, f"docs/architecture.md does not name {package}/{room}"
