"""Waiting for AWS."""

import time
from collections.abc import Callable, Iterator

_FIRST_SECONDS = 0.2
_LONGEST_SECONDS = 4.0


def pauses() -> Iterator[None]:
    """Sleeps between the rounds of a loop, ever longer, and ends never."""
    seconds = _FIRST_SECONDS
    while True:
        yield
        time.sleep(seconds)
        seconds = min(seconds * 1.5, _LONGEST_SECONDS)


def within(seconds: float, is_so: Callable[[], bool]) -> bool:
    """Whether it becomes so within a time."""
    end = time.monotonic() + seconds
    for _ in pauses():
        if is_so():
            return True
        if time.monotonic() >= end:
            return False
    raise AssertionError("pauses end never")
