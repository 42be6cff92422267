"""A stop in every state, against everything that may happen at the same moment, in any order of the calls."""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations, product
from typing import Any

import pytest

from chalicelib.bootstrap import assemble
from chalicelib.contract.errors import ConflictError, LostClaimError
from chalicelib.contract.records import Session
from chalicelib.contract.states import TERMINAL, Status, origins
from chalicelib.services.run_ports import JobSeen
from chalicelib.services.starting import Starting
from tests.fakes import FakeSessions, fake_ports
from tests.interleaving import Choose, Turns, every_order
from tests.support import make_session

#: Where a session may be when its owner stops it: its state, whether its job is known, which attempt has it.
STATES = {
    "starting": (Status.QUEUED, False, 0),
    "queued": (Status.QUEUED, True, 0),
    "provisioning": (Status.PROVISIONING, True, 0),
    "running": (Status.RUNNING, True, 1),
    "completed": (Status.COMPLETED, True, 1),
    "failed": (Status.FAILED, True, 1),
    "stopped": (Status.STOPPED, True, 0),
}


class _Rows(FakeSessions):
    """Sessions with the container's writes beside those of the functions, and all that they ever were."""

    def __init__(self) -> None:
        super().__init__()
        self.history: list[Session] = []

    def claim(self, session: Session, attempt: int) -> Session:
        row = self.rows[session.project_id, session.session_id]
        if row.status not in origins(Status.RUNNING) or row.attempt >= attempt:
            raise LostClaimError("another's")
        return self._set(replace(row, status=Status.RUNNING, attempt=attempt))

    def leave(self, session: Session, attempt: int, status: Status) -> None:
        row = self.rows[session.project_id, session.session_id]
        if row.status != Status.RUNNING or row.attempt != attempt:
            raise LostClaimError("another's")
        self._set(replace(row, status=status, active=None, end_time="t"))

    def _change(self, row: Session | None, **changes: Any) -> bool:
        return row is not None and bool(self._set(replace(row, **changes)))

    def _set(self, row: Session) -> Session:
        self.rows[row.project_id, row.session_id] = row
        self.history.append(row)
        return row


class _World:
    """One session, its job, and those who may touch it at the same moment."""

    def __init__(self, state: str) -> None:
        status, has_job, attempt = STATES[state]
        self.rows, self.turns = _Rows(), Turns()
        self.ports = fake_ports(sessions=self.rows)
        own = {"attempt": attempt, "heartbeat_at": None, "start_time": "2026-01-31T08:00:00.000Z"}
        self.session = make_session("P", status, **own)
        if has_job:
            self.session = replace(self.session, batch_job_id=self.ports.jobs.submit(self.session, 1))
        if status not in TERMINAL and attempt:
            self.batch("RUNNING")
        if status in TERMINAL:
            self.batch("FAILED")
        self.rows.add(self.session)
        shared = {name: self.turns.share(getattr(self.ports, name)) for name in ("sessions", "jobs")}
        self.shared = shared["sessions"]
        ports = replace(self.ports, **shared)
        self.services = assemble(ports)
        self._starting = Starting(
            ports.sessions,
            ports.jobs,
            ports.idempotency,
            ports.telemetry,
            ports.clock,
            ports.ids,
            ports.limits,
        )

    def batch(self, status: str) -> None:
        """What AWS Batch says of every job that isn't over."""
        for each in self.ports.jobs.seen.values():
            if each.status not in ("SUCCEEDED", "FAILED"):
                self.ports.jobs.seen[each.batch_job_id] = replace(each, status=status)

    def stop(self) -> Any:
        try:
            return self.services.runs.stop(self.session)
        except ConflictError as error:
            return error.code, error.detail

    def start(self) -> None:
        """The rest of the start that put the session."""
        if self.session.batch_job_id is None:
            self._starting.start(lambda _: self.session)

    def succeed(self) -> None:
        self._train(1, Status.COMPLETED)

    def retry(self) -> None:
        """A second attempt, which fails."""
        self._train(2, Status.FAILED)

    def _train(self, attempt: int, end: Status) -> None:
        try:
            row = self.session
            if attempt > row.attempt:
                row = self.shared.claim(self.session, attempt)
            wish = row.stop_requested_at or self.shared.get("P", row.session_id).stop_requested_at
            self.shared.leave(row, attempt, Status.STOPPED if wish else end)
        except LostClaimError:
            pass

    def sweep(self) -> None:
        self.services.oversight.sweep()

    def hear(self) -> None:
        """The job's death, if there is a job yet, and an event of its birth that is late."""
        self.batch("FAILED")
        for job_id, status in product(tuple(self.ports.jobs.seen), ("FAILED", "RUNNABLE")):
            job = JobSeen(job_id, status)
            self.services.oversight.job_changed("P", self.session.session_id, 1, job)

    def settle(self) -> None:
        """Minutes later; no more events come."""
        if self.row.attempt:
            self.batch("SUCCEEDED")  # its container has found out that it is over
        for _ in range(2):
            self.ports.clock.advance(minutes=11)
            self.sweep()

    @property
    def row(self) -> Session:
        return self.rows.rows["P", self.session.session_id]

    def live_jobs(self) -> list[str]:
        seen = self.ports.jobs.seen.values()
        return [each.batch_job_id for each in seen if each.status not in ("SUCCEEDED", "FAILED")]


RACERS = (_World.start, _World.succeed, _World.retry, _World.sweep, _World.hear)


def _check(world: _World) -> None:
    """One terminal state, nothing written after it, no job left, and the same answer to every later stop."""
    world.settle()
    ends = [number for number, row in enumerate(world.rows.history) if row.is_over]
    assert len(ends) == (0 if world.session.is_over else 1)
    assert ends in ([], [len(world.rows.history) - 1])
    assert world.row.is_over
    assert world.live_jobs() == []
    final = world.row
    first, second = world.stop(), world.stop()
    assert first == second
    world.hear()
    assert world.row == final
    assert isinstance(first, Session) == (final.status == Status.STOPPED)


def _race(state: str, racers: tuple[Callable[[_World], Any], ...], choose: Choose) -> _World:
    world = _World(state)
    acts = [world.stop, *(lambda each=each: each(world) for each in racers)]
    world.turns.run(acts, choose)
    return world


def _orders(state: str, times: int) -> Iterator[None]:
    """A stop against each of the others in every order, then against all of them in any."""
    for racer in RACERS:
        yield from every_order(lambda choose, racer=racer: _check(_race(state, (racer,), choose)))
    dice = random.Random(state)
    for _ in range(times):
        _check(_race(state, dice.choice(list(combinations(RACERS, 4))), dice.randrange))
        yield


@pytest.mark.injects(
    "in each of seven states a stop amid a start, success, retry, sweep and events, their calls in any order",
    times=100,
    soak=10_000,
    outcome="one terminal state, nothing written after it, no job left; a second stop has the same answer",
)
@pytest.mark.parametrize("state", STATES)
def test_a_stop_in_any_order(state: str, times: int) -> None:
    """Whatever happens between two calls of a stop, its session ends once."""
    assert sum(1 for _ in _orders(state, times)) > times
