"""The configuration: a TOML file, environment variables over it, frozen dataclasses out of both.

`config/gateway.toml` documents every key. Each is also `JMAPGW__SECTION__KEY` in the environment, which wins;
a secret may be given as a file by adding `_FILE` (`_file` in TOML).
"""

import ipaddress
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from gateway.config_reader import (
    Address,
    ConfigError,
    Network,
    Reader,
    Secret,
    number,
    overlay_environment,
)

LISTEN: Final = Address("127.0.0.1", 8080)
SHORTEST_KEY: Final = 32
REDIS_URL: Final = Secret("redis://127.0.0.1:6379/0")


@dataclass(frozen=True, slots=True)
class Server:
    """[server]: where and how HTTP is served. Times in seconds."""

    listen: Address = LISTEN
    public_url: str | None = None
    trusted_proxies: tuple[Network, ...] = ()
    drain_seconds: float = number(20.0, 0, 25)
    request_seconds: float = number(120.0, 1, 3600)
    header_seconds: float = number(20.0, 0.1, 75)
    body_seconds: float = number(30.0, 0.1, 75)
    keep_alive_seconds: float = number(75.0, 1, 3600)


@dataclass(frozen=True, slots=True)
class Limits:
    """[limits]: of the core capability (RFC 8620 §2), sizes in octets, and of the gateway itself."""

    max_size_upload: int = number(50_000_000, 1, 2**40)
    max_concurrent_upload: int = number(4, 1, 1000)
    max_size_request: int = number(10_000_000, 1000, 2**30)
    max_concurrent_requests: int = number(8, 1, 1000)
    max_calls_in_request: int = number(32, 1, 1000)
    max_objects_in_get: int = number(1000, 1, 100_000)
    max_objects_in_set: int = number(1000, 1, 100_000)
    max_event_streams: int = number(8, 1, 10_000)
    cache_bytes: int = number(16_000_000, 0, 2**40)
    upload_seconds: float = number(86_400.0, 3600, 31_536_000)  # RFC 8620 §6: at least one hour


@dataclass(frozen=True, slots=True)
class Auth:
    """[auth]: how a client proves who it is. The backend always has the last word."""

    basic: bool = True
    bearer: Literal["off", "oauthbearer", "xoauth2"] = "off"
    bearer_claim: str = "email"
    cache_seconds: float = number(60.0, 0, 60)
    idle_seconds: float = number(900.0, 1, 86_400)
    max_logins: int = number(1000, 1, 1_000_000)
    failures_per_address: int = number(20, 1, 100_000)
    failures_per_user: int = number(10, 1, 100_000)
    failure_seconds: float = number(300.0, 1, 86_400)
    master_user: str | None = None
    master_password: Secret | None = None
    master_separator: str = "*"
    trusted_header: str | None = None
    trusted_header_proxies: tuple[Network, ...] = ()
    credentials_key: Secret | None = None


@dataclass(frozen=True, slots=True)
class StoreConfig:
    """[store]: what the gateway remembers. Losing it loses no mail."""

    kind: Literal["sqlite", "redis", "memory"] = "sqlite"
    path: Path = Path("jmap-gateway.sqlite")
    url: Secret = REDIS_URL
    sentinels: tuple[str, ...] = ()
    sentinel_user: str | None = None
    sentinel_password: Secret | None = None
    replicas: int = number(0, 0, 10)
    required: bool = False


@dataclass(frozen=True, slots=True)
class ImapConfig:
    """[backends.NAME.imap]: the mail server."""

    host: str
    port: int = number(993, 1, 65_535)
    tls: Literal["implicit", "starttls", "none"] = "implicit"
    ca_file: Path | None = None
    allow_plaintext: bool = False
    max_connections: int = number(4, 2, 50)
    connect_seconds: float = number(10.0, 0.1, 300)
    command_seconds: float = number(60.0, 0.1, 3600)
    idle_seconds: float = number(300.0, 1, 1700)  # RFC 9051 §5.4: a server may drop an idle client after 30 minutes
    id_source: Literal["auto", "emailid", "x-gm-msgid", "x-guid", "fingerprint"] = "auto"
    virtual_folders: tuple[str, ...] = ()
    shared_mailboxes: bool = True


@dataclass(frozen=True, slots=True)
class SubmissionConfig:
    """[backends.NAME.submission]: the server that takes mail to be sent (RFC 6409). Without it nothing is sent."""

    host: str
    port: int = number(465, 1, 65_535)
    tls: Literal["implicit", "starttls", "none"] = "implicit"
    ca_file: Path | None = None
    allow_plaintext: bool = False
    identity_domain: str | None = None
    senders: tuple[str, ...] = ()
    connect_seconds: float = number(10.0, 0.1, 300)
    command_seconds: float = number(60.0, 0.1, 3600)
    final_seconds: float = number(600.0, 1, 3600)  # RFC 5321 §4.5.3.2.6


@dataclass(frozen=True, slots=True)
class ManageSieveConfig:
    """[backends.NAME.managesieve]: the server of the Sieve scripts (RFC 5804). Without it no mail is filtered here."""

    host: str
    port: int = number(4190, 1, 65_535)
    tls: Literal["implicit", "starttls", "none"] = "starttls"
    ca_file: Path | None = None
    allow_plaintext: bool = False
    connect_seconds: float = number(10.0, 0.1, 300)
    command_seconds: float = number(60.0, 0.1, 3600)
    idle_seconds: float = number(60.0, 1, 1700)  # RFC 5804 §1.5: a server may drop an idle client after 30 minutes


@dataclass(frozen=True, slots=True)
class CalDavConfig:
    """[backends.NAME.caldav]: the calendar server (RFC 4791). Without it there are no calendars."""

    url: str
    ca_file: Path | None = None
    allow_plaintext: bool = False
    max_connections: int = number(4, 1, 50)
    connect_seconds: float = number(10.0, 0.1, 300)
    read_seconds: float = number(60.0, 0.1, 3600)
    answer_seconds: float = number(300.0, 1, 3600)
    email_alerts: Literal["auto", "on", "off"] = "auto"


@dataclass(frozen=True, slots=True)
class Backend:
    """[backends.NAME]: the servers of one set of users. `user` is the login there: %u, %n, %d are the name given
    by the client, its part before and its part after the @."""

    imap: ImapConfig
    user: str = "%u"
    submission: SubmissionConfig | None = None
    managesieve: ManageSieveConfig | None = None
    caldav: CalDavConfig | None = None


@dataclass(frozen=True, slots=True)
class Push:
    """[push]: hearing of changes while somebody listens, and telling clients that are closed."""

    poll_seconds: float = number(60.0, 1, 3600)
    subscription_seconds: float = number(604_800.0, 172_800, 31_536_000)  # RFC 8620 §7.2: at least 48 hours
    request_seconds: float = number(30.0, 0.1, 300)
    ca_file: Path | None = None
    vapid_key: Secret | None = None
    contact: str | None = None


@dataclass(frozen=True, slots=True)
class Cors:
    """[cors]: which web pages may call the gateway. No cookies are ever involved."""

    origins: tuple[str, ...] = ("*",)


@dataclass(frozen=True, slots=True)
class Metrics:
    """[metrics]: a listener of its own for Prometheus and the probes."""

    listen: Address | None = None


@dataclass(frozen=True, slots=True)
class Smime:
    """[smime]: verification of S/MIME signatures (RFC 9219), done only for requests that ask for it."""

    enabled: bool = True
    trust_anchors: Path | None = None
    cache_seconds: float = number(86_400.0, 60, 86_400)  # RFC 9219 §4.1: at most 24 hours
    max_message_size: int = number(50_000_000, 1000, 2**30)
    revocation: Literal["off", "soft", "hard"] = "off"
    revocation_lists: Path | None = None
    revocation_fetch: bool = False


@dataclass(frozen=True, slots=True)
class Egress:
    """[egress]: where the gateway may connect to on the word of somebody else: public addresses, and these networks."""

    networks: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True)
class Log:
    """[log]: one line per event on standard output."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "text"] = "json"


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration. `domains`: mail domain -> name of a backend; "*" stands for every other one."""

    server: Server
    limits: Limits
    auth: Auth
    store: StoreConfig
    push: Push
    cors: Cors
    metrics: Metrics
    smime: Smime
    egress: Egress
    log: Log
    backends: dict[str, Backend] = field(default_factory=dict)
    domains: dict[str, str] = field(default_factory=dict)

    def backend_of(self, username: str) -> str | None:
        """The name of the backend that serves this user; None where no domain and no default fits."""
        domain = username.rpartition("@")[2].lower() if "@" in username else ""
        if domain in self.domains:
            return self.domains[domain]
        if "*" in self.domains:
            return self.domains["*"]
        return next(iter(self.backends)) if len(self.backends) == 1 and not self.domains else None


def load(path: Path | None, environment: Mapping[str, str] = os.environ) -> Config:
    """The configuration from a TOML file (None: none) and the environment. Raises ConfigError."""
    table = overlay_environment(_read_toml(path), environment)
    reader = Reader()
    config = reader.section(Config, table)
    if config is not None:
        reader.problems.extend(_contradictions(config))
    if config is None or reader.problems:
        raise ConfigError(reader.problems)
    return config


def backend_user(template: str, username: str) -> str:
    """The login name at the backend: %u, %n and %d of the template filled in, %% is a percent sign."""
    local, at, domain = username.rpartition("@")
    values = {"%u": username, "%n": local if at else username, "%d": domain if at else "", "%%": "%"}
    pieces, rest = [], template
    while rest:
        pair = rest[:2]
        pieces.append(values.get(pair, rest[0]))
        rest = rest[2:] if pair in values else rest[1:]
    return "".join(pieces)


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
        url = urlsplit(config.server.public_url)
        if url.scheme not in {"http", "https"} or not url.netloc or url.query or url.fragment:
            problems.append('server.public_url: must be like "https://jmap.example.org"')
    if config.push.contact is not None and not config.push.contact.startswith(("mailto:", "https://")):
        problems.append('push.contact: must be like "mailto:postmaster@example.org"')  # RFC 8292 §2.1
    for origin in config.cors.origins:
        parts = urlsplit(origin)
        if origin != "*" and (not parts.scheme or not parts.netloc or origin != f"{parts.scheme}://{parts.netloc}"):
            problems.append(f'cors.origins: {origin!r} is not an origin such as "https://mail.example.org"')
    return problems


def _backend_problems(config: Config) -> list[str]:
    problems = []
    if not config.backends:
        problems.append("backends: at least one is required, such as backends.default.imap.host")
    for domain, name in config.domains.items():
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
        if backend.caldav is not None:
            problems += _dav_problems(f"backends.{name}.caldav", backend.caldav)
    return problems


def _dav_problems(section: str, server: CalDavConfig) -> list[str]:
    url = urlsplit(server.url)
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
    url = urlsplit(store.url.reveal())
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


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
