"""Processes that train together end after the same step, and soon."""

from dataclasses import dataclass, field

import pytest
from torch import Tensor

from training_job.checkpoint import NullCheckpoints
from training_job.figures import NullSink
from training_job.group import Group
from training_job.watch import Ending, Interrupted, Watch


@dataclass(frozen=True, kw_only=True, slots=True)
class Twins(Group):
    """Two processes of which the other says the same as this one; counts how often they meet."""

    met: list[Tensor] = field(default_factory=list)

    def sum(self, values: Tensor) -> Tensor:
        self.met.append(values.clone())
        return values.add_(values.clone())


@dataclass
class Clock:
    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds


def _watched(step_seconds: float, steps: int, deadline: float = 1e9) -> Twins:
    """The meetings of so many steps."""
    group, clock = Twins(size=2), Clock()
    watch = Watch(NullSink(), NullCheckpoints(), group, total=steps, deadline=deadline, clock=clock)
    for _ in range(steps):
        clock.seconds += step_seconds
        watch.step(1, 1.0, is_due=False)
    return group


@pytest.mark.parametrize(("step_seconds", "most"), [(0.001, 12), (0.05, 70), (3.0, 640)])
def test_fast_steps_are_seldom_agreed_on_and_slow_ones_each(step_seconds: float, most: int) -> None:
    """A wish waits for half a second of steps, or for one step that takes longer, and never for more."""
    met = len(_watched(step_seconds, 640).met)
    assert most * 0.8 <= met <= most


def test_a_limit_ends_the_run_at_the_next_agreement() -> None:
    """With steps of three seconds a run is ended by the step in which its time was up."""
    with pytest.raises(Interrupted) as interrupted:
        _watched(3.0, 5, deadline=7.0)
    assert interrupted.value.ending is Ending.RUNTIME


def test_alone_nothing_is_agreed_on() -> None:
    """One process sees its own wish after each step."""
    watch = Watch(NullSink(), NullCheckpoints(), Group.alone(), total=1, deadline=1e9, clock=Clock())
    assert [watch.step(0, 1.0, is_due=each) for each in (False, True)] == [False, True]
