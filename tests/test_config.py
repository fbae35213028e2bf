"""The configuration: every key documented, every mistake named under its key."""

import dataclasses
import re
import tomllib
import typing
from pathlib import Path
from typing import Any

import pytest

from gateway.config import Config, backend_user
from gateway.config_file import load
from gateway.config_reader import Address, ConfigError, Secret, redacted

SAMPLE = Path(__file__).parent.parent / "config" / "gateway.toml"
MINIMAL = {"JMAPGW__BACKENDS__DEFAULT__IMAP__HOST": "imap.example.org"}
OPTIONAL = {  # what else is required once an optional section is there
    "JMAPGW__BACKENDS__DEFAULT__SUBMISSION__HOST": "smtp.example.org",
    "JMAPGW__BACKENDS__DEFAULT__MANAGESIEVE__HOST": "imap.example.org",
    "JMAPGW__BACKENDS__DEFAULT__CALDAV__URL": "https://dav.example.org/",
    "JMAPGW__BACKENDS__DEFAULT__CARDDAV__URL": "https://dav.example.org/",
}
SECRET_KEYS = {"auth.credentials_key", "auth.master_password", "push.vapid_key", "store.url"}


def leaves(kind: Any, prefix: str = "") -> dict[str, Any]:
    """Every key path of a section -> its default (MISSING where it is required); NAME of a backend is "default"."""
    found: dict[str, Any] = {}
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        path = f"{prefix}{field.name}"
        hint = without_none(hints[field.name])
        if typing.get_origin(hint) is dict:
            below = typing.get_args(hint)[1]
            if dataclasses.is_dataclass(below):
                found |= leaves(below, f"{path}.default.")
        elif dataclasses.is_dataclass(hint) and hint is not Address:
            found |= leaves(hint, f"{path}.")
        else:
            found[path] = field.default
    return found


def without_none(hint: Any) -> Any:
    """The section that an optional section is."""
    choices = [each for each in typing.get_args(hint) if each is not type(None)]
    return choices[0] if len(choices) == 1 and dataclasses.is_dataclass(choices[0]) else hint


def flatten(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in table.items():
        if isinstance(value, dict):
            found |= flatten(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found


def uncommented() -> str:
    """The sample with every commented-out key and section switched on: those have no blank after the #."""
    return re.sub(r'^#(?=[a-z_"[])', "", SAMPLE.read_text(), flags=re.MULTILINE)


def problems(environment: dict[str, str] | None = None, toml: str = "", path: Path | None = None) -> list[str]:
    if path is not None:
        path.write_text(toml)
    with pytest.raises(ConfigError) as caught:
        load(path, MINIMAL | (environment or {}))
    return list(caught.value.problems)


def test_sample_loads_as_it_stands() -> None:
    config = load(SAMPLE, {})
    assert config.backends["default"].imap.host == "imap.example.org"
    assert config == load(None, MINIMAL)  # everything else is the default


def test_sample_has_every_key_and_no_other() -> None:
    written = {key for key in flatten(tomllib.loads(uncommented())) if not key.startswith("domains.")}
    assert written == set(leaves(Config))


def test_sample_shows_the_defaults() -> None:
    config = load(None, MINIMAL | OPTIONAL)
    written = flatten(tomllib.loads(uncommented()))
    for key, default in leaves(Config).items():
        if default is None or default is dataclasses.MISSING:
            continue  # no default to show: the sample gives an example
        value: Any = config
        for part in key.split("."):
            value = value[part] if isinstance(value, dict) else getattr(value, part)
        shown = value.reveal() if isinstance(value, Secret) else value
        expected = list(shown) if isinstance(shown, tuple) else shown
        assert written[key] == (expected if isinstance(expected, bool | int | float | list) else str(expected)), key


def test_every_key_of_the_sample_has_a_comment() -> None:
    lines = SAMPLE.read_text().splitlines()
    for number, line in enumerate(lines):
        if re.match(r"#?[a-z_]+ = ", line):
            assert lines[number - 1].startswith("# "), line


@pytest.mark.parametrize("key", sorted(leaves(Config)))
def test_every_key_is_an_environment_variable(key: str) -> None:
    values = flatten(tomllib.loads(uncommented()))
    value = values[key]
    text = ",".join(value) if isinstance(value, list) else str(value)
    complete = {
        "JMAPGW__AUTH__MASTER_USER": "m",
        "JMAPGW__AUTH__MASTER_PASSWORD": "s",
        "JMAPGW__AUTH__TRUSTED_HEADER_PROXIES": "10.0.0.1",
    } | OPTIONAL
    name = "JMAPGW__" + key.replace(".", "__").upper()
    load(None, MINIMAL | complete | ({name: text} if text else {}))
    wrong = problems(complete | {name + "X": "1"})
    assert wrong[0].startswith(f"{key}x: unknown key; did you mean {key.rpartition('.')[2]}")


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"SERVER__LISTEN": "8080"}, "server.listen: must be"),
        ({"SERVER__LISTEN": "host:99999"}, "server.listen: must be"),
        ({"SERVER__DRAIN_SECONDS": "26"}, "server.drain_seconds: must be between 0 and 25"),
        ({"SERVER__DRAIN_SECONDS": "nan"}, "server.drain_seconds: must be between"),
        ({"SERVER__DRAIN_SECONDS": "soon"}, "server.drain_seconds: must be a number"),
        ({"SERVER__TRUSTED_PROXIES": "10.0.0.0/8, proxy"}, "server.trusted_proxies: 'proxy' is not an address"),
        ({"SERVER__PUBLIC_URL": "jmap.example.org"}, "server.public_url: must be like"),
        ({"SERVER__PUBLIC_URL": "https://jmap.example.org:port"}, "server.public_url: must be like"),
        ({"SERVER__PUBLIC_URL": "https://[::1"}, "server.public_url: must be like"),
        ({"STORE__KIND": "redis", "STORE__URL": "redis://h:port"}, "store.url: must be like"),
        ({"BACKENDS__DEFAULT__CALDAV__URL": "https://[::1"}, "backends.default.caldav.url: must be like"),
        ({"CORS__ORIGINS": "https://[::1"}, "cors.origins: 'https://[::1' is not an origin"),
        ({"LIMITS__MAX_CALLS_IN_REQUEST": "0"}, "limits.max_calls_in_request: must be between"),
        ({"LIMITS__MAX_CALLS_IN_REQUEST": "1.5"}, "limits.max_calls_in_request: must be a whole number"),
        ({"AUTH__CACHE_SECONDS": "3600"}, "auth.cache_seconds: must be between 0 and 60"),
        ({"AUTH__BASIC": "maybe"}, "auth.basic: must be true or false"),
        ({"AUTH__BASIC": "false"}, "auth: basic, bearer and trusted_header are all off"),
        ({"AUTH__MASTER_USER": "m"}, "auth.master_user: needs auth.master_password"),
        ({"AUTH__TRUSTED_HEADER": "X-User"}, "auth.trusted_header: needs auth.trusted_header_proxies"),
        ({"AUTH__MASTER_SEPARATOR": ""}, "auth.master_separator: must be one character"),
        ({"AUTH__CREDENTIALS_KEY": "too short"}, "auth.credentials_key: must have at least 32 characters"),
        ({"PUSH__CONTACT": "postmaster"}, "push.contact: must be like"),
        ({"STORE__KIND": "mysql"}, "store.kind: must be one of sqlite, redis, memory"),
        ({"BACKENDS__DEFAULT__IMAP__TLS": "none"}, 'backends.default.imap.tls: "none" sends'),
        ({"BACKENDS__OTHER__USER": "%n"}, "backends.other.imap"),
        ({"BACKENDS__OTHER__IMAP__PORT": "143"}, "backends.other.imap.host: is required"),
        ({"DOMAINS__EXAMPLE_ORG": "default"}, "domains.example_org: is no mail domain"),
        ({"DOMAINS__@EXAMPLE.ORG": "default"}, "domains.@example.org: is no mail domain"),
        ({"DOMAINS__EXAMPLE.ORG": "nowhere"}, "domains.example.org: there is no backend 'nowhere'"),
        (
            {"BACKENDS__DEFAULT__CALDAV__URL": "https://d", "BACKENDS__DEFAULT__CALDAV__EMAIL_ALERTS": "on"},
            "backends.default.caldav.email_alerts: needs auth.credentials_key",
        ),
        ({"CORS__ORIGINS": "mail.example.org"}, "cors.origins: 'mail.example.org' is not an origin"),
        ({"CORS__ORIGINS": "https://mail.example.org/"}, "cors.origins: "),
        ({"LOGS__LEVEL": "info"}, "logs: unknown section; did you mean log?"),
        ({"LOG": "info"}, "log: must be a section"),
    ],
)
def test_mistakes_are_named(environment: dict[str, str], message: str) -> None:
    assert problems({f"JMAPGW__{name}": value for name, value in environment.items()})[0].startswith(message)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("JMAPGW_STORE_KIND", "did you mean JMAPGW__STORE__KIND?"),
        ("JMAPGW_AUTH__MASTER_PASSWORD_FILE", "did you mean JMAPGW__AUTH__MASTER_PASSWORD_FILE?"),
        ("JMAPGW_BACKENDS_DEFAULT_IMAP_ID_SOURCE", "did you mean JMAPGW__BACKENDS__DEFAULT__IMAP__ID_SOURCE?"),
        ("JMAPGW_DOMAINS_EXAMPLE.ORG", "did you mean JMAPGW__DOMAINS__EXAMPLE.ORG?"),
        ("jmapgw__store__url", "did you mean JMAPGW__STORE__URL?"),
        ("JMAPGWSTORE__URL", "did you mean JMAPGW__STORE__URL?"),
        ("JMAPGW_BACKENDS", "the names are JMAPGW__SECTION__KEY"),
        ("JMAPGW_STORE_COLOUR", "the names are JMAPGW__SECTION__KEY"),
        ("JMAPGW", "the names are JMAPGW__SECTION__KEY"),
    ],
)
def test_a_variable_that_is_almost_one_is_not_ignored(name: str, hint: str) -> None:
    (line,) = problems({name: "1"})
    assert line.startswith(f"{name}: unknown variable; {hint}")


@pytest.mark.parametrize("name", ["SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT", "PORT_8080_TCP_ADDR"])
def test_what_kubernetes_says_of_a_service_called_jmapgw_is_no_mistake(name: str) -> None:
    load(None, MINIMAL | {f"JMAPGW_{name}": "tcp://10.0.0.1:8080"})


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("[server]\nlisten = 8080", "server.listen: must be a string"),
        ('[server]\ndrain_seconds = "5"', "server.drain_seconds: must be a number"),
        ("[auth]\nbasic = 1", "auth.basic: must be true or false"),
        ("[limits]\nmax_size_request = true", "limits.max_size_request: must be a whole number"),
        ('[cors]\norigins = "*"', "cors.origins: must be a list"),
        ("[domains]\n'example.org' = 1", "domains.example.org: must be a string"),
        ("server = 1", "server: must be a section"),
        ("backends = 1", "JMAPGW__BACKENDS__DEFAULT__IMAP__HOST: backends is a value"),
        ("[server", ": is not TOML"),
    ],
)
def test_mistakes_in_the_file_are_named(toml: str, message: str, tmp_path: Path) -> None:
    assert message in problems(toml=toml, path=tmp_path / "gateway.toml")[0]


def test_all_mistakes_at_once() -> None:
    assert len(problems({"JMAPGW__LOG__LEVEL": "x", "JMAPGW__STORE__KIND": "x", "JMAPGW__AUTH__BASIC": "x"})) == 3


def test_no_backend() -> None:
    with pytest.raises(ConfigError, match="backends: at least one is required"):
        load(None, {})


def test_missing_file() -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(Path("/nonexistent/gateway.toml"), MINIMAL)


def test_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text('[log]\nlevel = "debug"\nformat = "text"\n')
    config = load(file, MINIMAL | {"JMAPGW__LOG__LEVEL": "error"})
    assert (config.log.level, config.log.format) == ("error", "text")


def test_secrets_from_files_in_both_places(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("p w \n")
    file = tmp_path / "gateway.toml"
    file.write_text(f'[auth]\nmaster_user = "m"\nmaster_password_file = "{secret}"\n')
    for path, environment in [
        (file, {}),
        (None, {"JMAPGW__AUTH__MASTER_USER": "m", "JMAPGW__AUTH__MASTER_PASSWORD_FILE": str(secret)}),
    ]:
        assert load(path, MINIMAL | environment).auth.master_password == Secret("p w ")
    assert (
        "given both"
        in problems({"JMAPGW__AUTH__MASTER_USER": "m", "JMAPGW__AUTH__MASTER_PASSWORD": "x"}, file.read_text(), file)[0]
    )
    assert "cannot be read" in problems({"JMAPGW__STORE__URL_FILE": str(tmp_path / "none")})[0]


def test_plaintext_only_to_this_machine_or_when_allowed() -> None:
    prefix = "JMAPGW__BACKENDS__DEFAULT__IMAP__"
    for extra in ({"HOST": "127.0.0.1"}, {"HOST": "::1"}, {"HOST": "localhost"}, {"ALLOW_PLAINTEXT": "true"}):
        load(None, MINIMAL | {prefix + "TLS": "none"} | {prefix + name: value for name, value in extra.items()})


def test_secrets_never_show() -> None:
    secrets = {"AUTH__MASTER_PASSWORD": "hunter2", "AUTH__CREDENTIALS_KEY": "hunter2" * 5, "PUSH__VAPID_KEY": "hunter2"}
    given = {f"JMAPGW__{name}": value for name, value in secrets.items()}
    config = load(None, MINIMAL | given | {"JMAPGW__AUTH__MASTER_USER": "m"})
    for shown in (repr(config), str(redacted(config)), f"{config.auth.master_password}"):
        assert "hunter2" not in shown
    assert {key for key, value in flatten(redacted(config)).items() if value == "********"} == SECRET_KEYS


def test_backend_of_a_user() -> None:
    two = MINIMAL | {"JMAPGW__BACKENDS__OTHER__IMAP__HOST": "b"}
    assert load(None, MINIMAL).backend_of("anybody") == "default"
    assert load(None, two).backend_of("a@example.org") is None
    mapped = load(None, two | {"JMAPGW__DOMAINS__EXAMPLE.ORG": "other"})
    assert mapped.backend_of("a@EXAMPLE.org") == "other"
    assert mapped.backend_of("a@example.net") is None
    assert mapped.backend_of("example.org") is None
    default = load(None, two | {"JMAPGW__DOMAINS__EXAMPLE.ORG": "other", "JMAPGW__DOMAINS__*": "default"})
    assert default.backend_of("a") == "default"


@pytest.mark.parametrize(
    ("template", "expected"),
    [("%u", "a@b@c.d"), ("%n", "a@b"), ("%d/%n", "c.d/a@b"), ("%%u", "%u"), ("x%", "x%"), ("%q", "%q")],
)
def test_backend_user(template: str, expected: str) -> None:
    assert backend_user(template, "a@b@c.d") == expected


def test_backend_user_without_domain() -> None:
    assert backend_user("%n+%d", "a") == "a+"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("dav.example.org", "must be like"),
        ("https://user@dav.example.org/", "must be like"),
        ("https://dav.example.org/?x=1", "must be like"),
        ("ftp://dav.example.org/", "must be like"),
        ("http://dav.example.org/", "sends passwords readable"),
    ],
)
@pytest.mark.parametrize("section", ["caldav", "carddav"])
def test_where_calendars_and_contacts_are(section: str, url: str, message: str) -> None:
    (problem,) = problems({f"JMAPGW__BACKENDS__DEFAULT__{section.upper()}__URL": url})
    assert problem.startswith(f"backends.default.{section}.url: ")
    assert message in problem
    load(None, MINIMAL | {f"JMAPGW__BACKENDS__DEFAULT__{section.upper()}__URL": "http://127.0.0.1:5232/"})
