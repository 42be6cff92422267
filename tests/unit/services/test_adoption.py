"""Which job is a session's, where the answer to its submission was lost, or there are two."""

import pytest

from chalicelib.contract.states import Status
from chalicelib.services.run_ports import JobSeen
from tests.unit.services.job_world import JOB, JobWorld


def test_a_job_that_came_second_says_nothing():
    """Where the session gets its job at the same moment, an event of the other one changes nothing."""
    world = JobWorld(job=None)
    set_job = world.ports.sessions.set_job

    def too_late(session, batch_job_id) -> bool:
        set_job(session, "first")
        return set_job(session, batch_job_id)

    world.ports.sessions.set_job = too_late
    world.event("FAILED", "second")
    assert (world.session.batch_job_id, world.session.status) == ("first", "queued")


def test_a_session_without_a_job_has_two_minutes():
    """A job that isn't noted yet is waited for; then its session failed, since there is none."""
    world = JobWorld(job=None)
    world.sweep(minutes=2)
    assert world.session == world.first
    world.sweep(seconds=1)
    assert (world.reason, world.ports.telemetry.counts["JobsNotSubmitted"]) == ("not-submitted", 1)


def test_a_lost_job_is_adopted_and_its_double_ended():
    """Of two jobs with the session's name the first is taken, and the other one is ended."""
    world = JobWorld(job=None)
    first, second = (world.ports.jobs.submit(world.first, 1) for _ in range(2))
    world.sweep(minutes=3)
    assert (world.session.batch_job_id, world.session.status) == (first, "queued")
    assert [world.ports.jobs.seen[each].status for each in (first, second)] == ["RUNNABLE", "FAILED"]
    assert world.ports.telemetry.counts == {"QueuedSessions": 1, "JobsAdopted": 1, "StrayJobsEnded": 1}


def test_a_live_job_is_adopted_before_a_dead_one():
    """Of a dead job and a later one that lives, the session gets the one that lives."""
    world = JobWorld(job=None)
    dead, live = (world.ports.jobs.submit(world.first, 1) for _ in range(2))
    world.ports.jobs.terminate(dead, "by somebody")
    world.sweep(minutes=3)
    assert world.session.batch_job_id == live
    assert world.ports.telemetry.counts.get("StrayJobsEnded") is None


@pytest.mark.parametrize("state", ["SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING"])
def test_a_job_that_shows_up_too_late_is_ended(state):
    """A session that failed for want of a job has none: one that shows up afterwards is ended and counted."""
    world = JobWorld(job=None)
    world.sweep(minutes=3)
    assert world.reason == "not-submitted"
    before = world.session
    world.report(state)
    world.event(state)
    assert world.ports.jobs.seen[JOB].status == "FAILED"
    assert world.ports.telemetry.counts["StrayJobsEnded"] == 1
    world.event("FAILED")
    assert (world.session, world.ports.telemetry.counts["StrayJobsEnded"]) == (before, 1)


def test_a_second_job_of_a_running_session_is_ended():
    """A job beside the session's own is ended by its own event; the session and its job go on."""
    world = JobWorld(Status.RUNNING, "RUNNING", attempt=1)
    world.ports.jobs.seen["second"] = JobSeen("second", "RUNNABLE")
    world.event("RUNNABLE", "second")
    assert world.session == world.first
    assert {name: job.status for name, job in world.ports.jobs.seen.items()} == {
        JOB: "RUNNING",
        "second": "FAILED",
    }


def test_the_own_job_of_a_run_that_is_over_ends_by_itself():
    """A late event of a job whose container has ended the session doesn't cut off what it still does."""
    world = JobWorld(Status.COMPLETED, "RUNNING", attempt=1)
    world.event("RUNNING")
    assert world.ports.jobs.seen[JOB].status == "RUNNING"


def test_a_job_that_was_noted_meanwhile_keeps_its_session():
    """A sweep that found no job fails no session that got its job at this moment."""
    world = JobWorld(job=None)

    class Late(type(world.ports.jobs)):
        def find(self, session_id):
            world.ports.sessions.set_job(world.first, "just-noted")
            return []

    world.ports.jobs.__class__ = Late
    world.sweep(minutes=3)
    assert (world.session.status, world.session.batch_job_id) == ("queued", "just-noted")


def test_an_event_that_comes_too_late_for_its_job_doesnt_end_another():
    """Where another job was noted between its read and its write, an event is that of a second job."""
    world = JobWorld(job=None)

    class Racing(type(world.ports.sessions)):
        def set_job(self, session, batch_job_id):
            super().set_job(session, "first")
            return super().set_job(session, batch_job_id)

    world.ports.sessions.__class__ = Racing
    world.event("FAILED", "second")
    assert (world.session.status, world.session.batch_job_id) == ("queued", "first")
