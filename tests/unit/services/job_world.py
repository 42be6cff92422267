"""A session with its job, on fakes."""

from chalicelib.bootstrap import assemble
from chalicelib.contract.states import Status
from chalicelib.services.run_ports import JobSeen
from chalicelib.services.times import rfc3339
from tests.fakes import fake_ports
from tests.support import make_session

JOB = "job-0000"


class JobWorld:
    """A session with its job, some time after its start."""

    def __init__(self, status: Status = Status.QUEUED, job: str | None = "RUNNABLE", **changes) -> None:
        self.ports = fake_ports()
        started = rfc3339(self.ports.clock.now())
        own = {"start_time": started, "batch_job_id": JOB if job else None}
        self.first = make_session("P", status, **(own | changes))
        self.ports.sessions.add(self.first)
        if job:
            self.report(job)

    def report(self, status: str, reason: str | None = None, exit_code: int | None = None) -> JobSeen:
        self.ports.jobs.seen[JOB] = JobSeen(JOB, status, reason, exit_code)
        return self.ports.jobs.seen[JOB]

    def event(self, status: str, job_id: str = JOB, generation: int = 1, **detail) -> None:
        job = JobSeen(job_id, status, **detail)
        assemble(self.ports).oversight.job_changed("P", self.first.session_id, generation, job)

    def sweep(self, **later: float) -> int:
        self.ports.clock.advance(**later)
        return assemble(self.ports).oversight.sweep()

    @property
    def session(self):
        return self.ports.sessions.get("P", self.first.session_id)

    @property
    def reason(self) -> str | None:
        return (self.session.failure_reason or {}).get("code")
