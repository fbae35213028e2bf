"""Where the servers of a backend are, and how a client's credentials are told to each of them."""

import ssl

from adapters.dav.connection import Credentials as DavCredentials
from adapters.imap.connection import Credentials as ImapCredentials
from adapters.imap.connection import Endpoint
from adapters.managesieve.connection import Endpoint as SieveEndpoint
from adapters.smtp.backend import Endpoint as SmtpEndpoint
from adapters.smtp.login import Credentials as SmtpCredentials
from gateway.config import ImapConfig, ManageSieveConfig, SubmissionConfig
from gateway.config_reader import ConfigError
from gateway.sync.pace import REQUESTS
from gateway.web.credentials import Credentials


def imap_endpoint(name: str, imap: ImapConfig) -> Endpoint:
    """Raises ConfigError where the CA file cannot be used."""
    return Endpoint(
        host=imap.host,
        port=imap.port,
        tls=imap.tls,
        ssl_context=None if imap.tls == "none" else tls_context(name, imap),
        connect_timeout=imap.connect_seconds,
        command_timeout=imap.command_seconds,
        compress=imap.compress,
        hurried=REQUESTS.waiting,
    )


def smtp_endpoint(name: str, smtp: SubmissionConfig) -> SmtpEndpoint:
    """Raises ConfigError where the CA file cannot be used."""
    return SmtpEndpoint(
        host=smtp.host,
        port=smtp.port,
        tls=smtp.tls,
        ssl_context=None if smtp.tls == "none" else tls_context(name, smtp, "submission"),
        connect_timeout=smtp.connect_seconds,
        command_timeout=smtp.command_seconds,
        final_timeout=smtp.final_seconds,
    )


def sieve_endpoint(name: str, server: ManageSieveConfig) -> SieveEndpoint:
    """Raises ConfigError where the CA file cannot be used."""
    return SieveEndpoint(
        host=server.host,
        port=server.port,
        tls=server.tls,
        ssl_context=None if server.tls == "none" else tls_context(name, server, "managesieve"),
        connect_timeout=server.connect_seconds,
        command_timeout=server.command_seconds,
    )


def tls_context(
    name: str, server: ImapConfig | SubmissionConfig | ManageSieveConfig, section: str = "imap"
) -> ssl.SSLContext:
    """What a backend's certificate is checked with. Raises ConfigError."""
    try:
        return ssl.create_default_context(cafile=None if server.ca_file is None else str(server.ca_file))
    except OSError as error:  # SSLError is one
        raise ConfigError([f"backends.{name}.{section}.ca_file: {error}"]) from error


def imap_credentials(credentials: Credentials, owner: str) -> ImapCredentials:
    """What goes to the server. A master user (RFC 4616 authentication identity) acts for the owner."""
    secret = credentials.secret.reveal()
    if credentials.scheme != "password":
        return ImapCredentials(
            owner, token=secret, mechanism="OAUTHBEARER" if credentials.scheme == "oauthbearer" else "XOAUTH2"
        )
    if credentials.login != credentials.username:
        return ImapCredentials(credentials.login, password=secret, authzid=owner)
    return ImapCredentials(owner, password=secret)


def dav_credentials(credentials: Credentials, owner: str) -> DavCredentials | None:
    """The same login at the DAV servers; None for a master user, for whom HTTP has no authorization identity."""
    secret = credentials.secret.reveal()
    if credentials.scheme != "password":
        return DavCredentials(owner, token=secret)
    return DavCredentials(owner, password=secret) if credentials.login == credentials.username else None


def smtp_credentials(credentials: ImapCredentials) -> SmtpCredentials:
    """The same login at the submission server."""
    return SmtpCredentials(
        credentials.username,
        password=credentials.password,
        token=credentials.token,
        authzid=credentials.authzid,
        mechanism="XOAUTH2" if credentials.mechanism == "XOAUTH2" else "auto",
    )
