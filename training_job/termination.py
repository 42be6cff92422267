"""SIGTERM: the user stopped the job, its time is up, or its machine is reclaimed.

Batch sends it, and SIGKILL thirty seconds later.
"""

import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from types import FrameType

from botocore.exceptions import BotoCoreError, ClientError

from .sessions import SessionRepository

_LOG = logging.getLogger(__name__)
#: What a shell says of a process that SIGTERM ended; Batch's retry strategy decides what it means.
EXIT_CODE = 128 + signal.SIGTERM
#: From SIGTERM to the end of the process, whatever it is busy with.
GRACE_SECONDS = 20.0
#: The same where the user wanted to stop: the results that are being made are all that is left to do.
STOP_SECONDS = 27.0
# To ask whether the user wanted this. A wish that isn't heard in time is carried out by the sweep.
_ASK_SECONDS = 3.0


class Termination:
    """What a process does about SIGTERM from now on.

    It sets `stop` where the user asked for that. Else, in training it sets `reclaimed`, and the engine
    leaves a checkpoint; at any other time there is nothing to keep, and the process ends at once. The
    session is left as it is then: a later attempt, or the handler of Batch's events, goes on. That is
    so, too, of a stop whose results aren't there in time.

    Args:
        sessions: whose session may say that the user wants to stop.
        leave: ends the process.
    """

    def __init__(
        self,
        sessions: SessionRepository,
        stop: Event,
        reclaimed: Event,
        *,
        leave: Callable[[int], None] = os._exit,
        grace_seconds: float = GRACE_SECONDS,
        stop_seconds: float = STOP_SECONDS,
    ) -> None:
        self._sessions, self._stop, self._reclaimed = sessions, stop, reclaimed
        self._leave, self._grace_seconds, self._stop_seconds = leave, grace_seconds, stop_seconds
        self._keeps = False
        signal.signal(signal.SIGTERM, self._on_signal)

    @contextmanager
    def keeping(self) -> Iterator[None]:
        """Within it a checkpoint is left."""
        self._keeps = True
        try:
            yield
        finally:
            self._keeps = False

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        # In threads: the interrupted code may hold the very lock that they would wait for.
        Thread(target=self._decide, daemon=True).start()
        Thread(target=self._watch, daemon=True).start()

    def _decide(self) -> None:
        asking = Thread(target=self._ask, daemon=True)
        asking.start()
        asking.join(_ASK_SECONDS)
        if self._stop.is_set():
            return
        _LOG.warning("terminated; the session is left to the next attempt")
        if self._keeps:
            self._reclaimed.set()
        else:
            self._leave(EXIT_CODE)

    def _ask(self) -> None:
        try:
            if self._sessions.get().stop_requested_at is not None:
                self._stop.set()
        except (BotoCoreError, ClientError) as error:
            _LOG.warning("nobody to ask whether the user wants to stop: %s", error)

    def _watch(self) -> None:
        time.sleep(self._grace_seconds)
        if self._stop.is_set():
            time.sleep(self._stop_seconds - self._grace_seconds)
        _LOG.warning("not done in time after SIGTERM")
        self._leave(EXIT_CODE)
