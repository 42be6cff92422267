"""Work in threads, with a limit of what is under way."""

import threading
import time

import pytest

from training_job.window import run_in_window

MB = 1_000_000


def most_at_once(sizes: list[int], threads: int = 8) -> int:
    """How many items were worked on at one moment, at most; each of them is, once."""
    lock, seen, state = threading.Lock(), [], [0, 0]

    def work(index: int) -> None:
        with lock:
            seen.append(index)
            state[0] += 1
            state[1] = max(state)
        time.sleep(0.005)
        with lock:
            state[0] -= 1

    done: list[int] = []
    run_in_window(work, sizes, done.append, threads=threads)
    assert sorted(seen) == list(range(len(sizes)))
    assert [each for each in done if each] == list(range(1, len(sizes) + 1))
    return state[1]


def test_small_items_are_limited_by_the_threads() -> None:
    """As many as there are threads are under way, no more."""
    assert most_at_once([1] * 40) == 8


def test_large_items_are_limited_by_their_bytes() -> None:
    """Items of half the window go in twos, and one that is larger than the window goes alone."""
    assert most_at_once([60 * MB] * 10) == 2
    assert most_at_once([500 * MB] * 3) == 1


def test_nothing_ends_at_once() -> None:
    """No items, no call."""
    assert most_at_once([]) == 0


def test_the_first_failure_ends_the_work() -> None:
    """What an item raises comes through, and what had not begun never does."""
    begun: list[int] = []

    def work(index: int) -> None:
        begun.append(index)
        time.sleep(0.002)
        if index == 20:
            raise KeyError("twenty")

    with pytest.raises(KeyError, match="twenty"):
        run_in_window(work, [1] * 500, lambda _: None, threads=4)
    assert len(begun) < 100


def test_the_end_waits_for_nothing_that_hangs() -> None:
    """A failure comes through while another item still waits for its answer."""
    released = threading.Event()

    def work(index: int) -> None:
        if index:
            raise KeyError("one")
        released.wait(20)

    started = time.monotonic()
    try:
        with pytest.raises(KeyError, match="one"):
            run_in_window(work, [1, 1], lambda _: None)
        assert time.monotonic() - started < 10
    finally:
        released.set()
