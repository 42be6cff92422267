"""A container's line as a reader gets it: what contract/logs.py wrote, or whatever a library printed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .log_ports import LogEvent
from .times import parse, rfc3339

#: Characters; of what is longer the beginning is shown, of a traceback the end.
MAX_MESSAGE, MAX_EXCEPTION, MAX_NAME = 8_000, 20_000, 200


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line.

    Attributes:
        time: RFC 3339.
        attempt: of the job, from 1.
        rank: of the process, where several train together.
        exception: the traceback.
        metrics: of the epoch that the line is about.
    """

    time: str
    level: str
    message: str
    attempt: int
    logger: str | None = None
    rank: int | None = None
    exception: str | None = None
    metrics: Mapping[str, Any] | None = None

    @property
    def size(self) -> int:
        """Characters."""
        return len(self.message) + len(self.exception or "")


def line_of(event: LogEvent, attempt: int) -> LogLine:
    """What a line says; one that isn't ours is shown as it is."""
    written = rfc3339(datetime.fromtimestamp(event.at / 1000, UTC))
    document = _document(event.text)
    if document is None:
        return LogLine(written, "INFO", _beginning(event.text, MAX_MESSAGE), attempt)
    metrics, rank = document.get("metrics"), str(document.get("rank", ""))
    return LogLine(
        time=_time(document.get("time")) or written,
        level=_text(document, "level") or "INFO",
        message=_beginning(document["message"], MAX_MESSAGE),
        attempt=attempt,
        logger=_text(document, "logger"),
        rank=int(rank) if rank.isdecimal() and len(rank) < 6 else None,
        exception=_end(document.get("exception"), MAX_EXCEPTION),
        metrics=metrics if isinstance(metrics, dict) else None,
    )


def _document(text: str) -> dict[str, Any] | None:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    is_ours = isinstance(document, dict) and isinstance(document.get("message"), str)
    return document if is_ours else None


def _time(value: Any) -> str | None:
    """None where it isn't said which moment that is."""
    try:
        moment = parse(value) if isinstance(value, str) else None
        return rfc3339(moment) if moment and moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _text(document: Mapping[str, Any], name: str) -> str | None:
    value = document.get(name)
    return _beginning(value, MAX_NAME) if isinstance(value, str) else None


def _beginning(text: str, most: int) -> str:
    return _sendable(text if len(text) <= most else f"{text[:most]}… ({len(text) - most} characters more)")


def _end(text: Any, most: int) -> str | None:
    if not isinstance(text, str):
        return None
    return _sendable(text if len(text) <= most else f"({len(text) - most} characters before) …{text[-most:]}")


def _sendable(text: str) -> str:
    """Without halves of surrogate pairs, which JSON can name and UTF-8 can't write."""
    return text.encode("utf-8", "replace").decode()
