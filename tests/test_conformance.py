"""Each rule in docs/conformance.txt names tests that exist, or why there is none; and no MUST is without a rule."""

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parent
LINES = (TESTS.parent / "docs" / "conformance.txt").read_text(encoding="utf-8").splitlines()
FILES: dict[str, str] = {line.split()[1]: line.split()[2] for line in LINES if line.startswith("= ")}
MUSTS = {f"{line.split()[1]} {line.split()[2]}": int(line.split()[3]) for line in LINES if line.startswith("% ")}
ROWS = [[field.strip() for field in line.split("|")] for line in LINES if re.match(r"-?\d", line)]


@cache
def functions_of(file: str) -> frozenset[str]:
    """The tests of a file; those of a class as Class::test."""
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    found = set()
    for node in tree.body:
        members = node.body if isinstance(node, ast.ClassDef) else [node]
        prefix = f"{node.name}::" if isinstance(node, ast.ClassDef) else ""
        found |= {
            prefix + member.name for member in members if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef)
        }
    return frozenset(name for name in found if name.rpartition("::")[2].startswith("test_"))


def test_every_rule_names_tests_that_exist_or_a_reason() -> None:
    assert len(ROWS) > 200
    for row in ROWS:
        assert len(row) == 4, row
        section, _, rule, tests = row
        assert re.fullmatch(r"(862[01]|9610|-29) §\d+(\.\d+)*", section), row
        assert rule
        if tests.startswith("-"):
            assert len(tests) > 10, f"{section}: no reason is given"
            continue
        assert tests, row
        for test in tests.split():
            file, _, name = test.partition("::")
            assert file in FILES, f"{section}: which file is {file}?"
            assert name in functions_of(FILES[file]), f"{section}: there is no {name} in {FILES[file]}"


def test_every_file_is_named_once_and_used() -> None:
    used = {test.partition("::")[0] for *_, tests in ROWS if not tests.startswith("-") for test in tests.split()}
    assert used == set(FILES)
    assert len(set(FILES.values())) == len(FILES)


def test_every_rule_is_there_once() -> None:
    rules = [(section, rule) for section, _, rule, _ in ROWS]
    assert len(rules) == len(set(rules))


def test_every_must_of_the_text_has_its_rule() -> None:
    """As often as the word stands in each section; `grep -ow MUST` finds so many in the whole texts."""
    accounted: Counter[str] = Counter()
    for section, count, _, _ in ROWS:
        accounted[section] += int(count)
    assert +accounted == MUSTS
    for rfc, times in (("8620", 163), ("8621", 122), ("9610", 22), ("-29", 128)):
        assert sum(count for section, count in MUSTS.items() if section.startswith(rfc)) == times
