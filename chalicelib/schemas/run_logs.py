"""The log of a run."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import ValidationError

from ..services.log_lines import LogLine
from .base import Answer, omitted
from .data import Reason
from .training import Metrics


class LogLineAnswer(Answer):
    """A line of a container; what isn't the training's own is shown as it is, at level INFO.

    `rank` is of the process where several train together, `metrics` are the epoch's that ended.
    """

    time: str
    level: str
    message: str
    attempt: int
    logger: str | None = omitted()
    rank: int | None = omitted()
    exception: str | None = omitted()
    metrics: Metrics | None = omitted()

    @classmethod
    def of(cls, line: LogLine) -> Self:
        return cls(
            time=line.time,
            level=line.level,
            message=line.message,
            attempt=line.attempt,
            logger=line.logger,
            rank=line.rank,
            exception=line.exception,
            metrics=_metrics(line.metrics),
        )


class LogAnswer(Answer):
    """Lines, oldest first, attempt after attempt.

    `nextCursor` is null when nothing will come any more. Else ask with it again: at once where `hasMore`
    is true, as there are more lines already, and in some seconds otherwise. `missing` says why there are
    no lines, or not all: not-started, never-started, job-forgotten or log-gone.
    """

    items: list[LogLineAnswer]
    next_cursor: str | None = None
    has_more: bool
    missing: Reason | None = None


def _metrics(written: Mapping[str, Any] | None) -> Metrics | None:
    """A library may write a line that looks like ours, with other figures."""
    try:
        found = None if written is None else Metrics.model_validate(written)
    except ValidationError:
        return None
    return found if found and found.model_fields_set else None
