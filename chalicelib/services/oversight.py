"""Seeing that a job died, got its machine, or never was: from Batch's events, and by a sweep.

Events come at least once and in any order; every change is a conditional write, so that a late or
a repeated event changes nothing.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from ..contract.errors import UnavailableError
from ..contract.records import Failure, Session
from ..contract.states import Status
from .adoption import OVER, Adoption
from .ports import Clock, JobGateway, JobSeen, Sessions, Telemetry
from .times import parse, rfc3339

#: SubmitJob answers within seconds: a session without a job after this has lost its answer.
LOST_AFTER = timedelta(minutes=2)
#: The container reports every few seconds while it trains, and at least at every step of its way.
SILENT_AFTER = timedelta(minutes=10)
#: A run that was asked to stop finishes its step, evaluates and exports.
STOP_GRACE = timedelta(minutes=10)

_WAITING = ("RUNNABLE", "STARTING")


class Oversight:
    def __init__(self, sessions: Sessions, jobs: JobGateway, telemetry: Telemetry, clock: Clock) -> None:
        self._sessions = sessions
        self._jobs = jobs
        self._telemetry = telemetry
        self._clock = clock
        self._adoption = Adoption(sessions, jobs, telemetry)

    def job_changed(self, project_id: str, session_id: str, job: JobSeen) -> None:
        """Applies what an event says of a session's job."""
        session = self._sessions.get(project_id, session_id)
        if session is None:
            return
        if session.is_over or session.batch_job_id not in (None, job.batch_job_id):
            self._adoption.end_stray(session, job)
        elif session.batch_job_id or self._sessions.set_job(session, job.batch_job_id):
            self._apply(session, job)
        else:  # it ended, or got another job, at this moment
            self.job_changed(project_id, session_id, job)

    def sweep(self) -> int:
        """Looks after every session that isn't over; returns how many those are."""
        active = [self._sessions.get(each.project_id, each.session_id) for each in self._sessions.active()]
        sessions = [each for each in active if each is not None and not each.is_over]
        self._count(sessions)
        jobs = self._jobs.describe([each.batch_job_id for each in sessions if each.batch_job_id])
        for session in sessions:
            try:
                self._look_after(session, jobs.get(session.batch_job_id or ""))
            except UnavailableError as error:
                # The next sweep sees it again; the others must not wait for it.
                self._telemetry.warn(error.detail, sessionId=session.session_id)
        return len(sessions)

    def _count(self, sessions: Sequence[Session]) -> None:
        """Nothing is counted where nothing runs: a metric costs money for every hour that it is sent in."""
        for status, count in Counter(each.status for each in sessions).items():
            self._telemetry.count(f"{status.capitalize()}Sessions", count)

    def _look_after(self, session: Session, job: JobSeen | None) -> None:
        now = self._clock.now()
        if session.batch_job_id is None:
            # The answer of SubmitJob was lost, or whoever called it died.
            if _older(session.start_time, LOST_AFTER, now) and not self._adoption.adopt(session):
                self._fail_without_job(session)
        elif job is None:
            # A job of a moment ago may not be listed yet.
            if _older(session.start_time, LOST_AFTER, now):
                self._fail(session, "job-gone", "AWS Batch no longer knows the job; start again")
        elif job.status in OVER:
            self._apply(session, job)
        elif session.stop_requested_at and _older(session.stop_requested_at, STOP_GRACE, now):
            self._jobs.terminate(job.batch_job_id, "did not stop by itself")
            self._end(session, Status.STOPPED, None)
        elif _is_silent(session, job, now):
            self._telemetry.count("StaleHeartbeats")
            self._jobs.terminate(job.batch_job_id, "stopped reporting")
            self._fail(session, "went-silent", "the job stopped reporting its progress; start again")
        else:
            self._apply(session, job)

    def _apply(self, session: Session, job: JobSeen) -> None:
        if job.status in _WAITING:
            self._sessions.advance(session, Status.PROVISIONING)
        elif job.status == "SUCCEEDED":
            self._fail(session, "ended-without-result", "the job ended without a result; start again")
        elif job.status == "FAILED" and session.stop_requested_at:
            self._end(session, Status.STOPPED, None)
        elif job.status == "FAILED":
            self._end(session, Status.FAILED, failure_of(job))

    def _fail_without_job(self, session: Session) -> None:
        failure = Failure(code="not-submitted", message="the job never reached AWS Batch; start again")
        self._end(session, Status.FAILED, failure, only_without_job=True)

    def _fail(self, session: Session, code: str, message: str) -> None:
        self._end(session, Status.FAILED, Failure(code=code, message=message))

    def _end(
        self, session: Session, status: Status, failure: Failure | None, only_without_job: bool = False
    ) -> None:
        at = rfc3339(self._clock.now())
        if self._sessions.end(session, status, at, failure, only_without_job=only_without_job):
            self._telemetry.count(f"Sessions{status.capitalize()}")


def failure_of(job: JobSeen) -> Failure:
    """A failed job's reason in words for the session's owner."""
    reason = job.reason or ""
    if reason.startswith("Host EC2"):
        return Failure(code="spot-reclaimed", message="AWS took the Spot machine away too often; start again")
    if "timeout" in reason.lower():
        return Failure(code="timed-out", message="the job ran into its time limit; raise maxRuntimeMinutes")
    if "OutOfMemory" in reason:
        return Failure(
            code="out-of-memory", message="the job ran out of memory; lower batchSize or imageSize"
        )
    if job.exit_code == 143:
        return Failure(code="spot-reclaimed", message="AWS took the machine away too often; start again")
    if job.exit_code == 75:
        return Failure(
            code="out-of-reach",
            message="the job lost AWS's services, or another of its machines, too often; start again",
        )
    if job.exit_code == 137:
        return Failure(
            code="killed", message="the training process was killed (exit code 137), most often for memory"
        )
    exit_code = "" if job.exit_code is None else f" with exit code {job.exit_code}"
    return Failure(
        code="job-died", message=f"the training process ended{exit_code}: {reason or 'no reason given'}"
    )


def _is_silent(session: Session, job: JobSeen, now: datetime) -> bool:
    """Whether a run doesn't report. After a Spot reclaim it can't: its job waits for a machine again."""
    if session.status != Status.RUNNING or job.status != "RUNNING":
        return False
    last_sign = parse(session.heartbeat_at or session.start_time)
    # A new attempt has to import and to claim before it can report.
    return now - max(last_sign, job.started_at or last_sign) > SILENT_AFTER


def _older(time: str, age: timedelta, now: datetime) -> bool:
    return now - parse(time) > age
