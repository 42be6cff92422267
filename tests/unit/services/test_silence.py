"""Jobs that run, and say nothing."""

from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.contract.states import Status
from chalicelib.services.run_ports import JobSeen
from chalicelib.services.times import rfc3339
from tests.unit.services.job_world import JOB, JobWorld


@pytest.mark.parametrize("minutes_before", [None, 0, 5])
def test_a_silent_run_is_ended(minutes_before):
    """Four minutes after its last sign a running session failed, its job is ended, and it is counted."""
    world = JobWorld(Status.RUNNING, "RUNNING")
    if minutes_before is not None:
        sign = world.ports.clock.now() + timedelta(minutes=minutes_before)
        world = JobWorld(Status.RUNNING, "RUNNING", heartbeat_at=rfc3339(sign))
    world.sweep(minutes=4 + (minutes_before or 0))
    assert world.session.status == "running"
    assert "StaleHeartbeats" not in world.ports.telemetry.counts
    world.sweep(seconds=1)
    assert world.reason == "went-silent"
    assert world.ports.telemetry.counts["StaleHeartbeats"] == 1
    assert world.ports.jobs.seen[JOB].status == "FAILED"


def test_a_silent_run_that_was_to_stop_is_stopped():
    """Who asked to stop and whose job falls silent has a stopped session, not a failed one."""
    world = JobWorld(Status.RUNNING, "RUNNING", stop_requested_at="2026-01-31T08:15:00.000Z")
    world.sweep(minutes=5)
    assert (world.session.status, world.reason) == ("stopped", None)


def test_a_silent_run_gets_a_second_look():
    """A run that reports again within seconds, as after an outage of DynamoDB, goes on."""
    world = JobWorld(Status.RUNNING, "RUNNING")

    def report_again(seconds: float) -> None:
        clock.advance(seconds=seconds)
        now = rfc3339(clock.now())
        world.ports.sessions.rows["P", world.first.session_id] = replace(world.session, heartbeat_at=now)

    clock = world.ports.clock
    clock.sleep = report_again
    world.sweep(minutes=9)
    assert world.session.status == "running"
    assert world.ports.jobs.seen[JOB].status == "RUNNING"


def test_a_new_attempt_is_given_time_to_report():
    """After a Spot reclaim the silence counts from the start of the new attempt."""
    world = JobWorld(Status.RUNNING, "RUNNING")
    started = world.ports.clock.now() + timedelta(hours=1)
    world.ports.jobs.seen[JOB] = JobSeen(JOB, "RUNNING", started_at=started)
    world.sweep(minutes=64)
    assert world.session.status == "running"
    world.sweep(seconds=1)
    assert world.reason == "went-silent"


@pytest.mark.parametrize(("nodes", "minutes"), [(1, 4), (2, 24)])
def test_a_job_that_never_claims_its_session_is_ended(nodes, minutes):
    """A process that died before it could claim is silent too; several machines first meet one another."""
    world = JobWorld(Status.PROVISIONING, "RUNNING", config={"nodes": nodes})
    started = world.ports.clock.now() + timedelta(hours=6)
    world.ports.jobs.seen[JOB] = JobSeen(JOB, "RUNNING", started_at=started)
    world.sweep(hours=6, minutes=minutes)
    assert world.session.status == "provisioning"
    world.sweep(seconds=1)
    assert world.reason == "went-silent"


def test_a_job_that_runs_since_nobody_knows_when_is_waited_for():
    """A session that waited for hours doesn't fail at the moment in which its job begins."""
    world = JobWorld(Status.PROVISIONING, "RUNNING")
    world.sweep(hours=6)
    assert world.session.status == "provisioning"


@pytest.mark.parametrize("state", ["RUNNABLE", "STARTING"])
def test_a_run_that_waits_for_a_new_machine_is_not_silent(state):
    """After a Spot reclaim the job waits, for hours perhaps: its session can't report, and stays."""
    world = JobWorld(Status.RUNNING, state)
    world.sweep(hours=3)
    assert world.session == world.first
    assert world.ports.jobs.seen[JOB].status == state
