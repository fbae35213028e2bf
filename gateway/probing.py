"""`check-config --probe`: connect to the servers of the configuration without logging in, and say what they can do."""

import asyncio
import imaplib
import smtplib
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from adapters.dav.probe import offer
from adapters.errors import AdapterError
from adapters.managesieve.connection import Connection as SieveConnection
from gateway.app import open_store
from gateway.config import Config, DavConfig, ImapConfig, ManageSieveConfig, SubmissionConfig
from gateway.dav_logins import dav_endpoint
from gateway.endpoints import sieve_endpoint, tls_context
from gateway.store.base import StoreUnavailable

Finding = tuple[bool, str]
"""Whether a server can be used, and what there is to say of it."""

SECONDS: Final = 10.0


def probe(config: Config) -> Iterator[Finding]:
    """One finding for each server, and one for the store. Raises ConfigError where a CA file cannot be used."""
    for name, backend in config.backends.items():
        yield _imap(name, backend.imap)
        if backend.submission is not None:
            yield _submission(name, backend.submission)
        if backend.managesieve is not None:
            yield _managesieve(name, backend.managesieve)
        if backend.caldav is not None:
            yield _dav(name, "caldav", backend.caldav)
        if backend.carddav is not None:
            yield _dav(name, "carddav", backend.carddav)
    yield asyncio.run(_store(config))


def _imap(name: str, imap: ImapConfig) -> Finding:
    place = f"{name}: imap {imap.host}:{imap.port}"
    try:
        if imap.tls == "implicit":
            context = tls_context(name, imap)
            client: imaplib.IMAP4 = imaplib.IMAP4_SSL(imap.host, imap.port, ssl_context=context, timeout=SECONDS)
        else:
            client = imaplib.IMAP4(imap.host, imap.port, timeout=SECONDS)
            if imap.tls == "starttls":
                client.starttls(tls_context(name, imap))
        with client:
            return True, f"{place}: {' '.join(client.capabilities)}"
    except (OSError, imaplib.IMAP4.error) as error:
        return False, f"{place}: {error}"


def _submission(name: str, server: SubmissionConfig) -> Finding:
    place = f"{name}: submission {server.host}:{server.port}"
    try:
        if server.tls == "implicit":
            context = tls_context(name, server, "submission")
            client: smtplib.SMTP = smtplib.SMTP_SSL(server.host, server.port, context=context, timeout=SECONDS)
        else:
            client = smtplib.SMTP(server.host, server.port, timeout=SECONDS)
        with client:
            client.ehlo_or_helo_if_needed()
            if server.tls == "starttls":
                client.starttls(context=tls_context(name, server, "submission"))
                client.ehlo_or_helo_if_needed()
            words = [word for key, value in client.esmtp_features.items() for word in (key.upper(), *value.split())]
            return "auth" in client.esmtp_features, f"{place}: {' '.join(words) or 'offers nothing'}"
    except (OSError, smtplib.SMTPException) as error:  # SMTPException is an OSError
        return False, f"{place}: {error}"


def _managesieve(name: str, server: ManageSieveConfig) -> Finding:
    place = f"{name}: managesieve {server.host}:{server.port}"
    try:
        offered = asyncio.run(SieveConnection.offer(sieve_endpoint(name, server)))
    except AdapterError as error:
        return False, f"{place}: {error}"
    said = [offered.get("IMPLEMENTATION", ""), offered.get("SIEVE", ""), f"SASL {offered.get('SASL', '')}".strip()]
    return True, f"{place}: {', '.join(filter(None, said))}"


def _dav(name: str, section: str, dav: DavConfig) -> Finding:
    """What the server is, as far as strangers are told, and what login it wants."""
    place = f"{name}: {section} {dav.url}"
    path = urlsplit(dav.url).path
    try:
        endpoint = dav_endpoint(f"backends.{name}.{section}", dav)
        found = asyncio.run(offer(endpoint, path if path.strip("/") else f"/.well-known/{section}"))
    except AdapterError as error:
        return False, f"{place}: {error}"
    classes = " ".join(found.classes) or "tells strangers nothing"
    said = f"{place}: {found.status} at {found.path}, {found.server}, {classes}"
    wanted = f"asks for {' or '.join(found.schemes) or 'nothing that is known'}" if found.status == 401 else ""
    return found.usable, ", ".join(filter(None, (said, wanted)))


async def _store(config: Config) -> Finding:
    store = open_store(config.store)
    try:
        await store.ping()
        warnings = await store.warnings()
    except StoreUnavailable as error:
        return False, f"store: {config.store.kind}: {error}"
    finally:
        await store.close()
    return True, "\n".join([f"store: {config.store.kind}: ok", *(f"store: warning: {text}" for text in warnings)])
