"""The messages of the corpus (tests/corpus/SOURCES.md)."""

import json
from pathlib import Path
from typing import Any

_CORPUS = Path(__file__).parents[2] / "corpus"


def messages() -> dict[str, bytes]:
    """Name below eml/ -> octets, sorted."""
    root = _CORPUS / "eml"
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*.*")) if path.is_file()}


def expected_parses() -> dict[str, dict[str, Any]]:
    """Name below eml/ -> what mail-parser finds in that message, in its own shape."""
    lines = (_CORPUS / "pairs" / "mail-parser.jsonl").read_text("utf-8").splitlines()
    cases = [json.loads(line) for line in lines]
    return {case["file"].removeprefix("eml/"): case["message"] for case in cases}
