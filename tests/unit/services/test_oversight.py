"""What events and sweeps of jobs make of their sessions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.bootstrap import assemble
from chalicelib.contract.states import TERMINAL, Status, may_move
from chalicelib.services.oversight import failure_of
from chalicelib.services.run_ports import JobSeen
from chalicelib.services.times import rfc3339
from tests.unit.services.job_world import JOB, JobWorld

EVENTS = ["SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED"]
ANY_EVENTS = st.lists(st.sampled_from(EVENTS) | st.sampled_from(["claim", "complete", "stop"]), max_size=12)


@pytest.mark.parametrize("state", ["RUNNABLE", "STARTING"])
def test_a_waiting_job_is_being_provisioned(state):
    """A job that waits for its machine moves a queued session on, and never a running one back."""
    world = JobWorld()
    world.event(state)
    assert (world.session.status, world.session.phase) == ("provisioning", "provisioning")
    running = JobWorld(Status.RUNNING)
    running.event(state)
    assert running.session == running.first


@pytest.mark.parametrize("state", ["SUBMITTED", "PENDING", "RUNNING", "UNHEARD_OF"])
def test_other_states_say_nothing(state):
    """What the container says for itself, and states of a later release, change nothing."""
    world = JobWorld()
    world.event(state)
    assert world.session == world.first


def test_a_dead_job_fails_its_session():
    """A failed job ends its session with the reason, the time and a count."""
    world = JobWorld(Status.RUNNING)
    world.event("FAILED", reason="Essential container in task exited", exit_code=137)
    assert (world.session.status, world.reason, world.session.active) == ("failed", "killed", None)
    assert world.session.end_time == rfc3339(world.ports.clock.now())
    assert world.ports.telemetry.counts == {"SessionsFailed": 1}


def test_a_job_that_died_after_a_stop_was_stopped():
    """Who asked to stop and whose job ends otherwise has a stopped session, not a failed one."""
    world = JobWorld(Status.RUNNING, stop_requested_at="2026-01-31T08:15:00.000Z")
    world.event("FAILED", reason="stopped by its owner")
    assert (world.session.status, world.reason) == ("stopped", None)


def test_a_job_that_ended_without_a_word_failed():
    """A job that succeeded while its session is not over has written no results."""
    world = JobWorld(Status.RUNNING)
    world.event("SUCCEEDED", exit_code=0)
    assert world.reason == "ended-without-result"


def test_an_event_tells_a_lost_job():
    """An event of a session whose job isn't known sets the job; one of another job is passed over."""
    world = JobWorld(job=None)
    world.event("RUNNABLE", "mine")
    assert world.session.batch_job_id == "mine"
    world.event("FAILED", "another")
    assert world.session.status == "provisioning"


def test_an_event_of_an_earlier_submission_is_nothing():
    """The job of an earlier generation neither ends the session nor becomes its job."""
    world = JobWorld(job=None, generation=2)
    world.event("FAILED", "earlier", generation=1)
    assert world.session == world.first


def test_an_event_of_no_session_is_nothing():
    """Another queue user's job, or a deleted session, is passed over."""
    world = JobWorld()
    assemble(world.ports).oversight.job_changed("P", "unknown", 1, JobSeen(JOB, "FAILED"))
    assert world.session == world.first


@given(ANY_EVENTS)
def test_events_in_any_order_make_only_legal_moves(events):
    """However events are ordered, repeated or mixed with the container's own writes, every move is legal."""
    world = JobWorld()
    for each in events:
        before = world.session
        match each:
            case "claim":
                world.ports.sessions.advance(before, Status.RUNNING)
            case "complete" if before.status == Status.RUNNING:
                world.ports.sessions.end(before, Status.COMPLETED, "t")
            case "stop":
                world.ports.sessions.request_stop(before, "2026-01-31T08:15:00.000Z")
            case "complete":
                pass
            case _:
                world.event(each)
        after = world.session
        assert after.status == before.status or may_move(before.status, after.status)
        assert before.status not in TERMINAL or after == before


@given(ANY_EVENTS.filter(lambda events: "complete" not in events))
def test_a_dead_job_always_ends_its_session(events):
    """Whatever came before it, the event of a failed job leaves a session that is over."""
    world = JobWorld()
    for each in [*events, "FAILED"]:
        if each in EVENTS:
            world.event(each)
    assert world.session.is_over


def test_the_sweep_looks_after_what_is_not_over():
    """Sessions that are over are neither counted nor asked about; an idle stack sends no figure at all."""
    world = JobWorld()
    assert world.sweep() == 1
    assert world.ports.telemetry.counts == {"QueuedSessions": 1}
    world.event("FAILED")
    world.ports.telemetry.counts.clear()
    assert world.sweep() == 0
    assert world.ports.telemetry.counts == {}


def test_a_forgotten_job_fails_its_session():
    """A job that AWS Batch no longer knows has ended without anybody noticing."""
    world = JobWorld()
    world.ports.jobs.seen.clear()
    world.sweep(minutes=2)
    assert world.session.status == "queued"  # a job of a moment ago may not be listed yet
    world.sweep(seconds=1)
    assert (world.reason, world.ports.telemetry.counts["JobsGone"]) == ("job-gone", 1)


@pytest.mark.parametrize(("state", "code"), [("FAILED", "job-died"), ("SUCCEEDED", "ended-without-result")])
def test_an_end_whose_event_was_lost_is_found(state, code):
    """A job that is over ends its session at the next sweep."""
    world = JobWorld(Status.RUNNING, state)
    world.sweep()
    assert world.reason == code
    assert world.ports.telemetry.counts["EndsFound"] == 1


def test_the_sweep_moves_a_waiting_session_on():
    """A state whose event was lost is applied by the sweep."""
    world = JobWorld()
    world.sweep()
    assert world.session.status == "provisioning"


def test_a_run_that_does_not_stop_is_ended():
    """Ten minutes after the wish to stop, a run that still reports is stopped and the job ended."""
    late = "2026-01-31T08:25:00.000Z"
    world = JobWorld(
        Status.RUNNING, "RUNNING", stop_requested_at="2026-01-31T08:15:00.000Z", heartbeat_at=late
    )
    world.sweep(minutes=10)
    assert world.session.status == "running"
    world.sweep(seconds=1)
    assert world.session.status == "stopped"
    assert world.ports.telemetry.counts["StopsEnforced"] == 1
    assert world.ports.jobs.seen[JOB].status == "FAILED"


@pytest.mark.parametrize(
    ("job", "code"),
    [
        (JobSeen(JOB, "FAILED", "Host EC2 (instance i-1) terminated."), "spot-reclaimed"),
        (JobSeen(JOB, "FAILED", "Job attempt duration exceeded timeout"), "timed-out"),
        (
            JobSeen(JOB, "FAILED", "OutOfMemoryError: Container killed due to memory usage", 137),
            "out-of-memory",
        ),
        (JobSeen(JOB, "FAILED", "Essential container in task exited", 137), "killed"),
        (JobSeen(JOB, "FAILED", "Essential container in task exited", 1), "job-died"),
        (JobSeen(JOB, "FAILED", "Essential container in task exited", 143), "spot-reclaimed"),
        (JobSeen(JOB, "FAILED", "Essential container in task exited", 75), "out-of-reach"),
        (JobSeen(JOB, "FAILED"), "job-died"),
    ],
)
def test_a_failed_job_is_explained(job, code):
    """Each way to die has its code, and a sentence that ends in no None."""
    failure = failure_of(job)
    assert failure.code == code
    assert "None" not in failure.message
