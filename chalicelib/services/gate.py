"""A bound on what is held in memory at one moment, by threads that know the size of what they take."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

from .turns import NotBegunError, seconds_left


class Gate:
    """Lets work in while the sum of its sizes stays within the capacity.

    What is larger than the capacity goes in alone, so the sum is at most the larger of the two.
    Nobody waits for ever: whoever is inside needs nothing more of this gate, so it leaves, and to
    an empty gate anything is let in. With several gates, take them in one order everywhere.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._free = capacity
        self._changed = Condition()

    @contextmanager
    def enter(self, size: int) -> Iterator[None]:
        """Waits until there is room for `size`, and keeps it until the block ends.

        Raises:
            NotBegunError: there was none by the time by which to begin; see `turns.py`.
        """
        size = min(size, self._capacity)
        with self._changed:
            if not self._changed.wait_for(lambda: size <= self._free, seconds_left()):
                raise NotBegunError("the memory wasn't free in time")
            self._free -= size
        try:
            yield
        finally:
            with self._changed:
                self._free += size
                self._changed.notify_all()
