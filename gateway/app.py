"""The composition root: from the configuration to a running gateway. Nothing is global: all is made here."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace

from gateway.backends import MailBackends
from gateway.config import Config, StoreConfig
from gateway.context import Context, Login
from gateway.jmap.capabilities import CORE, CoreLimits
from gateway.jmap.registry import Registry
from gateway.objects import DATA_TYPES, METHODS, Blobs
from gateway.objects.calendars.capability import AVAILABILITY, CALENDARS, PARSE
from gateway.objects.contacts.capability import CONTACTS
from gateway.objects.mail.email_push import EMAIL_PUSH
from gateway.objects.mail.smime import SMIME
from gateway.objects.principals.capability import PRINCIPALS
from gateway.objects.sieve import capability as sieve
from gateway.objects.submission.capability import SUBMISSION
from gateway.objects.submission.mdn import MDN
from gateway.postman import Postman
from gateway.pushing import Pushing
from gateway.signatures import signature_judge
from gateway.store.base import Store
from gateway.store.blobs import Uploads
from gateway.store.cache import ByteCache
from gateway.store.sqlite import SqliteStore
from gateway.sync.watch import ended
from gateway.unattended import Unattended
from gateway.web import logs, server
from gateway.web.auth import Authenticator
from gateway.web.keys import Services
from gateway.web.logins import Logins
from gateway.web.metrics import Meters
from gateway.web.probe import StoreProbe
from gateway.web.session import TRANSPORT
from gateway.web.slots import Slots

log = logging.getLogger(__name__)


async def run(config: Config, listening: Callable[[list[str]], None] | None = None) -> None:
    """Serve until a signal comes; `listening` is called with the addresses once connections are accepted.

    Raises ConfigError, OSError where an address cannot be listened on.
    """
    asyncio.get_running_loop().set_exception_handler(logs.exception_handler)
    async with services(config) as found:
        await server.serve(found, listening)


async def check(config: Config) -> None:
    """Make all that is served, with a store in memory. Raises ConfigError, also for files that cannot be used."""
    async with services(replace(config, store=StoreConfig(kind="memory"))):
        pass


@contextlib.asynccontextmanager
async def services(config: Config) -> AsyncIterator[Services]:
    """Everything that is served, open while the context lasts. Raises ConfigError."""
    meters, limits = Meters(), core_limits(config)
    async with contextlib.AsyncExitStack() as stack:
        store = open_store(config.store)
        stack.push_async_callback(store.close)
        probe = StoreProbe(store, meters)
        if not await probe.answers():
            log.warning("the store does not answer; mail is served from memory, uploads are refused until it does")
        registry = Registry.build(DATA_TYPES, METHODS)
        capabilities = _capabilities(registry, limits, config)
        uploads, cache = Uploads(store, config.limits.upload_seconds), ByteCache(config.limits.cache_bytes)
        blobs = Blobs(uploads)

        def make_context(login: Login) -> Context:
            return Context(login, frozenset(capabilities), limits, uploads, blobs, cache, request_id="")

        push = Pushing(config, store, capabilities, make_context)
        yield Services(
            config=config,
            authenticator=await _authenticator(stack, config, store, meters, push),
            registry=registry,
            capabilities=capabilities,
            limits=limits,
            store=store,
            uploads=uploads,
            cache=cache,
            blobs=blobs,
            meters=meters,
            probe=probe,
            api_slots=Slots("maxConcurrentRequests", limits.max_concurrent_requests),
            upload_slots=Slots("maxConcurrentUpload", limits.max_concurrent_upload),
            stream_slots=Slots("maxEventStreams", config.limits.max_event_streams),
        )


async def _authenticator(
    stack: contextlib.AsyncExitStack, config: Config, store: Store, meters: Meters, push: Pushing
) -> Authenticator:
    """Who opens logins, for clients and for the work without them, which begins here; all end with the stack."""
    judge = signature_judge(config)
    if judge is not None:
        stack.push_async_callback(judge.close)
    postman = Postman(store, Unattended(config.auth), config.backend_of, lasting=config.store.kind != "memory")
    backends = MailBackends(config, store, meters, judge, postman.hold)
    logins = Logins(lambda credentials: push.open(backends.open, credentials), config.auth)
    push.logins = postman.logins = logins
    stack.push_async_callback(logins.close)
    _background(stack, logins.sweep_forever())
    meters.logins.set_function(lambda: len(logins))
    authenticator = Authenticator(config, logins, store)
    if store.shared:
        _background(stack, authenticator.share_failures())
    stack.push_async_callback(push.pushers.close)
    await push.pushers.start()
    if postman.is_there:
        _background(stack, postman.run())
    return authenticator


def open_store(config: StoreConfig) -> Store:
    """The configured store; it connects when it is first asked."""
    if config.kind == "redis":
        from gateway.store.redis import RedisStore  # noqa: PLC0415 - 6 MB that others need not have
        from gateway.store.redis_pools import Sentinels  # noqa: PLC0415 - the same

        password = None if config.sentinel_password is None else config.sentinel_password.reveal()
        found = Sentinels(config.sentinels, config.sentinel_user, password) if config.sentinels else None
        return RedisStore(config.url.reveal(), sentinels=found, replicas=config.replicas)
    return SqliteStore(config.path if config.kind == "sqlite" else None)


def core_limits(config: Config) -> CoreLimits:
    """The limits that are advertised and enforced."""
    limits = config.limits
    return CoreLimits(
        max_size_upload=limits.max_size_upload,
        max_concurrent_upload=limits.max_concurrent_upload,
        max_size_request=limits.max_size_request,
        max_concurrent_requests=limits.max_concurrent_requests,
        max_calls_in_request=limits.max_calls_in_request,
        max_objects_in_get=limits.max_objects_in_get,
        max_objects_in_set=limits.max_objects_in_set,
    )


def _capabilities(registry: Registry, limits: CoreLimits, config: Config) -> dict[str, dict[str, object]]:
    """The session's capabilities: those that a method belongs to (RFC 8620 §2); the accounts carry the details."""
    methods = [registry.find(name, None) for name in registry.names()]
    found: dict[str, dict[str, object]] = {method.capability: {} for method in methods if method is not None}
    for urn, value in sieve.SESSION.items():
        if any(backend.managesieve is not None for backend in config.backends.values()):
            found[urn] = dict(value)
        else:
            found.pop(urn, None)
    found[EMAIL_PUSH] = {}  # draft-ietf-jmap-emailpush-03 §2.1: it brings a property, no method
    if config.smime.enabled:
        found[SMIME] = {}  # RFC 9219 §3: it brings properties and conditions, no method
    if all(backend.submission is None for backend in config.backends.values()):
        for urn in (SUBMISSION, MDN):
            found.pop(urn, None)
    if all(backend.caldav is None for backend in config.backends.values()):
        for urn in (CALENDARS, PARSE, PRINCIPALS, AVAILABILITY):
            found.pop(urn, None)
    if all(backend.carddav is None for backend in config.backends.values()):
        found.pop(CONTACTS, None)
    return found | {CORE: limits.to_json()} | {urn: dict(value) for urn, value in TRANSPORT.items()}


def _background(stack: contextlib.AsyncExitStack, work: Coroutine[None, None, None]) -> None:
    """Run something until the stack is left."""
    stack.push_async_callback(ended, [asyncio.create_task(work)])
