"""A session, its jobs and its containers: in memory, and in the embedded AWS.

Batch does in both what a history tells it; its events are kept, to be delivered whenever and as often as
the history likes.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from chalice.app import Chalice
from moto.batch.models import batch_backends
from moto.core.models import DEFAULT_ACCOUNT_ID

from chalicelib.adapters.batch import job_seen, variables_of
from chalicelib.bootstrap import Ports, assemble
from chalicelib.contract.records import Session
from infra.local.aws import REGION, EmbeddedAws
from infra.local.jobs import Job as EmbeddedJob
from infra.local.jobs import Outcome
from tests.fake_containers import FakeContainer
from tests.fakes import fake_ports
from tests.support import make_session, new_id
from training_job.sessions import SessionRepository

Event = Mapping[str, Any]
Container = FakeContainer | SessionRepository
#: Of the job definition: attempts, and which exit code means another one (infra/template.yaml).
ATTEMPTS, TRY_AGAIN = 3, 75


class OwnSessions:
    """The sessions of one project: a sweep of a history must not look after other tests' sessions."""

    def __init__(self, sessions: Any, project_id: str) -> None:
        self._sessions, self._project_id = sessions, project_id

    def active(self) -> Iterator[Session]:
        return (each for each in self._sessions.active() if each.project_id == self._project_id)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sessions, name)


class OffsetClock:
    """The real time and what was added to it."""

    def __init__(self) -> None:
        self._offset = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self._offset

    def sleep(self, seconds: float) -> None:
        self.advance(seconds=seconds)

    def advance(self, **by: float) -> None:
        self._offset += timedelta(**by)


@dataclass
class MemoryJob:
    """A job as Batch would carry it on, for `FakeJobs`."""

    world: "MemoryWorld"
    job_id: str
    attempts: int = 0

    @property
    def status(self) -> str:
        return str(self.world.ports.jobs.seen[self.job_id].status)

    def starting(self) -> None:
        self._move("STARTING")

    def running(self) -> int:
        self._move("RUNNING", started_at=self.world.ports.clock.now())
        return self.attempts + 1

    def ended(self, exit_code: int) -> None:
        self.attempts += 1
        if exit_code == TRY_AGAIN and self.attempts < ATTEMPTS:
            self._move("RUNNABLE")
        else:
            self._move("FAILED" if exit_code else "SUCCEEDED", exit_code=exit_code)

    def event(self) -> Event:
        return {"job": self.world.ports.jobs.seen[self.job_id]}

    def _move(self, status: str, **more: Any) -> None:
        seen = self.world.ports.jobs.seen
        seen[self.job_id] = replace(seen[self.job_id], status=status, **more)


class MemoryWorld:
    """The services on the fakes."""

    def __init__(self) -> None:
        self.ports: Any = fake_ports()
        self.session = make_session()
        self.ports.sessions.add(self.session)

    def row(self) -> Session:
        return self.ports.sessions.get(self.session.project_id, self.session.session_id)

    def submit(self) -> MemoryJob:
        return MemoryJob(self, self.ports.jobs.submit(self.session, 3600))

    def container(self, job: MemoryJob, attempt: int) -> Container:
        return FakeContainer(
            sessions=self.ports.sessions, clock=self.ports.clock, project_id=self.session.project_id,
            session_id=self.session.session_id, generation=1, attempt=attempt, batch_job_id=job.job_id,
        )  # fmt: skip

    def deliver(self, event: Event, generation: int = 1) -> None:
        assemble(self.ports).oversight.job_changed(
            self.session.project_id, self.session.session_id, generation, event["job"]
        )

    def sweep(self) -> None:
        assemble(self.ports).oversight.sweep()


@dataclass
class StackJob:
    """A job of the embedded AWS, whose queue has no machines: the history carries it on."""

    job: EmbeddedJob
    job_id: str

    @property
    def status(self) -> str:
        return self.job.status

    def starting(self) -> None:
        self.job.claim()

    def running(self) -> int:
        self.job.running(_Deaf(), None)  # type: ignore[arg-type]
        return len(self.job.attempts) + 1

    def ended(self, exit_code: int) -> None:
        self.job.ended(Outcome(exit_code=exit_code))

    def event(self) -> Event:
        return json.loads(json.dumps(self.job.describe()))


class _Deaf:
    """A container that hears no signal: a process that was given up may live on."""

    def stop(self) -> None: ...

    def signal(self, number: int) -> None: ...


class StackWorld:
    """The real adapters and the real handler, in the embedded AWS."""

    def __init__(self, app: Chalice, stack: EmbeddedAws, ports: Ports) -> None:
        self._app, self._stack = app, stack
        project_id = new_id()
        self.ports: Any = replace(
            ports, clock=OffsetClock(), sessions=OwnSessions(ports.sessions, project_id)
        )
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self.session = make_session(project_id, start_time=now)
        self.ports.sessions.add(self.session)

    def row(self) -> Session:
        return self.ports.sessions.get(self.session.project_id, self.session.session_id)

    def submit(self) -> StackJob:
        job_id = self.ports.jobs.submit(self.session, 3600)
        return StackJob(batch_backends[DEFAULT_ACCOUNT_ID][REGION]._jobs[job_id], job_id)

    def container(self, job: StackJob, attempt: int) -> Container:
        return SessionRepository(
            dynamodb=self._stack.client("dynamodb"), table_prefix=self._stack.outputs["TablePrefix"],
            project_id=self.session.project_id, session_id=self.session.session_id,
            generation=1, attempt=attempt, batch_job_id=job.job_id,
        )  # fmt: skip

    def deliver(self, event: Event, generation: int = 1) -> None:
        """As Lambda hands it over; an event of another generation has that in its variables."""
        if generation != 1:
            variables = variables_of(event) | {"GENERATION": str(generation)}
            environment = [{"name": name, "value": value} for name, value in variables.items()]
            event = {**event, "container": {**event["container"], "environment": environment}}
        assert job_seen(event).batch_job_id == event["jobId"]
        record = {"messageId": new_id(), "body": json.dumps({"detail": event}), "attributes": {}}
        answer = self._app.handler_map["job_state"]({"Records": [record]}, None)
        assert answer == {"batchItemFailures": []}

    def sweep(self) -> None:
        assemble(self.ports).oversight.sweep()
