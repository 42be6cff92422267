"""Jobs that die, wait or fall silent."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.bootstrap import assemble
from chalicelib.contract.states import TERMINAL, Status, may_move
from chalicelib.services.oversight import failure_of
from chalicelib.services.run_ports import JobSeen
from chalicelib.services.times import rfc3339
from tests.fakes import fake_ports
from tests.support import make_session

JOB = "job-0000"
EVENTS = ["SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED"]
ANY_EVENTS = st.lists(st.sampled_from(EVENTS) | st.sampled_from(["claim", "complete", "stop"]), max_size=12)


class World:
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


@pytest.mark.parametrize("state", ["RUNNABLE", "STARTING"])
def test_a_waiting_job_is_being_provisioned(state):
    """A job that waits for its machine moves a queued session on, and never a running one back."""
    world = World()
    world.event(state)
    assert (world.session.status, world.session.phase) == ("provisioning", "provisioning")
    running = World(Status.RUNNING)
    running.event(state)
    assert running.session == running.first


@pytest.mark.parametrize("state", ["SUBMITTED", "PENDING", "RUNNING", "UNHEARD_OF"])
def test_other_states_say_nothing(state):
    """What the container says for itself, and states of a later release, change nothing."""
    world = World()
    world.event(state)
    assert world.session == world.first


def test_a_dead_job_fails_its_session():
    """A failed job ends its session with the reason, the time and a count."""
    world = World(Status.RUNNING)
    world.event("FAILED", reason="Essential container in task exited", exit_code=137)
    assert (world.session.status, world.reason, world.session.active) == ("failed", "killed", None)
    assert world.session.end_time == rfc3339(world.ports.clock.now())
    assert world.ports.telemetry.counts == {"SessionsFailed": 1}


def test_a_job_that_died_after_a_stop_was_stopped():
    """Who asked to stop and whose job ends otherwise has a stopped session, not a failed one."""
    world = World(Status.RUNNING, stop_requested_at="2026-01-31T08:15:00.000Z")
    world.event("FAILED", reason="stopped by its owner")
    assert (world.session.status, world.reason) == ("stopped", None)


def test_a_job_that_ended_without_a_word_failed():
    """A job that succeeded while its session is not over has written no results."""
    world = World(Status.RUNNING)
    world.event("SUCCEEDED", exit_code=0)
    assert world.reason == "ended-without-result"


def test_an_event_tells_a_lost_job():
    """An event of a session whose job isn't known sets the job; one of another job is passed over."""
    world = World(job=None)
    world.event("RUNNABLE", "mine")
    assert world.session.batch_job_id == "mine"
    world.event("FAILED", "another")
    assert world.session.status == "provisioning"


def test_an_event_of_an_earlier_submission_is_nothing():
    """The job of an earlier generation neither ends the session nor becomes its job."""
    world = World(job=None, generation=2)
    world.event("FAILED", "earlier", generation=1)
    assert world.session == world.first


def test_a_job_that_came_second_says_nothing():
    """Where the session gets its job at the same moment, an event of the other one changes nothing."""
    world = World(job=None)
    set_job = world.ports.sessions.set_job

    def too_late(session, batch_job_id) -> bool:
        set_job(session, "first")
        return set_job(session, batch_job_id)

    world.ports.sessions.set_job = too_late
    world.event("FAILED", "second")
    assert (world.session.batch_job_id, world.session.status) == ("first", "queued")


def test_an_event_of_no_session_is_nothing():
    """Another queue user's job, or a deleted session, is passed over."""
    world = World()
    assemble(world.ports).oversight.job_changed("P", "unknown", 1, JobSeen(JOB, "FAILED"))
    assert world.session == world.first


@given(ANY_EVENTS)
def test_events_in_any_order_make_only_legal_moves(events):
    """However events are ordered, repeated or mixed with the container's own writes, every move is legal."""
    world = World()
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
    world = World()
    for each in [*events, "FAILED"]:
        if each in EVENTS:
            world.event(each)
    assert world.session.is_over


def test_the_sweep_looks_after_what_is_not_over():
    """Sessions that are over are neither counted nor asked about; an idle stack sends no figure at all."""
    world = World()
    assert world.sweep() == 1
    assert world.ports.telemetry.counts == {"QueuedSessions": 1}
    world.event("FAILED")
    world.ports.telemetry.counts.clear()
    assert world.sweep() == 0
    assert world.ports.telemetry.counts == {}


def test_a_session_without_a_job_has_two_minutes():
    """A job that isn't noted yet is waited for; then its session failed, since there is none."""
    world = World(job=None)
    world.sweep(minutes=2)
    assert world.session == world.first
    world.sweep(seconds=1)
    assert (world.reason, world.ports.telemetry.counts["JobsNotSubmitted"]) == ("not-submitted", 1)


def test_a_lost_job_is_adopted_and_its_double_ended():
    """Of two jobs with the session's name the first is taken, and the other one is ended."""
    world = World(job=None)
    first, second = (world.ports.jobs.submit(world.first, 1) for _ in range(2))
    world.sweep(minutes=3)
    assert (world.session.batch_job_id, world.session.status) == (first, "queued")
    assert [world.ports.jobs.seen[each].status for each in (first, second)] == ["RUNNABLE", "FAILED"]
    assert world.ports.telemetry.counts == {"QueuedSessions": 1, "JobsAdopted": 1, "StrayJobsEnded": 1}


def test_a_live_job_is_adopted_before_a_dead_one():
    """Of a dead job and a later one that lives, the session gets the one that lives."""
    world = World(job=None)
    dead, live = (world.ports.jobs.submit(world.first, 1) for _ in range(2))
    world.ports.jobs.terminate(dead, "by somebody")
    world.sweep(minutes=3)
    assert world.session.batch_job_id == live
    assert world.ports.telemetry.counts.get("StrayJobsEnded") is None


@pytest.mark.parametrize("state", ["SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING"])
def test_a_job_that_shows_up_too_late_is_ended(state):
    """A session that failed for want of a job has none: one that shows up afterwards is ended and counted."""
    world = World(job=None)
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
    world = World(Status.RUNNING, "RUNNING", attempt=1)
    world.ports.jobs.seen["second"] = JobSeen("second", "RUNNABLE")
    world.event("RUNNABLE", "second")
    assert world.session == world.first
    assert {name: job.status for name, job in world.ports.jobs.seen.items()} == {
        JOB: "RUNNING",
        "second": "FAILED",
    }


def test_the_own_job_of_a_run_that_is_over_ends_by_itself():
    """A late event of a job whose container has ended the session doesn't cut off what it still does."""
    world = World(Status.COMPLETED, "RUNNING", attempt=1)
    world.event("RUNNING")
    assert world.ports.jobs.seen[JOB].status == "RUNNING"


def test_a_job_that_was_noted_meanwhile_keeps_its_session():
    """A sweep that found no job fails no session that got its job at this moment."""
    world = World(job=None)

    class Late(type(world.ports.jobs)):
        def find(self, session_id):
            world.ports.sessions.set_job(world.first, "just-noted")
            return []

    world.ports.jobs.__class__ = Late
    world.sweep(minutes=3)
    assert (world.session.status, world.session.batch_job_id) == ("queued", "just-noted")


def test_an_event_that_comes_too_late_for_its_job_doesnt_end_another():
    """Where another job was noted between its read and its write, an event is that of a second job."""
    world = World(job=None)

    class Racing(type(world.ports.sessions)):
        def set_job(self, session, batch_job_id):
            super().set_job(session, "first")
            return super().set_job(session, batch_job_id)

    world.ports.sessions.__class__ = Racing
    world.event("FAILED", "second")
    assert (world.session.status, world.session.batch_job_id) == ("queued", "first")


def test_a_forgotten_job_fails_its_session():
    """A job that AWS Batch no longer knows has ended without anybody noticing."""
    world = World()
    world.ports.jobs.seen.clear()
    world.sweep(minutes=2)
    assert world.session.status == "queued"  # a job of a moment ago may not be listed yet
    world.sweep(seconds=1)
    assert (world.reason, world.ports.telemetry.counts["JobsGone"]) == ("job-gone", 1)


@pytest.mark.parametrize(("state", "code"), [("FAILED", "job-died"), ("SUCCEEDED", "ended-without-result")])
def test_an_end_whose_event_was_lost_is_found(state, code):
    """A job that is over ends its session at the next sweep."""
    world = World(Status.RUNNING, state)
    world.sweep()
    assert world.reason == code
    assert world.ports.telemetry.counts["EndsFound"] == 1


def test_the_sweep_moves_a_waiting_session_on():
    """A state whose event was lost is applied by the sweep."""
    world = World()
    world.sweep()
    assert world.session.status == "provisioning"


def test_a_run_that_does_not_stop_is_ended():
    """Ten minutes after the wish to stop, a run that still reports is stopped and the job ended."""
    late = "2026-01-31T08:25:00.000Z"
    world = World(Status.RUNNING, "RUNNING", stop_requested_at="2026-01-31T08:15:00.000Z", heartbeat_at=late)
    world.sweep(minutes=10)
    assert world.session.status == "running"
    world.sweep(seconds=1)
    assert world.session.status == "stopped"
    assert world.ports.telemetry.counts["StopsEnforced"] == 1
    assert world.ports.jobs.seen[JOB].status == "FAILED"


@pytest.mark.parametrize("minutes_before", [None, 0, 5])
def test_a_silent_run_is_ended(minutes_before):
    """Four minutes after its last sign a running session failed, its job is ended, and it is counted."""
    world = World(Status.RUNNING, "RUNNING")
    if minutes_before is not None:
        sign = world.ports.clock.now() + timedelta(minutes=minutes_before)
        world = World(Status.RUNNING, "RUNNING", heartbeat_at=rfc3339(sign))
    world.sweep(minutes=4 + (minutes_before or 0))
    assert world.session.status == "running"
    assert "StaleHeartbeats" not in world.ports.telemetry.counts
    world.sweep(seconds=1)
    assert world.reason == "went-silent"
    assert world.ports.telemetry.counts["StaleHeartbeats"] == 1
    assert world.ports.jobs.seen[JOB].status == "FAILED"


def test_a_silent_run_that_was_to_stop_is_stopped():
    """Who asked to stop and whose job falls silent has a stopped session, not a failed one."""
    world = World(Status.RUNNING, "RUNNING", stop_requested_at="2026-01-31T08:15:00.000Z")
    world.sweep(minutes=5)
    assert (world.session.status, world.reason) == ("stopped", None)


def test_a_silent_run_gets_a_second_look():
    """A run that reports again within seconds, as after an outage of DynamoDB, goes on."""
    world = World(Status.RUNNING, "RUNNING")

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
    world = World(Status.RUNNING, "RUNNING")
    started = world.ports.clock.now() + timedelta(hours=1)
    world.ports.jobs.seen[JOB] = JobSeen(JOB, "RUNNING", started_at=started)
    world.sweep(minutes=64)
    assert world.session.status == "running"
    world.sweep(seconds=1)
    assert world.reason == "went-silent"


@pytest.mark.parametrize(("nodes", "minutes"), [(1, 4), (2, 24)])
def test_a_job_that_never_claims_its_session_is_ended(nodes, minutes):
    """A process that died before it could claim is silent too; several machines first meet one another."""
    world = World(Status.PROVISIONING, "RUNNING", config={"nodes": nodes})
    started = world.ports.clock.now() + timedelta(hours=6)
    world.ports.jobs.seen[JOB] = JobSeen(JOB, "RUNNING", started_at=started)
    world.sweep(hours=6, minutes=minutes)
    assert world.session.status == "provisioning"
    world.sweep(seconds=1)
    assert world.reason == "went-silent"


def test_a_job_that_runs_since_nobody_knows_when_is_waited_for():
    """A session that waited for hours doesn't fail at the moment in which its job begins."""
    world = World(Status.PROVISIONING, "RUNNING")
    world.sweep(hours=6)
    assert world.session.status == "provisioning"


@pytest.mark.parametrize("state", ["RUNNABLE", "STARTING"])
def test_a_run_that_waits_for_a_new_machine_is_not_silent(state):
    """After a Spot reclaim the job waits, for hours perhaps: its session can't report, and stays."""
    world = World(Status.RUNNING, state)
    world.sweep(hours=3)
    assert world.session == world.first
    assert world.ports.jobs.seen[JOB].status == state


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
