"""The blob capability (RFC 9404 §3.1): what an account may upload, look up and have digested by method calls."""

from collections.abc import Iterable
from typing import Any, Final

BLOB: Final = "urn:ietf:params:jmap:blob"

MAX_DATA_SOURCES: Final = 100
"""DataSourceObjects in one creation; at least 64 MUST be allowed (RFC 9404 §3.1). Each may cost a whole message."""

DIGESTS: Final = {"sha-256": "sha256", "sha-512": "sha512", "sha": "sha1"}
"""The algorithm's name in lower case (RFC 3230) -> its name in hashlib; the best first."""


def blob_capability(max_size: int, type_names: Iterable[str]) -> dict[str, Any]:
    """The account's object for the blob capability. max_size: octets; type_names: what Blob/lookup knows."""
    return {
        "maxSizeBlobSet": max_size,
        "maxDataSources": MAX_DATA_SOURCES,
        "supportedTypeNames": list(type_names),
        "supportedDigestAlgorithms": list(DIGESTS),
    }
