"""What `bin/demo` and `bin/test` do before Python runs."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.servers.fixtures import require_dovecot

ROOT = Path(__file__).parents[1]


def run(script: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([script, *arguments], capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    ("script", "options"),
    [("demo", ["--no-install", "--check", "--port", "--keep"]), ("test", ["--no-install", "--setup"])],
)
@pytest.mark.parametrize("asked", ["-h", "--help"])
def test_help_names_the_options_and_does_nothing_else(
    tmp_path: Path, script: str, options: list[str], asked: str
) -> None:
    shutil.copytree(ROOT / "bin", tmp_path / "bin")
    done = run(tmp_path / "bin" / script, asked)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"  bin/{script} [--no-install]" in done.stdout
    assert [line.split()[0] for line in done.stdout.splitlines() if line.startswith("  --")] == options
    assert [path.name for path in tmp_path.iterdir()] == ["bin"]


@pytest.mark.parametrize("script", ["demo", "test"])
def test_no_install_says_what_is_missing_and_installs_nothing(tmp_path: Path, script: str) -> None:
    require_dovecot()
    shutil.copytree(ROOT / "bin", tmp_path / "bin")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    done = run(tmp_path / "bin" / script, "--no-install", "--check")
    assert done.returncode == 1
    assert "is missing" in done.stderr or "Not installed: " in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bin", "pyproject.toml"]
