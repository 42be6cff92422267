"""Signs of life while a step takes long.

The sweep (`chalicelib/services/silence.py`) takes a run for dead that hasn't reported for minutes. An
export, an upload, or a step on a slow processor may take longer than that: so a thread reports as well.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

#: Between two signs; as long as a run reports by itself, none is needed.
BEAT_SECONDS = 30.0
#: A process that has got nowhere for so long hangs, and is to be taken for dead.
STUCK_SECONDS = 3600.0
_LOOK_SECONDS = 5.0


@contextmanager
def beating(beat: Callable[[], bool]) -> Iterator[None]:
    """Within it a thread calls `beat` every few seconds, until that says that there is no more to do."""
    over = Event()

    def run() -> None:
        while not over.wait(_LOOK_SECONDS) and beat():
            pass

    thread = Thread(target=run, name="heart", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()  # and not joined: it may wait for an AWS that is out of reach
