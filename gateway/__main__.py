"""The command line. Exit codes: 0 all well, 1 it failed while running, 2 wrong usage or configuration."""

import argparse
import asyncio
import http.client
import json
import sys
from pathlib import Path
from typing import Any, Final

from gateway import demo
from gateway.config import Config
from gateway.config_file import load
from gateway.config_reader import Address, ConfigError, redacted

OK: Final = 0
FAILED: Final = 1
WRONG_USAGE: Final = 2

DEFAULT_FILE: Final = Path("/etc/jmap-gateway/gateway.toml")
CONVERT: Final = """Convert iCalendar to JSCalendar 2.0, vCard to JSContact, or back. The input may hold several
calendars, cards or objects. Exit status: 0 converted, and a round trip changes nothing; 1 converted, but a round trip
changes something, or a part of the input is broken (--report says what); 2 it could not be read."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit code."""
    args = _parser().parse_args(arguments)
    try:
        code: int = args.run(args)
    except ConfigError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        return WRONG_USAGE
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="jmap-gateway", description="JMAP in front of the servers you already run.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, run, text in (
        ("serve", _serve, "serve JMAP"),
        ("check-config", _check_config, "say what is wrong with the configuration"),
        ("print-config", _print_config, "print the configuration in force, without secrets"),
        ("healthcheck", _healthcheck, "ask a running gateway whether it is alive"),
    ):
        command = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        command.add_argument(
            "--config", type=Path, default=None, metavar="FILE",
            help=f"TOML file (default: {DEFAULT_FILE} if it exists; environment variables win)",
        )  # fmt: skip
        command.set_defaults(run=run)
        if name == "check-config":
            command.add_argument("--probe", action="store_true", help="connect to the servers, show what they can do")
    text = "run the gateway with servers and sample data of its own"
    command = commands.add_parser("demo", help=text, description=f"{text[0].upper()}{text[1:]}.")
    demo.add_arguments(command)
    command.set_defaults(run=demo.run)
    text = "convert iCalendar to JSCalendar 2.0, vCard to JSContact, or back"
    _convert_arguments(commands.add_parser("convert", help=text, description=CONVERT))
    return parser


def _convert_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", help="file of calendars or contacts, - for standard input; the format is detected")
    parser.add_argument(
        "--to",
        choices=("jscalendar", "icalendar", "rfc8984", "jscontact", "vcard", "vcard3"),
        help="target format (default: the other one); rfc8984: JSCalendar with the old names; vcard: 4.0, vcard3: 3.0",
    )
    parser.add_argument("--from-rfc8984", action="store_true", help="accept the old names of RFC 8984 in the input")
    parser.add_argument("--report", action="store_true", help="say on standard error what was kept, lost or changed")
    parser.set_defaults(run=_convert)


def _convert(args: argparse.Namespace) -> int:
    from gateway import convert  # noqa: PLC0415 - see _serve

    return convert.run(args)


def _serve(args: argparse.Namespace) -> int:
    # Here and not above, because `healthcheck` runs twice a minute and needs none of it.
    from gateway import app  # noqa: PLC0415
    from gateway.web import logs  # noqa: PLC0415

    config = _load(args)
    logs.set_up(config.log.level, config.log.format)
    try:
        asyncio.run(app.run(config))
    except OSError as error:
        print(f"cannot serve: {error}", file=sys.stderr)
        return FAILED
    return OK


def _check_config(args: argparse.Namespace) -> int:
    from gateway import app  # noqa: PLC0415 - see _serve

    config = _load(args)
    asyncio.run(app.check(config))
    print("The configuration is complete and consistent.")
    if not args.probe:
        return OK
    from gateway.probing import probe  # noqa: PLC0415 - see _serve

    code = OK
    for usable, text in probe(config):
        print(text)
        code = code if usable else FAILED
    return code


def _print_config(args: argparse.Namespace) -> int:
    for line in _toml(redacted(_load(args))):
        print(line)
    return OK


def _healthcheck(args: argparse.Namespace) -> int:
    listen = _load(args).server.listen
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(listen.host, listen.host)  # noqa: S104 - only compared
    connection = http.client.HTTPConnection(host, listen.port, timeout=4)
    try:
        connection.request("GET", "/healthz")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        print(f"{Address(host, listen.port)}: {error}", file=sys.stderr)
        return FAILED
    finally:
        connection.close()
    return OK if status == http.HTTPStatus.OK else FAILED


def _load(args: argparse.Namespace) -> Config:
    file: Path | None = args.config
    if file is None and DEFAULT_FILE.exists():
        file = DEFAULT_FILE
    return load(file)


def _toml(table: dict[str, Any], prefix: str = "") -> list[str]:
    """The table as TOML; keys without a value are left out."""
    lines = [f"[{prefix}]"] if prefix and any(not isinstance(value, dict) for value in table.values()) else []
    for name, value in table.items():
        if value is not None and not isinstance(value, dict):
            lines.append(f"{_key(name)} = {json.dumps(value, ensure_ascii=False)}")
    for name, value in table.items():
        if isinstance(value, dict):
            lines.extend(_toml(value, f"{prefix}.{_key(name)}" if prefix else _key(name)))
    return lines


def _key(name: str) -> str:
    return name if name.replace("-", "").replace("_", "").isalnum() and name.isascii() else json.dumps(name)


if __name__ == "__main__":
    sys.exit(main())
