"""What the handlers find in the application and in a request, typed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

from gateway.config import Config
from gateway.context import BlobSource
from gateway.jmap.capabilities import CoreLimits
from gateway.jmap.registry import Registry
from gateway.store.base import Store
from gateway.store.blobs import Uploads
from gateway.store.cache import ByteCache
from gateway.web.auth import Authenticator
from gateway.web.drain import Drain
from gateway.web.metrics import Meters
from gateway.web.probe import StoreProbe
from gateway.web.slots import Slots


@dataclass(frozen=True, slots=True)
class Services:
    """Everything that the web layer is given by the composition root.

    capabilities: URN -> the object of the session's `capabilities`; also what `using` may name.
    """

    config: Config
    authenticator: Authenticator
    registry: Registry
    capabilities: Mapping[str, Mapping[str, Any]]
    limits: CoreLimits
    store: Store
    uploads: Uploads
    cache: ByteCache
    blobs: BlobSource
    meters: Meters
    probe: StoreProbe
    api_slots: Slots
    upload_slots: Slots
    stream_slots: Slots
    drain: Drain = field(default_factory=Drain)


SERVICES: Final = web.AppKey("services", Services)


def services(request: web.Request) -> Services:
    """The services of the application that serves this request."""
    return request.app[SERVICES]
