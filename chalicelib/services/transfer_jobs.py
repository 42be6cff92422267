"""Starting the job of an import or an export, and seeing that it died.

From Batch's events, and whenever somebody asks for the status of a transfer that hasn't reported
for a while: so a lost event is caught by whom it matters to, without a sweep over all projects.
"""

from datetime import timedelta

from ..contract.datasets import Transfer, TransferKind, TransferStatus
from ..contract.errors import UnavailableError
from ..contract.records import Failure
from .ports import Clock, Telemetry
from .run_ports import JobSeen
from .starting import SUBMIT_REFUSED
from .times import parse, rfc3339
from .transfer_ports import TransferJobs, Transfers

#: The worker reports every few seconds.
SILENT_AFTER = timedelta(minutes=3)
#: Every state but the last two.
LIVE = (TransferStatus.UPLOADING, TransferStatus.QUEUED, TransferStatus.RUNNING)


class TransferRunner:
    def __init__(self, transfers: Transfers, jobs: TransferJobs, telemetry: Telemetry, clock: Clock) -> None:
        self._transfers = transfers
        self._jobs = jobs
        self._telemetry = telemetry
        self._clock = clock

    def queue(self, transfer: Transfer) -> None:
        """Starts the job of an import that was sent, once; raises as `submit`."""
        # A sign of life: Batch may not list a job of a moment ago, however long the sending took.
        changes = {"status": TransferStatus.QUEUED, "heartbeat_at": rfc3339(self._clock.now())}
        if self._transfers.change(transfer, changes, [TransferStatus.UPLOADING]):
            self.submit(transfer)

    def submit(self, transfer: Transfer) -> None:
        """Starts the job of a queued transfer.

        Raises:
            UnavailableError: AWS Batch refused it; the transfer is `failed`. Where Batch was busy, or its
                answer was lost, nothing is raised: `look_after` finds the job by its name, or submits it.
        """
        try:
            batch_job_id = self._jobs.submit(transfer)
        except UnavailableError as error:
            if error.code == SUBMIT_REFUSED:
                self.fail(transfer, Failure(code=error.code, message=error.detail))
                raise
            self._telemetry.warn("SubmitJob was not answered, or throttled", transferId=transfer.transfer_id)
            return
        self._transfers.change(transfer, {"batch_job_id": batch_job_id}, LIVE)

    def fail(self, transfer: Transfer, failure: Failure) -> None:
        """Ends a transfer that isn't over."""
        changes = {
            "status": TransferStatus.FAILED,
            "ended_at": rfc3339(self._clock.now()),
            "failure_reason": failure.to_json(),
        }
        self._transfers.change(transfer, changes, LIVE)

    def job_changed(self, project_id: str, kind: TransferKind, transfer_id: str, job: JobSeen) -> None:
        """Applies what an event says of a transfer's job."""
        transfer = self._transfers.get(project_id, kind, transfer_id)
        if transfer and not transfer.is_over and transfer.batch_job_id in (None, job.batch_job_id):
            self._apply(transfer, job)

    def look_after(self, transfer: Transfer) -> Transfer:
        """The transfer as it is, after a look at its job where it hasn't reported for minutes."""
        waits_or_runs = transfer.status in (TransferStatus.QUEUED, TransferStatus.RUNNING)
        if not (waits_or_runs and self._is_silent(transfer)):
            return transfer
        self._find_out(transfer)
        return self._transfers.get(transfer.project_id, transfer.kind, transfer.transfer_id) or transfer

    def _is_silent(self, transfer: Transfer) -> bool:
        last_sign = parse(transfer.heartbeat_at or transfer.created_at)
        return self._clock.now() - last_sign > SILENT_AFTER

    def _find_out(self, transfer: Transfer) -> None:
        if transfer.batch_job_id is None:
            self._find_job(transfer)
            return
        job = self._jobs.describe([transfer.batch_job_id]).get(transfer.batch_job_id)
        if job is None:
            self.fail(
                transfer, Failure(code="job-gone", message="AWS Batch no longer knows the job; start again")
            )
        else:
            self._apply(transfer, job)

    def _find_job(self, transfer: Transfer) -> None:
        """The answer of SubmitJob was lost, or the process died before it: the archive is still there.

        Should two jobs come of this, only one of them can claim the transfer; the other ends.
        """
        found = self._jobs.find(transfer.transfer_id)
        if found:
            self._transfers.change(transfer, {"batch_job_id": found[0].batch_job_id}, LIVE)
        else:
            self.submit(transfer)

    def _apply(self, transfer: Transfer, job: JobSeen) -> None:
        if job.status == "FAILED":
            self.fail(transfer, failure_of(job))
        elif job.status == "SUCCEEDED" and self._is_silent(transfer):
            # Not at once: it may be a second job, which left the transfer to the first.
            message = "the job ended without a result; start again"
            self.fail(transfer, Failure(code="ended-without-result", message=message))
        elif job.status != "SUCCEEDED" and transfer.batch_job_id is None:
            self._transfers.change(transfer, {"batch_job_id": job.batch_job_id}, LIVE)


def failure_of(job: JobSeen) -> Failure:
    """Why a job ended that could not say so itself, for the owner of the transfer."""
    reason = job.reason or "no reason given"
    if "timeout" in reason.lower():
        return Failure(code="timed-out", message="the job ran into its time limit; send smaller archives")
    if job.exit_code == 143 or reason.startswith(("Your Spot Task", "Host EC2")):
        return Failure(code="spot-reclaimed", message="AWS took the machine away too often; start again")
    if job.exit_code == 75:
        return Failure(
            code="out-of-reach", message="AWS was busy, or took the machine away, too often; start again"
        )
    if job.exit_code == 137 or "OutOfMemory" in reason:
        return Failure(code="killed", message="the job was killed, most often for memory; start again")
    exit_code = "" if job.exit_code is None else f" with exit code {job.exit_code}"
    return Failure(code="job-died", message=f"the job ended{exit_code}: {reason}; start again")
