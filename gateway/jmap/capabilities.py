"""Capabilities and the limits of the core capability (RFC 8620 §2)."""

from dataclasses import dataclass
from typing import Any, Final

from gateway.jmap.collations import COLLATIONS

CORE: Final = "urn:ietf:params:jmap:core"


@dataclass(frozen=True, slots=True)
class CoreLimits:
    """The advertised limits, which are those enforced; the defaults are the suggested minima or more.

    Sizes are octets. The field names are snake_case; `to_json` gives the standard's names.
    """

    max_size_upload: int = 50_000_000
    max_concurrent_upload: int = 4
    max_size_request: int = 10_000_000
    max_concurrent_requests: int = 8
    max_calls_in_request: int = 32
    max_objects_in_get: int = 1_000
    max_objects_in_set: int = 1_000
    collation_algorithms: tuple[str, ...] = tuple(COLLATIONS)

    def to_json(self) -> dict[str, Any]:
        """The value of `urn:ietf:params:jmap:core` in the session's capabilities (RFC 8620 §2)."""
        return {
            "maxSizeUpload": self.max_size_upload,
            "maxConcurrentUpload": self.max_concurrent_upload,
            "maxSizeRequest": self.max_size_request,
            "maxConcurrentRequests": self.max_concurrent_requests,
            "maxCallsInRequest": self.max_calls_in_request,
            "maxObjectsInGet": self.max_objects_in_get,
            "maxObjectsInSet": self.max_objects_in_set,
            "collationAlgorithms": list(self.collation_algorithms),
        }
