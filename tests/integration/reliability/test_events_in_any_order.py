"""Batch's events doubled, late, out of order and of other jobs, among everything else that happens."""

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from chalicelib import bootstrap
from chalicelib.bootstrap import aws_ports
from chalicelib.contract.states import Status
from chalicelib.settings import Settings
from infra.local.aws import EmbeddedAws
from tests.integration.reliability.histories import History, told
from tests.integration.reliability.worlds import TRY_AGAIN, MemoryWorld, StackWorld

#: How often a walk takes each step, among those that can be taken.
WEIGHTS = {
    "carry_on": 6,
    "deliver": 5,
    "deliver_the_newest": 3,
    "deliver_of_another_generation": 1,
    "claim": 4,
    "report": 3,
    "end": 2,
    "submit_again": 1,
    "note_the_job": 1,
    "stop": 0.2,
    "sweep": 0.7,
}
KINDS = ("events", "events of another job", "events of another generation", "writes of a zombie", "sweeps")
#: One history of so many more is hypothesis's own, which searches for what breaks, and shrinks it.
SEARCHED = 20
STATES = (Status.COMPLETED, Status.FAILED, Status.STOPPED)


def _history(make_world: Callable[[], Any]) -> type[History]:
    told.clear()
    return type("ThisHistory", (History,), {"make_world": staticmethod(make_world)})


def _walk(history: History, choice: Random, steps: int) -> None:
    """One history without hypothesis, whose first hundred are too short to be worth an AWS."""
    for _ in range(steps):
        [name] = choice.choices([*WEIGHTS], [*WEIGHTS.values()])
        which = {"which": choice.randrange(8)}
        if (name.startswith("deliver") and not history.events) or (
            name in ("claim", "report", "end") and not history.containers
        ):
            name = "carry_on"
        match name:
            case "carry_on" if not history.running:
                continue
            case "carry_on":
                history.carry_on(**which, exit_code=choice.choice((0, 1, 137, TRY_AGAIN, TRY_AGAIN)))
            case "deliver_of_another_generation":
                history.deliver_of_another_generation(**which, generation=choice.choice((0, 2)))
            case "deliver" | "claim" | "report" | "note_the_job":
                getattr(history, name)(**which)
            case "end":
                history.end(**which, status=choice.choice((*STATES, Status.COMPLETED, Status.COMPLETED)))
            case "sweep":
                history.sweep(minutes=choice.choice((0, 1, 3, 6)))
            case "submit_again" if len(history.jobs) > 1:
                continue
            case _:
                getattr(history, name)()
        history.moves_are_legal()
    history.teardown()


@pytest.mark.injects(
    "a history of a run in memory: events doubled, late, out of order, of other jobs; zombies, stops, sweeps",
    times=1_000,
    soak=100_000,
    outcome="legal moves only, no terminal state changes, an older attempt or another job changes nothing",
)
def test_any_history_in_memory(times: int) -> None:
    """The services on the fakes, which tests/contract holds to the real adapters."""
    history = _history(MemoryWorld)
    for number in range(times):
        _walk(history(), Random(number), steps=40)
    how = settings(
        max_examples=times // SEARCHED,
        stateful_step_count=40,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(history, settings=how)
    assert told["histories"] >= times + times // SEARCHED
    assert min(told[each] for each in (*KINDS, *STATES)) > times / 20


@pytest.mark.injects(
    "the same through the handler, the adapters and the container's own writes, in the embedded AWS",
    times=8,
    soak=1_000,
    outcome="the same",
)
def test_any_history_in_the_embedded_aws(environment: None, stack: EmbeddedAws, times: int) -> None:
    """Events come as SQS brings them; the conditions are DynamoDB's."""
    from app import app

    ports = aws_ports(Settings.read(stack.environment), bootstrap.aws())
    history = _history(lambda: StackWorld(app, stack, ports))
    for number in range(times):
        _walk(history(), Random(number), steps=25)
    assert told["histories"] == times
    assert min(told[each] for each in (*KINDS, *STATES)) > 0
