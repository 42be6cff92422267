"""Seeing that a job died, got its machine, or never was: from Batch's events, and by a sweep.

Events come at least once and in any order; every change is a conditional write, so that a late or
a repeated event changes nothing.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from ..contract.errors import UnavailableError
from ..contract.records import Failure, Session
from ..contract.states import Status
from .adoption import OVER, Adoption
from .ports import Clock, Telemetry
from .run_ports import JobGateway, JobSeen, Sessions
from .silence import SECOND_LOOK_SECONDS, is_silent
from .times import parse, rfc3339

#: SubmitJob answers within seconds: a session without a job after this has lost its answer.
LOST_AFTER = timedelta(minutes=2)
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

    def job_changed(self, project_id: str, session_id: str, generation: int, job: JobSeen) -> None:
        """Applies what an event says of a session's job; one of an earlier submission says nothing."""
        session = self._sessions.get(project_id, session_id)
        if session is None:
            return
        is_another = session.batch_job_id not in (None, job.batch_job_id)
        if session.is_over or session.generation != generation or is_another:
            self._adoption.end_stray(session, job)
        elif session.batch_job_id or self._sessions.set_job(session, job.batch_job_id):
            self._apply(session, job)
        else:  # it ended, or got another job, at this moment
            self.job_changed(project_id, session_id, generation, job)

    def sweep(self) -> int:
        """Looks after every session that isn't over; returns how many those are."""
        active = [self._sessions.get(each.project_id, each.session_id) for each in self._sessions.active()]
        sessions = [each for each in active if each is not None and not each.is_over]
        self._count(sessions)
        jobs = self._jobs.describe([each.batch_job_id for each in sessions if each.batch_job_id])
        suspects: list[Session] = []
        for session in sessions:
            with self._going_on(session):
                job = jobs.get(session.batch_job_id or "")
                if job and is_silent(session, job, self._clock.now()):
                    suspects.append(session)
                else:
                    self._look_after(session, job)
        self._look_again(suspects, jobs)
        return len(sessions)

    @contextmanager
    def _going_on(self, session: Session) -> Iterator[None]:
        """The next sweep sees a session again where AWS is busy; the others must not wait for it."""
        try:
            yield
        except UnavailableError as error:
            about = {"projectId": session.project_id, "sessionId": session.session_id}
            self._telemetry.warn(error.detail, **about)

    def _look_again(self, suspects: Sequence[Session], jobs: Mapping[str, JobSeen]) -> None:
        """Ends the runs that still don't report."""
        if suspects:
            self._clock.sleep(SECOND_LOOK_SECONDS)
        for suspect in suspects:
            with self._going_on(suspect):
                session = self._sessions.get(suspect.project_id, suspect.session_id)
                job = jobs[suspect.batch_job_id or ""]
                if session and not session.is_over and is_silent(session, job, self._clock.now()):
                    self._end_silent(session, job)

    def _end_silent(self, session: Session, job: JobSeen) -> None:
        self._jobs.terminate(job.batch_job_id, "stopped reporting")
        if session.stop_requested_at:
            self._end(session, Status.STOPPED, None)
        else:
            self._fail(session, "went-silent", "the job stopped reporting its progress; start again")
        self._repaired("StaleHeartbeats", session)

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
                self._repaired("JobsGone", session)
        elif job.status not in OVER and session.stop_requested_at:
            if _older(session.stop_requested_at, STOP_GRACE, now):
                self._jobs.terminate(job.batch_job_id, "did not stop by itself")
                self._end(session, Status.STOPPED, None)
                self._repaired("StopsEnforced", session)
        elif self._apply(session, job):
            self._repaired("EndsFound", session)

    def _repaired(self, metric: str, session: Session) -> None:
        """What the sweep had to mend is a count, and a line that names the run."""
        self._telemetry.count(metric)
        about = {"projectId": session.project_id, "sessionId": session.session_id}
        self._telemetry.warn(f"repaired: {metric}", requestId=session.request_id, **about)

    def _apply(self, session: Session, job: JobSeen) -> bool:
        """Brings the session up to its job; returns whether that ended it."""
        if job.status in _WAITING and session.status == Status.QUEUED:
            self._sessions.advance(session, Status.PROVISIONING)
        elif job.status == "SUCCEEDED":
            return self._fail(session, "ended-without-result", "the job ended without a result; start again")
        elif job.status == "FAILED" and session.stop_requested_at:
            return self._end(session, Status.STOPPED, None)
        elif job.status == "FAILED":
            return self._end(session, Status.FAILED, failure_of(job))
        return False

    def _fail_without_job(self, session: Session) -> None:
        failure = Failure(code="not-submitted", message="the job never reached AWS Batch; start again")
        if self._end(session, Status.FAILED, failure, only_without_job=True):
            self._repaired("JobsNotSubmitted", session)

    def _fail(self, session: Session, code: str, message: str) -> bool:
        return self._end(session, Status.FAILED, Failure(code=code, message=message))

    def _end(
        self, session: Session, status: Status, failure: Failure | None, only_without_job: bool = False
    ) -> bool:
        at = rfc3339(self._clock.now())
        has_ended = self._sessions.end(session, status, at, failure, only_without_job=only_without_job)
        if has_ended:
            self._telemetry.count(f"Sessions{status.capitalize()}")
        return has_ended


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


def _older(time: str, age: timedelta, now: datetime) -> bool:
    return now - parse(time) > age
