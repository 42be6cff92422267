"""Stops that race the container, its next attempt, events and the sweep, with DynamoDB's own conditions."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from random import Random
from typing import Any

import pytest

from chalicelib import bootstrap
from chalicelib.bootstrap import Services
from chalicelib.contract.errors import ConflictError, LostClaimError
from chalicelib.contract.records import Session
from chalicelib.contract.states import ACTIVE, Status
from chalicelib.services.run_ports import JobSeen
from infra.local.aws import EmbeddedAws
from tests.integration.conftest import Api
from tests.integration.reliability.stage import Stage
from tests.support import make_session, new_id
from training_job.sessions import SessionRepository


@pytest.fixture
def stage(stack: EmbeddedAws, api: Api) -> Stage:
    return Stage(stack, api)


class _Race:
    """One session in a random state, with its job, and all that may end it."""

    def __init__(self, stage: Stage, project_id: str, services: Services, dice: Random) -> None:
        self._stage, self._services = stage, services
        status = dice.choice(ACTIVE)
        self._attempt = int(status == Status.RUNNING)
        self._job_id = new_id()
        # Whoever claimed it has noted its job.
        job = {"batch_job_id": self._job_id} if self._attempt or dice.random() < 0.8 else {}
        self.session = make_session(project_id, status, attempt=self._attempt, **job)
        stage.put(self.session)
        self.racers: list[Callable[[], Any]] = [self.stop, self.train, self.retry, self.hear, self.sweep]
        dice.shuffle(self.racers)

    def stop(self) -> Any:
        try:
            return self._services.runs.stop(self.session)
        except ConflictError as error:
            return error.code, error.detail

    def train(self) -> None:
        self._container(1, self._attempt == 0, Status.COMPLETED)

    def retry(self) -> None:
        self._container(2, True, Status.FAILED)

    def _container(self, attempt: int, claims: bool, end: Status) -> None:
        repository = self.repository(attempt)
        with suppress(LostClaimError):
            if claims:
                repository.claim()
            repository.end(end, {"Phase": "done"})

    def repository(self, attempt: int) -> SessionRepository:
        """The container's own, as its attempt has it."""
        return SessionRepository(
            dynamodb=bootstrap.aws().dynamodb,
            table_prefix=self._stage.stack.outputs["TablePrefix"],
            project_id=self.session.project_id,
            session_id=self.session.session_id,
            generation=1,
            attempt=attempt,
            batch_job_id=self._job_id,
        )

    def hear(self) -> None:
        job = JobSeen(self._job_id, "FAILED")
        self._services.oversight.job_changed(self.session.project_id, self.session.session_id, 1, job)

    def sweep(self) -> None:
        """As long as it began long ago, and its job isn't known, the sweep ends it too."""
        self._services.oversight.sweep()

    @property
    def row(self) -> Session:
        return self.repository(1).get()


def _is_refused_everything(race: _Race) -> bool:
    """Whether nobody can write to a session that is over: neither attempt, nor an event, nor another stop."""
    before = race.row
    first, second = race.stop(), race.stop()
    race.retry()
    race.hear()
    for attempt in (1, 2):
        with pytest.raises(LostClaimError):
            race.repository(attempt).update({"Progress": 99})
    return first == second and race.row == before


@pytest.mark.injects(
    "a stop, two attempts of the container, an event and a sweep at the same moment, on the embedded AWS",
    times=50,
    soak=5000,
    outcome="one terminal state, which refuses every later write; a second stop has the same answer",
)
def test_a_stop_that_races_ends_once(stage: Stage, times: int) -> None:
    """Real threads and real conditional writes: whoever comes first ends the session, and nobody after it."""
    project_id, dice, services = new_id(), Random(8), stage.services(minutes=30)
    winners = set()
    try:
        with ThreadPoolExecutor(5) as pool:
            for number in range(times):
                race = _Race(stage, project_id, services, dice)
                for each in [pool.submit(racer) for racer in race.racers]:
                    each.result()
                stage.ids.clear()
                assert race.row.is_over
                winners.add(race.row.status)
                if number % 5 == 0:
                    assert _is_refused_everything(race)
        assert len(stage.sessions(project_id)) == times
        assert winners == {Status.STOPPED, Status.COMPLETED, Status.FAILED}
    finally:
        stage.clear(project_id)
