"""Each threat of docs/threats.md names tests that exist, or why there is none."""

import re
from pathlib import Path

from tests.test_conformance import functions_of

PAGE = Path(__file__).parent.parent / "docs" / "threats.md"
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if re.match(r"\| (\d+|[a-z]) \|", line)
]


def test_every_threat_is_there_once() -> None:
    numbers = [row[0] for row in ROWS]
    assert [int(number) for number in numbers if number.isdecimal()] == list(range(1, 97))
    assert len(set(numbers)) == len(numbers)


def test_every_threat_names_tests_that_exist_or_a_reason() -> None:
    for row in ROWS:
        number, done, expected, shown = row
        assert done, row
        assert expected, row
        tests = re.findall(r"`(\S+\.py)::(\w+)`", shown)
        assert tests or (shown.startswith("- ") and len(shown) > 20), f"{number}: neither a test nor a reason"
        for file, name in tests:
            assert name in functions_of(file), f"{number}: there is no {name} in {file}"


def test_every_module_that_prints_figures_exists() -> None:
    for module in re.findall(r"python -m ([\w.]+)", PAGE.read_text(encoding="utf-8")):
        assert (PAGE.parent.parent / f"{module.replace('.', '/')}.py").exists(), module
