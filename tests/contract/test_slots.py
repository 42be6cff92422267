"""How many sessions a project and a user may have that aren't over."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from chalicelib.contract.states import Status
from chalicelib.services.run_ports import Limits, Refusal
from tests.support import NOW, make_project, make_session, make_user

LIMITS = Limits(per_project=2, per_user=3)


@pytest.fixture
def user(ports):
    made = make_user()
    ports.users.add(made)
    return made


@pytest.fixture
def project(ports, user):
    return _project(ports, user)


def _project(ports, user):
    made = make_project(user_id=user.user_id)
    ports.projects.add(made)
    return made


def _add(ports, project, limits: Limits = LIMITS, **changes):
    session = make_session(project.project_id, user_id=project.user_id, **changes)
    return session, ports.sessions.add(session, limits)


def _count(ports, project) -> int:
    return len(ports.sessions.list(project.project_id, 100, None))


def test_a_project_has_no_more_than_its_limit(ports, project):
    """The one too many isn't put, and is told whose limit it is."""
    assert [_add(ports, project)[1] for _ in range(4)] == [None, None, *[Refusal.PROJECT_FULL] * 2]
    assert _count(ports, project) == 2


def test_a_user_has_no_more_over_all_projects(ports, user):
    """Projects below their limits don't help where their owner has reached the own one."""
    first, second = _project(ports, user), _project(ports, user)
    assert [_add(ports, first)[1], _add(ports, second)[1], _add(ports, first)[1]] == [None] * 3
    assert _add(ports, second)[1] is Refusal.USER_FULL
    assert _count(ports, second) == 1


def test_a_session_is_put_once_and_counts_once(ports, project):
    """What is there already is no refusal, in a full project either, and stays as it is."""
    session, _ = _add(ports, project)
    _add(ports, project)
    assert ports.sessions.add(replace(session, progress=99), LIMITS) is None
    assert ports.sessions.get(session.project_id, session.session_id) == session
    assert _add(ports, project)[1] is Refusal.PROJECT_FULL


@pytest.mark.parametrize("end", [Status.FAILED, Status.STOPPED])
def test_a_session_that_is_over_makes_room(ports, project, end):
    """However a session ends, the next one gets its place, and only one does."""
    session, _ = _add(ports, project)
    _add(ports, project)
    assert ports.sessions.end(session, end, NOW)
    assert [_add(ports, project)[1] for _ in range(2)] == [None, Refusal.PROJECT_FULL]


def test_sessions_that_are_gone_make_room(ports, user):
    """What a deleted project held of its owner's limit is free when it is removed, and not before."""
    gone, project = _project(ports, user), _project(ports, user)
    held = [_add(ports, gone)[0].session_id for _ in range(2)]
    _add(ports, project)
    ports.projects.delete(gone.project_id, NOW)
    assert _add(ports, project)[1] is Refusal.USER_FULL
    ports.rows.delete("TrainingSessions", gone.project_id, held)
    assert _add(ports, project)[1] is None


def test_a_deleted_project_takes_none(ports, project):
    """A start that was admitted before the deletion comes too late."""
    ports.projects.delete(project.project_id, NOW)
    assert _add(ports, project)[1] is Refusal.GONE
    assert _count(ports, project) == 0


def test_without_limits_any_number_is_taken(ports, project):
    """0 is no limit, for either of the two."""
    assert [_add(ports, project, Limits())[1] for _ in range(4)] == [None] * 4
    assert [_add(ports, project, Limits(per_user=9))[1] for _ in range(4)] == [None] * 4
    assert _add(ports, project, Limits(per_project=9))[1] is None


def test_of_ten_at_once_as_many_as_are_allowed_are_put(ports, project):
    """Ten at once in a project with room for two: two are put."""
    with ThreadPoolExecutor(10) as pool:
        refusals = list(pool.map(lambda _: _add(ports, project)[1], range(10)))
    assert refusals.count(None) == _count(ports, project) == 2
