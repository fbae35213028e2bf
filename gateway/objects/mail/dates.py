"""Times as JMAP writes them."""

from datetime import UTC, datetime


def utc_date(seconds: int) -> str:
    """Seconds since 1970 as a UTCDate (RFC 8620 §1.4)."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19] + "Z"


def instant(date: str) -> float:
    """A Date (RFC 8620 §1.4) as seconds since 1970; a leap second is the one before it."""
    return datetime.fromisoformat(date.replace(":60", ":59")).timestamp()
