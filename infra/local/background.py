"""Work that goes on beside other work, and ends with it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def beside(
    *work: Callable[[threading.Event], Any], name: str | None = None, patience: float | None = 5
) -> Iterator[None]:
    """Runs each of these in a thread that ends, when the context does, by the event that it is given.

    Args:
        work: what runs until its event is set, and then does what is left.
        name: of the threads.
        patience: seconds that each may take to end, since one that hangs must not keep the rest from
            ending; None is for what must be done.
    """
    stop = threading.Event()
    threads = [threading.Thread(target=each, args=(stop,), name=name, daemon=True) for each in work]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(timeout=patience)
