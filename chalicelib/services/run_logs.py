"""The log of a run: what the containers of its job wrote, attempt by attempt."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta

from ..contract.records import Session
from .log_lines import LogLine, line_of
from .log_ports import JobLogs, JobStreams, LogEvent
from .ports import Clock

#: For the last lines to arrive: CloudWatch has a container's some seconds after it wrote them.
SETTLED_SECONDS = 5
#: Of an answer: Lambda's has 6 MB, and a character is up to six bytes of JSON.
MAX_CHARACTERS = 600_000


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a log: behind the first `seen` lines of a millisecond of an attempt.

    It is no token of CloudWatch's: those run out after a day.
    """

    attempt: int = 1
    at: int = 0
    seen: int = 0

    def behind(self, event: LogEvent) -> "Position":
        return replace(self, at=event.at, seen=self.seen + 1 if event.at == self.at else 1)


@dataclass(frozen=True, slots=True)
class Missing:
    """Why there are no lines, or not all."""

    code: str
    message: str


NOT_STARTED = Missing("not-started", "no container has started yet")
NEVER_STARTED = Missing("never-started", "the run ended before a container had started")
FORGOTTEN = Missing(
    "job-forgotten", "AWS Batch keeps a job for about a week after its end; without it the log isn't found"
)
GONE = Missing("log-gone", "the log, or a part of it, isn't kept any longer")


@dataclass(slots=True)
class Log:
    """Some of a run's log.

    Attributes:
        lines: oldest first.
        position: from where to go on; None where nothing will come.
        has_more: whether there is more already.
        missing: why there are no lines, or not all.
    """

    lines: list[LogLine] = field(default_factory=list)
    position: Position | None = None
    has_more: bool = False
    missing: Missing | None = None


class RunLogs:
    def __init__(self, logs: JobLogs, clock: Clock) -> None:
        self._logs = logs
        self._clock = clock

    def read(self, session: Session, since: Position | None, limit: int) -> Log:
        """The next lines of a run, from a position on or from the beginning.

        Only streams of the session's own job are read, whatever the position says.

        Raises:
            UnavailableError: AWS is busy, or didn't answer.
        """
        job = self._logs.streams(session.batch_job_id) if session.batch_job_id else None
        if job is None or not any(job.attempts):
            return self._without_streams(session, job, since or Position())
        reader = _Reader(self._logs, job, since or Position(), limit)
        log = Log(list(reader.lines()), reader.position, reader.has_more)
        is_all = session.is_over and self._is_settled(job) and not log.has_more
        if reader.is_missing or (is_all and since is None and not log.lines):
            log.missing = GONE
        if is_all:
            log.position = None
        return log

    def _without_streams(self, session: Session, job: JobStreams | None, position: Position) -> Log:
        if not session.is_over:
            return Log(position=position, missing=NOT_STARTED)
        has_begun = session.batch_job_id is not None or session.attempt > 0
        return Log(missing=FORGOTTEN if job is None and has_begun else NEVER_STARTED)

    def _is_settled(self, job: JobStreams) -> bool:
        late = self._clock.now() - timedelta(seconds=SETTLED_SECONDS)
        return job.is_over and (job.ended_at is None or job.ended_at <= late)


class _Reader:
    """Reads from a position to the end of the last attempt, or as far as an answer goes."""

    def __init__(self, logs: JobLogs, job: JobStreams, position: Position, limit: int) -> None:
        self._logs = logs
        self._job = job
        self._room = limit
        self._characters = MAX_CHARACTERS
        self.position = position
        self.has_more = False
        self.is_missing = False

    def lines(self) -> Iterator[LogLine]:
        last = len(self._job.attempts)
        while self.position.attempt <= last:
            yield from self._attempt(self.position.attempt == last)
            if self.has_more or self.position.attempt == last:
                return
            self.position = Position(self.position.attempt + 1)

    def _attempt(self, is_last: bool) -> Iterator[LogLine]:
        start, is_ended = self.position, not is_last or self._job.is_over
        stream = self._job.attempts[start.attempt - 1]
        if stream is None:
            return
        # A page that is full asks too, for one line: whether there is more.
        found = self._logs.read(stream, start.at, max(self._room + start.seen, 1))
        if found is None:
            self.is_missing = self.is_missing or is_ended
            return
        seen = start.seen
        for event in found.events:
            if event.at == start.at and seen:
                seen -= 1
                continue
            line = line_of(event, start.attempt)
            self._characters -= line.size
            if not self._room or (self._characters < 0 and self.position != start):
                self.has_more = True
                return
            self._room -= 1
            self.position = self.position.behind(event)
            yield line
        self.has_more = not found.is_end
