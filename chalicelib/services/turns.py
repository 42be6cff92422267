"""Until when work that came together may wait for its turn, wherever on its way that is.

A function has its time for a whole batch. What can't begin early enough to end within it comes again,
rather than that all of it is cut off. It goes with the context, as the log's fields do.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from ..contract.errors import UnavailableError

_left: ContextVar[Callable[[], float] | None] = ContextVar("left", default=None)


class NotBegunError(UnavailableError):
    """Its turn didn't come in time; nothing was done, and nothing is said of it."""


@contextmanager
def beginning_within(seconds: float, clock: Callable[[], float] = time.monotonic) -> Iterator[None]:
    """In this context, and copies of it, nothing that waits for a turn begins later."""
    end = clock() + seconds
    token = _left.set(lambda: end - clock())
    try:
        yield
    finally:
        _left.reset(token)


def seconds_left() -> float | None:
    """For a wait; None where it may take as long as it likes, as in a request or an import.

    Raises:
        NotBegunError: none.
    """
    left = _left.get()
    if left is None:
        return None
    if (seconds := left()) <= 0:
        raise NotBegunError("its turn didn't come in time")
    return seconds
