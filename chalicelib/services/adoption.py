"""Which job of AWS Batch is a session's: SubmitJob knows no token, and its answer may be lost."""

from dataclasses import replace

from ..contract.records import Session
from .ports import Telemetry
from .run_ports import JobGateway, JobSeen, Sessions

OVER = ("SUCCEEDED", "FAILED")


class Adoption:
    def __init__(self, sessions: Sessions, jobs: JobGateway, telemetry: Telemetry) -> None:
        self._sessions = sessions
        self._jobs = jobs
        self._telemetry = telemetry

    def adopt(self, session: Session) -> bool:
        """Gives a session that has no job the first of its name that lives, and ends the others.

        Returns:
            Whether there is any, dead or alive.
        """
        found = self._jobs.find(session.session_id)
        live = [each for each in found if each.status not in OVER]
        if not found:
            return False
        chosen = (live or found)[0].batch_job_id
        if self._sessions.set_job(session, chosen):
            session = replace(session, batch_job_id=chosen)
            self._telemetry.count("JobsAdopted")
        else:  # it ended, or got its job, at this moment
            session = self._sessions.get(session.project_id, session.session_id) or session
        for each in live:
            self.end_stray(session, each)
        return True

    def end_stray(self, session: Session, job: JobSeen) -> None:
        """Ends a job that lives though its session is over, or has another one."""
        is_own = session.batch_job_id == job.batch_job_id
        if job.status in OVER or (is_own and not session.is_over):
            return
        if session.is_over and session.attempt and session.batch_job_id in (None, job.batch_job_id):
            return  # its container has ended the session, or can't write to it: it ends by itself
        self._jobs.terminate(job.batch_job_id, "its session is over, or has another job")
        if not is_own:
            self._telemetry.count("StrayJobsEnded")
