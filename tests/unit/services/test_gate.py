"""The bound on what is in memory at one moment."""

import random
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Lock

from chalicelib.services.gate import Gate

CAPACITY = 10


class Watched:
    """Enters a gate, and keeps the largest sum of sizes that it saw inside."""

    def __init__(self) -> None:
        self.gate = Gate(CAPACITY)
        self.most = self._sum = 0
        self._lock = Lock()

    def hold(self, size: int, inside=lambda: None) -> None:
        with self.gate.enter(size):
            with self._lock:
                self._sum += size
                self.most = max(self.most, self._sum)
            inside()
            with self._lock:
                self._sum -= size


def test_the_sum_inside_stays_within_the_capacity_or_the_largest():
    """Sizes in any order, many of them over the capacity: the sum is at most the larger of the two."""
    watched = Watched()
    sizes = random.Random(7).choices([0, 1, 3, 7, 10, 11, 25], k=2000)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(watched.hold, sizes))
    assert CAPACITY <= watched.most <= 25


def test_what_fits_together_goes_in_together():
    """Five of a fifth each meet inside; so the bound is no lock."""
    watched, meeting = Watched(), Barrier(5)
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(lambda size: watched.hold(size, lambda: meeting.wait(timeout=20)), [2] * 5))
    assert watched.most == CAPACITY


def test_what_fails_inside_leaves_the_gate():
    """After an error inside, all of the capacity is free again."""
    gate = Gate(CAPACITY)
    for _ in range(3):
        try:
            with gate.enter(CAPACITY):
                raise ValueError
        except ValueError:
            continue
    with gate.enter(CAPACITY):
        pass
