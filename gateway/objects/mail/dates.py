"""Times as JMAP writes them."""

from datetime import UTC, datetime


def utc_date(seconds: int) -> str:
    """Seconds since 1970 as a UTCDate (RFC 8620 §1.4)."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
