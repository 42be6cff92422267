"""The log of a job: its streams, by AWS Batch, and what CloudWatch Logs has in them."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from ..services.log_ports import JobStreams, LogEvent, LogEvents
from .aws import Aws, error_code, unavailable

#: Beyond so many pages whoever asked may ask again.
_MAX_CALLS = 12
#: CloudWatch divides a stream by time, so that a silence can be empty pages; so many at once are the end.
_MAX_EMPTY = 8
#: What one call gives at most.
_EVENTS_A_CALL = 10_000
_OVER = ("SUCCEEDED", "FAILED")


class CloudWatchJobLogs:
    """Args:
    group: the name of the log group that the job definitions write to.
    """

    def __init__(self, aws: Aws, group: str) -> None:
        self._aws = aws
        self._group = group

    def streams(self, batch_job_id: str) -> JobStreams | None:
        job = self._describe(batch_job_id)
        if job is None:
            return None
        # A job of several machines has no container of its own: its log is its main machine's.
        main = job.get("nodeProperties", {}).get("mainNode")
        own = job if main is None else self._describe(f"{batch_job_id}#{main}") or job
        stopped = job.get("stoppedAt")
        return JobStreams(
            attempts=list(_streams(own)),
            is_over=job["status"] in _OVER,
            ended_at=datetime.fromtimestamp(stopped / 1000, UTC) if stopped else None,
        )

    def _describe(self, batch_job_id: str) -> dict[str, Any] | None:
        with unavailable():
            jobs = self._aws.batch.describe_jobs(jobs=[batch_job_id])["jobs"]
        return jobs[0] if jobs else None

    def read(self, stream: str, since: int, limit: int) -> LogEvents | None:
        options: dict[str, Any] = {"startTime": since} if since else {}
        found: list[LogEvent] = []
        token, empty = None, 0
        for _ in range(_MAX_CALLS):
            options["limit"] = min(limit - len(found), _EVENTS_A_CALL)
            page = self._page(stream, options)
            if page is None:
                return None
            found += _events(page["events"])
            if len(found) >= limit:
                return LogEvents(found, is_end=False)
            # Lines that are few are no end, even where somebody will ask again: from the last of them on the
            # first page would be the same few for ever. The same token twice is.
            empty = 0 if page["events"] else empty + 1
            if page["nextForwardToken"] == token or empty == _MAX_EMPTY:
                return LogEvents(found, is_end=True)
            token = options["nextToken"] = page["nextForwardToken"]
        return LogEvents(found, is_end=False)

    def _page(self, stream: str, options: Mapping[str, Any]) -> Mapping[str, Any] | None:
        try:
            with unavailable():
                page: Mapping[str, Any] = self._aws.logs.get_log_events(
                    logGroupName=self._group, logStreamName=stream, startFromHead=True, **options
                )
        except ClientError as error:
            if error_code(error) != "ResourceNotFoundException":
                raise
            return None
        return page


def _streams(job: Mapping[str, Any]) -> Iterator[str | None]:
    """Those of the attempts that have ended, and the present one's once it runs."""
    ended = [each.get("container", {}).get("logStreamName") for each in job.get("attempts", [])]
    yield from ended
    present = job.get("container", {}).get("logStreamName")
    # While a retry waits its job shows the stream of the attempt before.
    if present is not None and present not in ended:
        yield present


def _events(events: Iterable[Mapping[str, Any]]) -> Iterator[LogEvent]:
    return (LogEvent(each["timestamp"], each["message"].rstrip("\r\n")) for each in events)
