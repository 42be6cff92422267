"""Runs whose events are all lost: the dead ones fail in time, and the waiting ones don't fail at all."""

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from chalicelib import bootstrap
from chalicelib.bootstrap import assemble, aws_ports
from chalicelib.contract.states import Status
from chalicelib.services.times import parse, rfc3339
from chalicelib.settings import Settings
from infra.local.aws import EmbeddedAws
from tests.fake_containers import FakeContainer
from tests.fakes import fake_ports
from tests.integration.reliability.worlds import MemoryWorld, StackWorld
from tests.support import make_session
from training_job.heart import BEAT_SECONDS

ROOT = Path(__file__).parents[3]
TEN_MINUTES = timedelta(minutes=10)
#: As chalicelib/events/jobs.py has it.
TICK = timedelta(minutes=5)
#: What a training does before anything else and for as long as it lives, without the seconds of torch.
ALIVE = """
import os, time
from boto3.session import Session
from training_job.sessions import SessionRepository
fields = {"project_id": "PROJECT_ID", "session_id": "SESSION_ID", "table_prefix": "TABLE_PREFIX"}
sessions = SessionRepository(
    dynamodb=Session().client("dynamodb"), generation=1, attempt=1,
    batch_job_id=os.environ["AWS_BATCH_JOB_ID"], **{name: os.environ[each] for name, each in fields.items()},
)
sessions.claim()
while True:
    sessions.update({"Progress": 50})
    time.sleep(0.05)
"""


def _ticks(world: Any, random: Random) -> None:
    """Sweeps as the schedule has them, from some moment within it on, until the session is over."""
    world.ports.clock.advance(seconds=random.uniform(0, TICK.total_seconds()))
    for _ in range(4):
        world.sweep()
        if world.row().is_over:
            return
        world.ports.clock.advance(seconds=TICK.total_seconds())
    raise AssertionError("the dead run never failed")


@pytest.mark.injects(
    "a process is killed before its claim, in training or with its machine, and every event is dropped",
    times=1_000,
    soak=100_000,
    outcome="`failed` within ten minutes, counted from the kill",
)
def test_a_dead_run_fails_in_time(times: int) -> None:
    """Whether Batch has noticed the death or still takes the job for running."""
    reasons = set()
    for number in range(times):
        random, world = Random(number), MemoryWorld()
        job = world.submit()
        world.ports.sessions.set_job(world.session, job.job_id)
        job.starting()
        world.ports.clock.advance(hours=random.uniform(0, 8))
        container = world.container(job, job.running())
        if random.random() < 0.7:
            container.claim()
            world.ports.clock.advance(seconds=random.uniform(0, BEAT_SECONDS))
        killed = world.ports.clock.now()
        if random.random() < 0.3:
            job.ended(137)
        _ticks(world, random)
        row = world.row()
        assert row.status == Status.FAILED
        assert parse(row.end_time) - killed <= TEN_MINUTES
        reasons.add(row.failure_reason["code"])
    assert reasons == {"went-silent", "killed"}


@pytest.fixture
def process(stack: EmbeddedAws) -> Iterator[Any]:
    """Starts processes that claim a session and report, and kills them all in the end."""
    started: list[subprocess.Popen[bytes]] = []

    def start(world: StackWorld, job_id: str) -> subprocess.Popen[bytes]:
        ids = {"PROJECT_ID": world.session.project_id, "SESSION_ID": world.session.session_id}
        variables = stack.environment | ids | {"AWS_BATCH_JOB_ID": job_id, "PYTHONPATH": str(ROOT)}
        started.append(subprocess.Popen([sys.executable, "-c", ALIVE], env=variables))
        return started[-1]

    yield start
    for each in started:
        each.kill()
        each.wait()


@pytest.mark.injects(
    "a real process with the container's own writes is killed with SIGKILL, and every event is dropped",
    times=2,
    soak=50,
    outcome="not failed while it reports; `failed` within ten minutes of the kill, and its job ended",
)
def test_a_killed_process_fails_its_session(
    environment: None, stack: EmbeddedAws, process: Any, times: int
) -> None:
    """In the embedded AWS, where Batch goes on to say RUNNING, as of a machine that can't be reached."""
    from app import app

    ports = aws_ports(Settings.read(stack.environment), bootstrap.aws())
    for number in range(times):
        world = StackWorld(app, stack, ports)
        job = world.submit()
        ports.sessions.set_job(world.session, job.job_id)
        job.starting()
        job.running()
        alive = process(world, job.job_id)
        deadline = time.monotonic() + 60
        while world.row().progress != 50:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        world.sweep()
        assert world.row().status == Status.RUNNING
        alive.send_signal(signal.SIGKILL)
        assert alive.wait() == -signal.SIGKILL
        killed = world.ports.clock.now()
        _ticks(world, Random(number))
        row = world.row()
        assert (row.status, row.failure_reason["code"]) == ("failed", "went-silent")
        assert parse(row.end_time) - killed <= TEN_MINUTES
        assert job.job.stop


@pytest.mark.injects(
    "a job waits RUNNABLE for six hours, and is swept every five minutes",
    times=100,
    soak=1_000,
    outcome="still waits: none fails, and each begins when its machine comes",
)
def test_waiting_jobs_do_not_fail(times: int) -> None:
    """A hundred jobs and no machine; then each gets one and claims its session."""
    ports: Any = fake_ports()
    oversight, sessions = assemble(ports).oversight, []
    for _ in range(times):
        session = make_session(start_time=rfc3339(ports.clock.now()))
        ports.sessions.add(session)
        ports.sessions.set_job(session, ports.jobs.submit(session, 3600))
        sessions.append(session)
    for _ in range(timedelta(hours=6) // TICK):
        ports.clock.advance(seconds=TICK.total_seconds())
        assert oversight.sweep() == times
    rows = [ports.sessions.get(each.project_id, each.session_id) for each in sessions]
    assert Counter(each.status for each in rows) == {Status.PROVISIONING: times}
    for each in rows:
        seen = ports.jobs.seen[each.batch_job_id]
        ports.jobs.seen[each.batch_job_id] = replace(seen, status="RUNNING", started_at=ports.clock.now())
        FakeContainer(
            sessions=ports.sessions, clock=ports.clock, project_id=each.project_id,
            session_id=each.session_id, generation=1, attempt=1, batch_job_id=each.batch_job_id,
        ).claim()  # fmt: skip
    oversight.sweep()
    assert Counter(each.status for each in ports.sessions.rows.values()) == {Status.RUNNING: times}
    assert ports.telemetry.counts.keys() == {"QueuedSessions", "ProvisioningSessions", "RunningSessions"}
