"""The log of a run."""

from .data import Reason
from .decoding import model
from .training import Metrics


@model("LogLineAnswer")
class LogLine:
    """A line that a container wrote; `attempt` counts the job's from 1, `metrics` are an epoch's."""

    time: str
    level: str
    message: str
    attempt: int
    logger: str | None = None
    rank: int | None = None
    exception: str | None = None
    metrics: Metrics | None = None


@model("LogAnswer")
class LogPage:
    """Without a cursor nothing will come any more; `missing` says why there are no lines, or not all."""

    items: list[LogLine]
    next_cursor: str | None = None
    has_more: bool
    missing: Reason | None = None
