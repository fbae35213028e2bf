"""The configuration as frozen dataclasses; `config/gateway.toml` documents every key. `config_file` reads them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from gateway.config_reader import Address, Network, Secret, number

LISTEN: Final = Address("127.0.0.1", 8080)
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
    compress: bool = False


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
class DavConfig:
    """A DAV server. [backends.NAME.carddav]: that of the contacts (RFC 6352). Without it there are none."""

    url: str
    ca_file: Path | None = None
    allow_plaintext: bool = False
    max_connections: int = number(4, 1, 50)
    connect_seconds: float = number(10.0, 0.1, 300)
    read_seconds: float = number(60.0, 0.1, 3600)
    answer_seconds: float = number(300.0, 1, 3600)


@dataclass(frozen=True, slots=True)
class CalDavConfig(DavConfig):
    """[backends.NAME.caldav]: the calendar server (RFC 4791). Without it there are no calendars."""

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
    carddav: DavConfig | None = None


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
