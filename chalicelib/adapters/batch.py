"""AWS Batch: submitting, ending and finding jobs."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from ..contract.datasets import Transfer
from ..contract.errors import UnavailableError
from ..contract.records import Session
from ..services.ports import JobSeen
from ..services.training import SUBMIT_REFUSED
from .aws import Aws, unavailable

_JOBS_A_CALL = 100


class _Queue:
    """One job queue, with the job definition of what it runs."""

    def __init__(self, aws: Aws, job_queue: str, job_definition: str) -> None:
        self._aws = aws
        self._job_queue = job_queue
        self._job_definition = job_definition

    def terminate(self, batch_job_id: str, reason: str) -> None:
        with unavailable():
            self._aws.batch.terminate_job(jobId=batch_job_id, reason=reason)

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

    def _submit(self, name: str, environment: Mapping[str, str], **more: Any) -> str:
        variables = [{"name": variable, "value": value} for variable, value in environment.items()]
        try:
            with unavailable():
                answer = self._aws.batch.submit_job(
                    jobName=name,
                    jobQueue=self._job_queue,
                    jobDefinition=self._job_definition,
                    containerOverrides={"environment": variables},
                    **more,
                )
        except ClientError as error:
            raise UnavailableError(
                f"AWS Batch refused the job: {error.response['Error'].get('Message', '')}",
                code=SUBMIT_REFUSED,
                hint="Check that the job queue and the job definition of this stage exist and are enabled.",
            ) from error
        return str(answer["jobId"])


class BatchGateway(_Queue):
    """Training."""

    def submit(self, session: Session, timeout_seconds: int) -> str:
        environment = {
            "PROJECT_ID": session.project_id,
            "SESSION_ID": session.session_id,
            "GENERATION": str(session.generation),
        }
        timeout = {"attemptDurationSeconds": timeout_seconds}
        return self._submit(session.session_id, environment, timeout=timeout)


class BatchTransferJobs(_Queue):
    """Imports and exports."""

    def submit(self, transfer: Transfer) -> str:
        environment = {
            "PROJECT_ID": transfer.project_id,
            "TRANSFER_ID": transfer.transfer_id,
            "TRANSFER_KIND": transfer.kind,
        }
        return self._submit(transfer.transfer_id, environment)


def job_seen(detail: Mapping[str, Any]) -> JobSeen:
    """A job as DescribeJobs answers it, and as a `Batch Job State Change` event carries it."""
    container = detail.get("container", {})
    reasons = (detail.get("statusReason"), container.get("reason"))
    started = detail.get("startedAt")
    return JobSeen(
        detail["jobId"],
        detail["status"],
        "; ".join(each for each in reasons if each) or None,
        container.get("exitCode"),
        datetime.fromtimestamp(started / 1000, UTC) if started else None,
    )
