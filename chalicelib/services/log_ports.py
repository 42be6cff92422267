"""What reading the log of a run needs: where its job's containers wrote, and what."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class JobStreams:
    """Where the containers of a job write.

    Attributes:
        attempts: the stream of each attempt so far, in their order; None where no container began.
        is_over: whether AWS Batch makes no further attempt.
        ended_at: when it ended, if it did.
    """

    attempts: Sequence[str | None]
    is_over: bool
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LogEvent:
    """A line as a container wrote it; `at` is when, in Unix milliseconds."""

    at: int
    text: str


@dataclass(frozen=True, slots=True)
class LogEvents:
    """Some of a stream's lines, in their order; at the end there is nothing after them by now."""

    events: Sequence[LogEvent]
    is_end: bool


class JobLogs(Protocol):
    def streams(self, batch_job_id: str) -> JobStreams | None:
        """None where AWS Batch doesn't know the job (it forgets one about seven days after its end)."""

    def read(self, stream: str, since: int, limit: int) -> LogEvents | None:
        """The first lines of a stream from a time on; None where there is no such stream.

        Args:
            stream: its name.
            since: Unix milliseconds.
            limit: how many lines at most.
        """
