"""Times as the API and the tables write them."""

from datetime import UTC, datetime


def rfc3339(moment: datetime) -> str:
    """2026-01-31T08:15:30.123Z: RFC 3339 in UTC to the millisecond, so that text sorts by time."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse(text: str) -> datetime:
    return datetime.fromisoformat(text)
