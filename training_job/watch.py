"""Counts what is done, tells the sink, and ends training when that is asked."""

from collections.abc import Callable
from enum import StrEnum

import torch

from .checkpoint import Checkpoints
from .figures import MetricsSink
from .group import Group

# Processes that train together must end after the same step. To agree on it they wait for each other:
# about so often, but not before a step is over, and not after more steps than that.
_AGREE_SECONDS, _MOST_STEPS = 0.5, 64


class Ending(StrEnum):
    """Why training ended."""

    COMPLETE = "complete"
    STOPPED = "stopped"
    EARLY = "early"
    RUNTIME = "runtime"
    RECLAIMED = "reclaimed"  # the machine is: a checkpoint is kept, and another attempt goes on from it


class Interrupted(Exception):  # noqa: N818 - no error: a wish or a limit, caught in `engine.fit`
    def __init__(self, ending: Ending) -> None:
        self.ending = ending


class Watch:
    """How much is done, in units of one step's evaluation, and whether to go on.

    Args:
        total: units of the whole training.
        deadline: the moment of `clock` at which it has to end.
    """

    def __init__(
        self,
        sink: MetricsSink,
        checkpoints: Checkpoints,
        group: Group,
        *,
        total: int,
        deadline: float,
        clock: Callable[[], float],
    ) -> None:
        self.done = 0
        self._sink, self._checkpoints, self._group = sink, checkpoints, group
        self._total, self._deadline, self._clock = total, deadline, clock
        self._agreed_at, self._interval, self._left = clock(), 1, 1

    def step(self, cost: int, images_per_second: float, *, is_due: bool) -> bool:
        """After a training step, in all processes.

        Args:
            is_due: whether this process takes a checkpoint for due.

        Returns:
            Whether one is due in any.

        Raises:
            Interrupted: to end after this step, in all processes alike.
        """
        self._tell(cost, images_per_second)
        self._left -= 1
        if self._group.size > 1 and self._left:
            return False
        wishes = [self._checkpoints.urgent, self._sink.stop_requested, self._is_late(), is_due]
        *wishes, is_due = self._agreed(wishes)
        self._end_if(wishes)
        return is_due

    def batch(self, cost: int, images_per_second: float) -> None:
        """After a batch of something else, of which processes may have different numbers.

        Raises:
            Interrupted: to end.
        """
        self._tell(cost, images_per_second)
        alone = self._group.size == 1  # else what ends one only would leave the others waiting for it
        wishes = [self._sink.stop_requested, self._is_late()] if alone else [False, False]
        self._end_if([self._checkpoints.urgent, *wishes])

    def _tell(self, cost: int, images_per_second: float) -> None:
        self.done += cost
        self._sink.on_step(self.done / self._total, images_per_second)

    def _is_late(self) -> bool:
        return self._clock() > self._deadline

    def _agreed(self, flags: list[bool]) -> list[bool]:
        """The flags that any process has set, and with the same answer the steps to the next agreement."""
        if self._group.size == 1:
            return flags
        microseconds = round(1e6 * (self._clock() - self._agreed_at))  # whole: all have the same sum
        *found, total = self._group.sum(torch.tensor([*flags, microseconds])).tolist()
        self._agreed_at = self._clock()
        steps = 1e6 * _AGREE_SECONDS * self._group.size * self._interval / max(total, 1)
        self._interval = self._left = max(1, min(int(steps), _MOST_STEPS))
        return [count > 0 for count in found]

    def _end_if(self, flags: list[bool]) -> None:
        for flag, ending in zip(flags, (Ending.RECLAIMED, Ending.STOPPED, Ending.RUNTIME), strict=True):
            if flag:
                raise Interrupted(ending)
