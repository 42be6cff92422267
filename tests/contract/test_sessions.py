"""Sessions: every change is conditional, and says whether it held."""

from dataclasses import replace
from itertools import product

import pytest

from chalicelib.contract.records import EpochMetrics, Failure
from chalicelib.contract.states import ACTIVE, TERMINAL, Status, may_move
from tests.support import NOW, make_session, new_id

LATER = "2026-01-31T09:00:00.000Z"


def _added(ports, status: Status = Status.QUEUED, **changes):
    session = make_session(status=status, **changes)
    ports.sessions.add(session)
    return session


def _stored(ports, session):
    return ports.sessions.get(session.project_id, session.session_id)


def _move(ports, session, target: Status) -> bool:
    if target in TERMINAL:
        return ports.sessions.end(session, target, LATER)
    return ports.sessions.advance(session, target)


def test_a_session_is_kept_whole_and_added_once(ports):
    """Every field comes back, and a second add of the id changes nothing."""
    session = _added(ports, metrics={"epoch": 1, "valLoss": 0.25}, progress=12.5, batch_job_id="j")
    ports.sessions.add(replace(session, progress=99))
    assert _stored(ports, session) == session
    assert ports.sessions.get(session.project_id, new_id()) is None


def test_nothing_moves_back_to_queued():
    """`queued` is where a session begins: the repository needs no way there."""
    assert not any(may_move(origin, Status.QUEUED) for origin in Status)


@pytest.mark.parametrize(("origin", "target"), list(product(Status, list(Status)[1:])))
def test_a_move_holds_where_it_is_legal(ports, origin, target):
    """Each move holds exactly where the contract allows it, and otherwise leaves the row as it was."""
    session = _added(ports, origin)
    assert _move(ports, session, target) == may_move(origin, target)
    assert _stored(ports, session).status == (target if may_move(origin, target) else origin)
    if not may_move(origin, target):
        assert _stored(ports, session) == session


@pytest.mark.parametrize("status", TERMINAL)
def test_a_session_that_is_over_never_changes(ports, status):
    """No stop, no job and no end reaches a session in a terminal state."""
    session = _added(ports, status)
    assert not ports.sessions.set_job(session, "j")
    assert not ports.sessions.request_stop(session, LATER)
    assert not any(_move(ports, session, target) for target in list(Status)[1:])
    assert _stored(ports, session) == session


def test_the_end_is_noted_with_its_reason_and_leaves_the_index(ports):
    """An end sets the time and the reason, and the session is no longer among the active ones."""
    session, other = _added(ports), _added(ports)
    assert ports.sessions.end(session, Status.FAILED, LATER, Failure(code="c", message="m"))
    ended = _stored(ports, session)
    assert (ended.end_time, ended.failure_reason) == (LATER, {"code": "c", "message": "m"})
    assert ended.active is None
    active = {each.session_id for each in ports.sessions.active()}
    assert other.session_id in active
    assert session.session_id not in active


@pytest.mark.parametrize("origin", ACTIVE)
def test_an_end_can_be_limited_to_some_states(ports, origin):
    """An end from `queued` and `provisioning` only does not hold for a running session."""
    session = _added(ports, origin)
    held = ports.sessions.end(session, Status.STOPPED, LATER, only_from=(Status.QUEUED, Status.PROVISIONING))
    assert held == (origin != Status.RUNNING)
    assert _stored(ports, session).is_over == held


def test_an_end_can_be_limited_to_sessions_without_a_job(ports):
    """An end for want of a job doesn't hold for a session that has got one."""
    with_job, without = _added(ports, batch_job_id="j"), _added(ports)
    ended = [
        ports.sessions.end(each, Status.FAILED, LATER, only_without_job=True) for each in (with_job, without)
    ]
    assert ended == [False, True]
    assert _stored(ports, with_job) == with_job


def test_a_session_has_one_job(ports):
    """The job can be set again to itself, but not to another."""
    session = _added(ports)
    assert ports.sessions.set_job(session, "first")
    assert ports.sessions.set_job(session, "first")
    assert not ports.sessions.set_job(session, "second")
    assert _stored(ports, session).batch_job_id == "first"


@pytest.mark.parametrize("origin", ACTIVE)
def test_the_first_request_to_stop_counts(ports, origin):
    """A stop is noted once, in each state that isn't over, and changes nothing else."""
    session = _added(ports, origin)
    assert ports.sessions.request_stop(session, NOW)
    assert not ports.sessions.request_stop(session, LATER)
    assert _stored(ports, session) == replace(session, stop_requested_at=NOW)


@pytest.mark.parametrize("generation", [1, 3])
def test_another_generation_changes_nothing(ports, generation):
    """Whoever holds another generation of a session, older or newer, can't write to it."""
    session = _added(ports, generation=2)
    stale = replace(session, generation=generation)
    assert not ports.sessions.set_job(stale, "j")
    assert not ports.sessions.advance(stale, Status.PROVISIONING)
    assert not ports.sessions.request_stop(stale, LATER)
    assert not ports.sessions.end(stale, Status.STOPPED, LATER)
    assert _stored(ports, session) == session


def test_changing_an_unknown_session_makes_nothing(ports):
    """No change brings a session into being."""
    session = make_session()
    assert not ports.sessions.request_stop(session, LATER)
    assert not ports.sessions.end(session, Status.STOPPED, LATER)
    assert _stored(ports, session) is None


def test_sessions_are_listed_newest_first_in_pages(ports, project_id):
    """Pages hold every session of the project once, newest first."""
    made = [make_session(project_id, session_id=new_id(10**12 + number)) for number in range(5)]
    for each in made:
        ports.sessions.add(each)
    pages, before = [], None
    while page := list(ports.sessions.list(project_id, 2, before)):
        pages += page
        before = page[-1].session_id
    assert pages == made[::-1]


def test_epochs_come_in_order(ports, add_epoch):
    """Metrics come by epoch, however they were written, and of the one session only."""
    session_id = new_id()
    made = [
        EpochMetrics(
            session_id=owner,
            epoch=epoch,
            train_loss=1.5,
            train_accuracy=0.5,
            val_loss=1 / 3,
            val_accuracy=1.0,
            learning_rate=5e-7,
            images_per_second=12.0,
            epoch_seconds=0.1,
            created_at=NOW,
            expires_at=2_000_000_000,
        )
        for owner, epoch in ((session_id, 10), (session_id, 2), (new_id(), 1), (session_id, 1))
    ]
    for each in made:
        add_epoch(each)
    assert list(ports.metrics.list(session_id)) == [made[3], made[1], made[0]]
