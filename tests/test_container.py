"""The container files without Docker: what is copied exists, the install steps give a gateway that runs, and all
keys that the image and the examples set are keys of the configuration.
"""

import json
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import textwrap
from pathlib import Path

import pytest

from gateway.config_file import load

ROOT = Path(__file__).parents[1]

Instruction = tuple[str, str]


def instructions() -> list[Instruction]:
    """(keyword, arguments) of each instruction, continued lines joined."""
    lines = (ROOT / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    found = [line.split(None, 1) for line in lines if line.strip() and not line.startswith("#")]
    return [(keyword.upper(), arguments.strip()) for keyword, arguments in found]


def copied() -> list[tuple[str, str]]:
    """(source in the repository, target) of each COPY from the build context."""
    pairs = []
    for keyword, arguments in instructions():
        if keyword == "COPY" and not arguments.startswith("--from"):
            *sources, target = shlex.split(arguments)
            pairs += [(source, target) for source in sources]
    return pairs


def of(keyword: str) -> list[str]:
    return [arguments for name, arguments in instructions() if name == keyword]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean environment with the project installed from the copied files only, as in the image.

    The dependencies are those of the tests' own environment, so that nothing but the build tool is downloaded.
    """
    build = tmp_path_factory.mktemp("build")
    for source, target in copied():
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, build / target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / source, build / target)
    environment = tmp_path_factory.mktemp("venv")
    run(sys.executable, "-m", "venv", str(environment))
    python = environment / "bin" / "python"
    run(str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check", str(build))
    site = run(str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    dependencies = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (Path(site) / "dependencies.pth").write_text("\n".join(sorted(dependencies)) + "\n")
    return environment


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def test_what_is_copied_exists_and_is_not_ignored() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for source, _ in copied():
        assert (ROOT / source).exists()
        assert source in allowed


def test_runs_without_root() -> None:
    assert of("USER") == ["10001:10001"]
    assert instructions().index(("USER", "10001:10001")) > max(
        number for number, (keyword, _) in enumerate(instructions()) if keyword in {"RUN", "COPY"}
    )


def test_the_image_sets_keys_that_exist() -> None:
    variables = dict(pair.split("=", 1) for line in of("ENV") for pair in shlex.split(line))
    ours = {name: value for name, value in variables.items() if name.startswith("JMAPGW__")}
    config = load(None, {**ours, "JMAPGW__BACKENDS__DEFAULT__IMAP__HOST": "imap.example.org"})
    assert (config.server.listen.host, config.server.listen.port) == ("0.0.0.0", 8080)  # noqa: S104 - in a container
    assert of("EXPOSE") == ["8080"]
    assert config.store.path.parent == Path(of("VOLUME")[0])


def test_the_compose_example_sets_keys_that_exist() -> None:
    text = (ROOT / "config" / "compose.yaml").read_text()
    variables = dict(re.findall(r"^ +(JMAPGW__\w+): (.+)$", text, re.MULTILINE))
    config = load(None, {name: re.sub(r"\$\{.*\}", "imap.example.org", value) for name, value in variables.items()})
    assert config.store.kind == "redis"
    assert config.backends["default"].imap.host == "imap.example.org"
    commented = dict(re.findall(r"^ +# (JMAPGW__\w+): (.+)$", text, re.MULTILINE))
    commented = {name: value for name, value in commented.items() if "MASTER" not in name}  # these need their file
    assert load(None, {**variables, **commented}).server.trusted_proxies


def test_the_kubernetes_example_is_a_configuration(tmp_path: Path) -> None:
    text = (ROOT / "config" / "kubernetes" / "sidecar.yaml").read_text()
    block = text.split("gateway.toml: |\n", 1)[1].split("\n---", 1)[0]
    (tmp_path / "gateway.toml").write_text(textwrap.dedent(block))
    config = load(tmp_path / "gateway.toml", {})
    assert config.backends["default"].imap.host == "127.0.0.1"
    assert config.metrics.listen is not None


def test_installed_package_is_complete(installed: Path) -> None:
    place = run(str(installed / "bin" / "python"), "-c", "import gateway; print(gateway.__path__[0])").strip()
    assert place.startswith(str(installed))
    tracked = [path for path in (ROOT / "gateway").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    missing = [path for path in tracked if not (Path(place) / path.relative_to(ROOT / "gateway")).exists()]
    assert missing == []


def test_commands_of_the_image_exist(installed: Path) -> None:
    python = str(installed / "bin" / "python")
    entry_point = json.loads(of("ENTRYPOINT")[0])
    assert entry_point == ["python", "-m", "gateway"]
    run(python, "-m", "gateway", *json.loads(of("CMD")[0]), "--help")
    health = json.loads(of("HEALTHCHECK")[0].partition("CMD ")[2])
    assert health[:3] == entry_point
    run(python, *health[1:], "--help")
    assert "serve" in run(str(installed / "bin" / "jmap-gateway"), "--help")
