"""Histories of one run, told by hypothesis: what must hold whatever happens, and in whichever order."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from chalicelib.bootstrap import assemble
from chalicelib.contract.errors import ConflictError, LostClaimError
from chalicelib.contract.records import Session
from chalicelib.contract.states import TERMINAL, Status, may_move
from tests.integration.reliability.worlds import TRY_AGAIN, Container

OVER = ("SUCCEEDED", "FAILED")
ANY = st.integers(0, 7)
#: What came of the histories so far, by kind of step.
told: Counter[str] = Counter()


class History(RuleBasedStateMachine):
    """A session, one job or two of its name, and every attempt's container, none of which ever dies."""

    #: Set by the test.
    make_world: Callable[[], Any]

    def __init__(self) -> None:
        super().__init__()
        self.world = type(self).make_world()
        self.before: Session = self.world.row()
        self.owner: Container | None = None
        self.jobs = [self.world.submit()]
        self.containers: list[Container] = []
        self.events: list[tuple[Any, Any]] = []
        told["histories"] += 1

    @property
    def running(self) -> list[Any]:
        """The jobs that aren't over."""
        return [each for each in self.jobs if each.status not in OVER]

    @precondition(lambda self: len(self.jobs) < 2)
    @rule()
    def submit_again(self) -> None:
        """The answer of SubmitJob was lost, and the SDK sent it again."""
        self.jobs.append(self.world.submit())

    @rule(which=ANY)
    def note_the_job(self, which: int) -> None:
        """The answer of SubmitJob arrives."""
        self.world.ports.sessions.set_job(self.world.session, _one_of(self.jobs, which).job_id)

    @precondition(lambda self: self.running)
    @rule(which=ANY, exit_code=st.sampled_from([0, 1, 137, TRY_AGAIN, TRY_AGAIN]))
    def carry_on(self, which: int, exit_code: int) -> None:
        """Batch takes one more step with a job, and has an event of it."""
        job = _one_of(self.running, which)
        if job.status == "RUNNABLE":
            self.events.append((job, job.event()))
            job.starting()
        elif job.status == "STARTING":
            self.containers.append(self.world.container(job, job.running()))
        else:
            job.ended(exit_code)
        self.events.append((job, job.event()))

    @precondition(lambda self: self.events)
    @rule(which=ANY)
    def deliver(self, which: int) -> None:
        """Late, and as often as the history likes."""
        self._deliver(*_one_of(self.events, which))

    @precondition(lambda self: self.events)
    @rule()
    def deliver_the_newest(self) -> None:
        self._deliver(*self.events[-1])

    def _deliver(self, job: Any, event: Any) -> None:
        self.world.deliver(event)
        told["events"] += 1
        if self.before.batch_job_id not in (None, job.job_id):
            told["events of another job"] += 1
            assert self.world.row() == self.before

    @precondition(lambda self: self.events)
    @rule(which=ANY, generation=st.sampled_from([0, 2]))
    def deliver_of_another_generation(self, which: int, generation: int) -> None:
        self.world.deliver(_one_of(self.events, which)[1], generation)
        told["events of another generation"] += 1
        assert self.world.row() == self.before

    @precondition(lambda self: self.containers)
    @rule(which=ANY)
    def claim(self, which: int) -> None:
        container = _one_of(self.containers, which)
        if self._accepted(container.claim):
            self.owner = container
            assert container.attempt > self.before.attempt
            assert self.before.batch_job_id in (None, container.batch_job_id)

    @precondition(lambda self: self.containers)
    @rule(which=ANY)
    def report(self, which: int) -> None:
        container = _one_of(self.containers, which)
        self._write(container, lambda: container.update({"Progress": 50}))

    @precondition(lambda self: self.containers)
    @rule(which=ANY, status=st.sampled_from([Status.COMPLETED, Status.FAILED, Status.STOPPED]))
    def end(self, which: int, status: Status) -> None:
        container = _one_of(self.containers, which)
        self._write(container, lambda: container.end(status, {"Progress": 100}))

    def _write(self, container: Container, write: Callable[[], object]) -> None:
        """The owner's writes are taken until the session is over, and nobody else's ever."""
        is_owner = container is self.owner and self.before.status == Status.RUNNING
        assert self._accepted(write) == is_owner
        told["writes of a zombie"] += not is_owner

    def _accepted(self, write: Callable[[], object]) -> bool:
        try:
            write()
        except LostClaimError:
            assert self.world.row() == self.before
            return False
        return True

    @rule()
    def stop(self) -> None:
        try:
            assemble(self.world.ports).runs.stop(self.world.session)
        except ConflictError:
            assert self.before.status in (Status.COMPLETED, Status.FAILED)

    @rule(minutes=st.sampled_from([0, 1, 3, 6]))
    def sweep(self, minutes: int) -> None:
        self.world.ports.clock.advance(minutes=minutes)
        self.world.sweep()
        told["sweeps"] += 1

    @invariant()
    def moves_are_legal(self) -> None:
        before, after = self.before, self.world.row()
        assert before.status == after.status or may_move(before.status, after.status)
        assert before.status not in TERMINAL or after == before, "a terminal state has changed"
        assert before.batch_job_id in (None, after.batch_job_id), "the session has changed its job"
        assert before.attempt <= after.attempt, "an older attempt has the session"
        assert (after.active is None) == after.is_over
        self.before = after

    def teardown(self) -> None:
        """When its jobs are over, or their machines gone, two sweeps leave no session that isn't over."""
        for job in self.jobs:
            if job.status == "RUNNING":
                job.ended(1)
        for _ in range(2):
            self.world.ports.clock.advance(minutes=11)
            self.world.sweep()
            self.moves_are_legal()
        for job in self.jobs:
            if job.status in ("RUNNABLE", "STARTING"):
                self.world.ports.jobs.terminate(job.job_id, "the end")
        for _ in range(2):
            self.world.sweep()
            self.moves_are_legal()
        waits = any(each.status == "STARTING" for each in self.jobs)
        assert self.world.row().is_over or waits
        told[str(self.world.row().status)] += 1


def _one_of(there: Sequence[Any], which: int) -> Any:
    return there[which % len(there)]
