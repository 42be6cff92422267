"""Work on many items in threads, with no more of it under way than memory is meant for."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Empty, SimpleQueue

#: Requests under way: at 30 ms each, as S3 takes for a small object, 1,000 objects a second.
THREADS = 32
_BYTES = 128_000_000
_TICK_SECONDS = 1.0


def run_in_window(
    work: Callable[[int], None],
    sizes: Sequence[int],
    on_done: Callable[[int], None],
    *,
    threads: int = THREADS,
) -> None:
    """Calls `work` with 0, 1, … in threads, as far ahead as the window of bytes lets it.

    Args:
        sizes: what each item holds while it is worked on, in bytes; one that is larger than the window
            goes alone.
        on_done: called in this thread with how many have ended: after each, and at least each second.

    Raises:
        Exception: what `work` or `on_done` raises, at once; what hasn't begun by then never does.
    """
    pool = ThreadPoolExecutor(threads)
    finished: SimpleQueue[Future[None]] = SimpleQueue()
    flying: dict[Future[None], int] = {}
    done = 0

    def settle() -> None:
        nonlocal done
        try:
            future = finished.get(timeout=_TICK_SECONDS)
        except Empty:
            return on_done(done)
        del flying[future]
        future.result()
        done += 1
        return on_done(done)

    try:
        for index, size in enumerate(sizes):
            while flying and (len(flying) >= threads or sum(flying.values()) + size > _BYTES):
                settle()
            future = pool.submit(work, index)
            flying[future] = size
            future.add_done_callback(finished.put)
        while flying:
            settle()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
