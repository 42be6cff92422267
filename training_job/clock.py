"""Times as they stand in rows."""

from datetime import UTC, datetime, timedelta


def timestamp() -> str:
    """Now, RFC 3339 in UTC, to the millisecond as the API writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def unix_after(days: int) -> int:
    """The Unix second `days` from now, for a time to live."""
    return int((datetime.now(UTC) + timedelta(days=days)).timestamp())
