"""AWS Batch: submitting, ending and finding jobs."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from ..contract.datasets import Transfer
from ..contract.errors import UnavailableError
from ..contract.records import Session
from ..services.run_ports import JobSeen
from ..services.starting import SUBMIT_BUSY, SUBMIT_REFUSED
from .aws import THROTTLED, Aws, error_code, unavailable

_JOBS_A_CALL = 100
#: When a job that was refused may be taken: by a busy Batch, and by one that somebody has to mend.
_BUSY_SECONDS, _REFUSED_SECONDS = 5, 60
#: Also of a job that ended so long ago that Batch has forgotten it.
_NO_SUCH_JOB = "ClientException"


class Queue:
    """One job queue, with the job definition of what it runs."""

    def __init__(self, aws: Aws, job_queue: str, job_definition: str) -> None:
        self._aws = aws
        self._job_queue = job_queue
        self._job_definition = job_definition

    def terminate(self, batch_job_id: str, reason: str) -> None:
        try:
            with unavailable():
                self._aws.batch.terminate_job(jobId=batch_job_id, reason=reason)
        except ClientError as error:
            if error_code(error) != _NO_SUCH_JOB:
                raise

    def find(self, name: str) -> Sequence[JobSeen]:
        found: list[dict[str, Any]] = []
        pages = self._aws.batch.get_paginator("list_jobs").paginate(
            jobQueue=self._job_queue, filters=[{"name": "JOB_NAME", "values": [name]}]
        )
        with unavailable():
            for page in pages:
                found.extend(page["jobSummaryList"])
        found.sort(key=lambda each: each.get("createdAt", 0))
        return [JobSeen(each["jobId"], each["status"], each.get("statusReason")) for each in found]

    def describe(self, batch_job_ids: Sequence[str]) -> Mapping[str, JobSeen]:
        jobs: list[dict[str, Any]] = []
        with unavailable():
            for start in range(0, len(batch_job_ids), _JOBS_A_CALL):
                chunk = list(batch_job_ids[start : start + _JOBS_A_CALL])
                jobs.extend(self._aws.batch.describe_jobs(jobs=chunk)["jobs"])
        return {each["jobId"]: job_seen(each) for each in jobs}

    def submit_job(self, name: str, **more: Any) -> str:
        with unavailable(), _refusals():
            answer = self._aws.batch.submit_job(
                jobName=name,
                jobQueue=self._job_queue,
                jobDefinition=self._job_definition,
                **more,
            )
        return str(answer["jobId"])


class BatchGateway(Queue):
    """Training.

    Args:
        nodes: the queue of multi-node parallel jobs: those that train on several machines.
        max_nodes: how many such a job may take.
    """

    def __init__(
        self, aws: Aws, job_queue: str, job_definition: str, nodes: Queue | None = None, max_nodes: int = 1
    ) -> None:
        super().__init__(aws, job_queue, job_definition)
        self._nodes = nodes
        self.max_nodes = max_nodes

    def submit(self, session: Session, timeout_seconds: int) -> str:
        container = _overrides(
            PROJECT_ID=session.project_id,
            SESSION_ID=session.session_id,
            GENERATION=str(session.generation),
            REQUEST_ID=session.request_id,
        )
        timeout, count = {"attemptDurationSeconds": timeout_seconds}, session.config.get("nodes", 1)
        if self._nodes is None or count == 1:
            return self.submit_job(session.session_id, containerOverrides=container, timeout=timeout)
        nodes = {
            "numNodes": count,
            "nodePropertyOverrides": [{"targetNodes": "0:", "containerOverrides": container}],
        }
        return self._nodes.submit_job(session.session_id, nodeOverrides=nodes, timeout=timeout)

    def find(self, name: str) -> Sequence[JobSeen]:
        return [*super().find(name), *(self._nodes.find(name) if self._nodes else ())]


class BatchTransferJobs(Queue):
    """Imports and exports."""

    def submit(self, transfer: Transfer) -> str:
        container = _overrides(
            PROJECT_ID=transfer.project_id,
            TRANSFER_ID=transfer.transfer_id,
            TRANSFER_KIND=transfer.kind,
            REQUEST_ID=transfer.request_id,
        )
        return self.submit_job(transfer.transfer_id, containerOverrides=container)


@contextmanager
def _refusals() -> Iterator[None]:
    """Tells what AWS Batch refused from what it may have carried out before it failed to say so."""
    try:
        yield
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
            raise
        is_busy = error_code(error) in THROTTLED
        hint = "Check that the job queue and the job definition of this stage exist and are enabled."
        raise UnavailableError(
            f"AWS Batch refused the job: {error.response['Error'].get('Message', '')}",
            code=SUBMIT_BUSY if is_busy else SUBMIT_REFUSED,
            hint="Start again in a moment." if is_busy else hint,
            retry_after_seconds=_BUSY_SECONDS if is_busy else _REFUSED_SECONDS,
        ) from error


def _overrides(**environment: str | None) -> dict[str, Any]:
    return {"environment": [{"name": name, "value": value} for name, value in environment.items() if value]}


def is_node(detail: Mapping[str, Any]) -> bool:
    """Whether an event is about one machine of a job: the job itself goes the way of its main one."""
    return "#" in detail["jobId"]


def variables_of(detail: Mapping[str, Any]) -> dict[str, Any]:
    """The environment variables of a job; those of its main machine where it has several."""
    ranges = detail.get("nodeProperties", {}).get("nodeRangeProperties", [])
    container = detail.get("container") or (ranges[0]["container"] if ranges else {})
    return {each["name"]: each["value"] for each in container.get("environment", [])}


def job_seen(detail: Mapping[str, Any]) -> JobSeen:
    """A job as DescribeJobs answers it, and as a `Batch Job State Change` event carries it."""
    # A job of several machines has no container of its own; its attempts are its main one's.
    attempts = detail.get("attempts") or [{}]
    container = detail.get("container") or attempts[-1].get("container", {})
    reasons = (detail.get("statusReason"), container.get("reason"))
    # AWS doesn't say that a retry renews startedAt: that it began after the attempt before it is sure.
    times = [
        detail.get("startedAt"),
        *(each.get(at) for each in attempts for at in ("startedAt", "stoppedAt")),
    ]
    started = max(each or 0 for each in times)
    return JobSeen(
        detail["jobId"],
        detail["status"],
        "; ".join(each for each in reasons if each) or None,
        container.get("exitCode"),
        datetime.fromtimestamp(started / 1000, UTC) if started else None,
    )
