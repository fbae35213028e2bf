"""What the gateway counts, for Prometheus. No label ever holds a user, an address or anything a client made up."""

from functools import cache
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST

_METHOD_ERRORS: Final = frozenset(
    {
        "accountNotFound", "accountNotSupportedByMethod", "accountReadOnly", "anchorNotFound",
        "cannotCalculateChanges", "forbidden", "fromAccountNotFound", "fromAccountNotSupportedByMethod",
        "invalidArguments", "invalidResultReference", "overQuota", "requestTooLarge", "serverFail",
        "serverPartialFail", "serverUnavailable", "stateMismatch", "tooLarge", "tooManyChanges",
        "unknownMethod", "unsupportedFilter", "unsupportedSort",
    }
)  # fmt: skip


class Meters:
    """The metrics of one application, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        r = self.registry
        self.requests = Counter(
            "jmapgw_http_requests",
            "HTTP requests by route, method and status.",
            ("route", "method", "status"),
            registry=r,
        )
        self.seconds = Histogram(
            "jmapgw_http_request_seconds", "Time from the request's header to the end of its answer.", ("route",),
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120), registry=r,
        )  # fmt: skip
        self.in_flight = Gauge("jmapgw_http_in_flight", "HTTP requests being served.", registry=r)
        self.calls = Counter("jmapgw_method_calls", "JMAP method calls.", ("method",), registry=r)
        self.errors = Counter("jmapgw_method_errors", "JMAP method errors by type.", ("type",), registry=r)
        self.opens = Counter(
            "jmapgw_backend_logins", "Logins asked of backends: ok, refused, unavailable.", ("result",), registry=r
        )
        self.logins = Gauge("jmapgw_open_logins", "Logins held open.", registry=r)
        self.streams = Gauge("jmapgw_event_streams", "Open event streams.", registry=r)
        self.sockets = Gauge("jmapgw_websockets", "Open WebSockets.", registry=r)
        self.pings = Counter("jmapgw_store_pings", "Store probes: ok, failed.", ("result",), registry=r)
        # `labels` costs more than counting does; there are few sets of labels, and each is kept anyway
        self._requests_of = cache(self.requests.labels)
        self._seconds_of = cache(self.seconds.labels)
        self._calls_of = cache(self.calls.labels)

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request that has ended."""
        self._requests_of(route, method, str(status)).inc()
        self._seconds_of(route).observe(seconds)

    def method_call(self, name: str) -> None:
        """Count a call of a method that there is, else "unknown"."""
        self._calls_of(name).inc()

    def method_error(self, kind: object) -> None:
        """Count a method error; a type that is not in the standards counts as "other"."""
        self.errors.labels(kind if isinstance(kind, str) and kind in _METHOD_ERRORS else "other").inc()

    def render(self) -> bytes:
        """The exposition format."""
        return generate_latest(self.registry)
