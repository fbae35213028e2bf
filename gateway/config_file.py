"""Reading the configuration: a TOML file, environment variables over it, and what contradicts itself in both.

Each key is also `JMAPGW__SECTION__KEY` in the environment, which wins; a secret may be given as a file by adding
`_FILE` (`_file` in TOML).
"""

import ipaddress
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

from gateway.config import Auth, Config, DavConfig, ImapConfig, ManageSieveConfig, StoreConfig, SubmissionConfig
from gateway.config_environment import misspelt, overlay_environment
from gateway.config_reader import ConfigError, Reader

SHORTEST_KEY: Final = 32

_DOMAIN: Final = re.compile(r"\*|[^\s@_/*]+")


def load(path: Path | None, environment: Mapping[str, str] = os.environ) -> Config:
    """The configuration from a TOML file (None: none) and the environment. Raises ConfigError."""
    table = overlay_environment(_read_toml(path), environment)
    reader = Reader()
    reader.problems += misspelt(Config, environment)
    config = reader.section(Config, table)
    if config is not None:
        reader.problems.extend(_contradictions(config))
    if config is None or reader.problems:
        raise ConfigError(reader.problems)
    return config


def _read_toml(path: Path | None) -> dict[str, object]:
    if path is None:
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: cannot be read: {error}"]) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{path}: is not TOML: {error}"]) from error


def _contradictions(config: Config) -> list[str]:
    """What is wrong although every value by itself is fine."""
    problems = [*_backend_problems(config), *_auth_problems(config.auth), *_store_problems(config.store)]
    problems += _alert_problems(config)
    if config.smime.revocation_fetch and config.smime.revocation == "off":
        problems.append('smime.revocation_fetch: needs smime.revocation = "soft" or "hard"')
    if config.server.public_url is not None:
        url = _split(config.server.public_url)
        if url.scheme not in {"http", "https"} or not url.netloc or url.query or url.fragment:
            problems.append('server.public_url: must be like "https://jmap.example.org"')
    if config.push.contact is not None and not config.push.contact.startswith(("mailto:", "https://")):
        problems.append('push.contact: must be like "mailto:postmaster@example.org"')  # RFC 8292 §2.1
    for origin in config.cors.origins:
        parts = _split(origin)
        if origin != "*" and (not parts.scheme or not parts.netloc or origin != f"{parts.scheme}://{parts.netloc}"):
            problems.append(f'cors.origins: {origin!r} is not an origin such as "https://mail.example.org"')
    return problems


def _backend_problems(config: Config) -> list[str]:
    problems = []
    if not config.backends:
        problems.append("backends: at least one is required, such as backends.default.imap.host")
    for domain, name in config.domains.items():
        if not _DOMAIN.fullmatch(domain):
            problems.append(f'domains.{domain}: is no mail domain such as "example.org"')
        if name not in config.backends:
            problems.append(f"domains.{domain}: there is no backend {name!r}")
    for name, backend in config.backends.items():
        sections: dict[str, ImapConfig | SubmissionConfig | ManageSieveConfig] = {"imap": backend.imap}
        sections |= {"submission": backend.submission} if backend.submission else {}
        sections |= {"managesieve": backend.managesieve} if backend.managesieve else {}
        for section, server in sections.items():
            if server.tls == "none" and not server.allow_plaintext and not _is_loopback(server.host):
                problems.append(
                    f'backends.{name}.{section}.tls: "none" sends passwords readable over the network; '
                    "allowed to this machine only, unless allow_plaintext = true"
                )
        for section, dav in (("caldav", backend.caldav), ("carddav", backend.carddav)):
            problems += [] if dav is None else _dav_problems(f"backends.{name}.{section}", dav)
    return problems


def _dav_problems(section: str, server: DavConfig) -> list[str]:
    url = _split(server.url)
    problems = []
    if url.scheme not in {"http", "https"} or not url.hostname or url.query or url.fragment or url.username:
        problems.append(f'{section}.url: must be like "https://dav.example.org/"')
    elif url.scheme == "http" and not server.allow_plaintext and not _is_loopback(url.hostname):
        problems.append(
            f'{section}.url: "http:" sends passwords readable over the network; '
            "allowed to this machine only, unless allow_plaintext = true"
        )
    return problems


def _alert_problems(config: Config) -> list[str]:
    problems = []
    for name, backend in config.backends.items():
        if backend.caldav is None or backend.caldav.email_alerts != "on":
            continue
        key = f"backends.{name}.caldav.email_alerts"
        if config.auth.credentials_key is None:
            problems.append(f"{key}: needs auth.credentials_key, as alerts are sent while no client is there")
        if backend.submission is None:
            problems.append(f"{key}: needs backends.{name}.submission")
        if config.store.kind == "memory":
            problems.append(f"{key}: needs a store that lasts")
    return problems


def _store_problems(store: StoreConfig) -> list[str]:
    if store.kind != "redis":
        return []
    problems = []
    url = _split(store.url.reveal())
    schemes = {"redis", "rediss"} if store.sentinels else {"redis", "rediss", "unix"}
    if url.scheme not in schemes or not (url.netloc or url.path):
        problems.append('store.url: must be like "redis://:password@127.0.0.1:6379/0"')
    for address in store.sentinels:
        host, _, port = address.rpartition(":")
        if not host or not port.isdecimal():
            problems.append(f'store.sentinels: {address!r} is not like "10.0.0.1:26379"')
    if not store.sentinels and (store.sentinel_user or store.sentinel_password):
        problems.append("store.sentinel_password: needs store.sentinels")
    return problems


def _auth_problems(auth: Auth) -> list[str]:
    problems = []
    if (auth.master_user is None) != (auth.master_password is None):
        problems.append("auth.master_user: needs auth.master_password, and the other way round")
    if auth.trusted_header is not None:
        if not auth.trusted_header_proxies:
            problems.append("auth.trusted_header: needs auth.trusted_header_proxies")
        if auth.master_user is None:
            problems.append("auth.trusted_header: needs auth.master_user, which opens the users' mail")
    if auth.credentials_key is not None and len(auth.credentials_key.reveal()) < SHORTEST_KEY:
        problems.append(f"auth.credentials_key: must have at least {SHORTEST_KEY} characters, chosen at random")
    if len(auth.master_separator) != 1:
        problems.append("auth.master_separator: must be one character")
    if not auth.basic and auth.bearer == "off" and auth.trusted_header is None:
        problems.append("auth: basic, bearer and trusted_header are all off, so nobody could log in")
    return problems


def _split(text: str) -> SplitResult:
    """The parts of a URL, all empty for what is none."""
    try:
        url = urlsplit(text)
        url.port  # noqa: B018 - raises where it is no number
    except ValueError:
        return urlsplit("")
    return url


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
