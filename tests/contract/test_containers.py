"""A container's writes to its session: the fake refuses what DynamoDB's conditions refuse."""

from dataclasses import replace
from itertools import product

import pytest

from chalicelib.contract.errors import LostClaimError
from chalicelib.contract.states import Status
from infra.local.aws import EmbeddedAws
from tests.fake_containers import FakeContainer
from tests.fakes import FakeClock
from tests.support import make_session
from training_job.sessions import SessionRepository

#: What a session's row may say of its owner, and who may come for it: (generation, attempt, job).
ROWS = list(product((1, 2), (1, 2), (None, "j1", "j2")))
COMERS = list(product((1, 2), (1, 2), ("j1", "j2")))


@pytest.fixture
def container(ports, request):
    """Makes the container of a session that is (generation, attempt, job)."""

    def make(session, generation: int, attempt: int, batch_job_id: str):
        own = {"project_id": session.project_id, "session_id": session.session_id, "attempt": attempt}
        own |= {"generation": generation, "batch_job_id": batch_job_id}
        if hasattr(ports.sessions, "rows"):
            return FakeContainer(sessions=ports.sessions, clock=FakeClock(), **own)
        stack: EmbeddedAws = request.getfixturevalue("stack")
        return SessionRepository(
            dynamodb=stack.client("dynamodb"), table_prefix=stack.outputs["TablePrefix"], **own
        )

    return make


def _stored(ports, session):
    return ports.sessions.get(session.project_id, session.session_id)


def _holds(write) -> bool:
    try:
        write()
    except LostClaimError:
        return False
    return True


@pytest.mark.parametrize("comer", COMERS)
def test_a_session_is_claimed_by_its_own_job_and_a_later_attempt(ports, container, comer):
    """Of every row, exactly those that are free for the comer are claimed, and the others stay."""
    generation, attempt, job = comer
    for row in ROWS:
        own = dict(zip(("generation", "attempt", "batch_job_id"), row, strict=True))
        session = make_session(status=Status.RUNNING, **own)
        ports.sessions.add(session)
        is_free = row[0] == generation and row[1] < attempt and row[2] in (None, job)
        assert _holds(container(session, *comer).claim) == is_free
        after = _stored(ports, session)
        assert ((after.attempt, after.batch_job_id) == (attempt, job)) if is_free else after == session


@pytest.mark.parametrize("status", Status)
def test_a_session_is_claimed_from_the_states_that_allow_it(ports, container, status):
    """A session that isn't over can be claimed, in whichever state it is."""
    session = make_session(status=status)
    ports.sessions.add(session)
    claimed = _holds(container(session, 1, 1, "j").claim)
    assert claimed == (not session.is_over)
    assert _stored(ports, session).status == (Status.RUNNING if claimed else status)


def test_only_the_owner_writes(ports, container):
    """After another attempt's claim neither an update nor an end of the first is taken."""
    session = make_session()
    ports.sessions.add(session)
    first, second = container(session, 1, 1, "j"), container(session, 1, 2, "j")
    other = container(session, 1, 1, "another job")
    assert not _holds(lambda: first.update({"Progress": 1}))
    assert [_holds(first.claim), _holds(lambda: first.update({"Progress": 5})), _holds(second.claim)] == [
        True
    ] * 3
    before = _stored(ports, session)
    assert not _holds(lambda: first.update({"Progress": 9}))
    assert not _holds(lambda: replace(other, attempt=2).update({"Progress": 9}))
    assert not _holds(lambda: first.end(Status.COMPLETED, {"ResultsKey": "k"}))
    assert _stored(ports, session) == before
    second.end(Status.COMPLETED, {"ResultsKey": "k"})
    after = _stored(ports, session)
    assert (after.status, after.results_key, after.active, after.is_over) == ("completed", "k", None, True)
    assert not _holds(lambda: second.update({"Progress": 9}))
    assert _stored(ports, session) == after
