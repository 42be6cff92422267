"""Logs of jobs in memory."""

from collections.abc import Sequence

from chalicelib.services.log_ports import JobStreams, LogEvent, LogEvents


class FakeJobLogs:
    """What jobs wrote.

    Attributes:
        jobs: by their ids; a job that isn't there is one that AWS Batch has forgotten.
        written: the lines of each stream, in order of time.
    """

    def __init__(self) -> None:
        self.jobs: dict[str, JobStreams] = {}
        self.written: dict[str, Sequence[LogEvent]] = {}

    def streams(self, batch_job_id: str) -> JobStreams | None:
        return self.jobs.get(batch_job_id)

    def read(self, stream: str, since: int, limit: int) -> LogEvents | None:
        assert limit > 0, "CloudWatch Logs refuses such a limit"
        if stream not in self.written:
            return None
        found = [each for each in self.written[stream] if each.at >= since][:limit]
        return LogEvents(found, is_end=len(found) < limit)
