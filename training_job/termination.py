"""SIGTERM: the user stopped the job, its time is up, or its machine is reclaimed."""

import logging
import os
import signal
from collections.abc import Callable
from threading import Event, Thread
from types import FrameType

from botocore.exceptions import BotoCoreError, ClientError

from .sessions import SessionRepository

_LOG = logging.getLogger(__name__)
#: What a shell says of a process that SIGTERM ended; Batch's retry strategy decides what it means.
EXIT_CODE = 128 + signal.SIGTERM


def handle_sigterm(sessions: SessionRepository, stop: Event, leave: Callable[[int], None] = os._exit) -> None:
    """From now on SIGTERM sets `stop` where the user asked for it, and else ends the process at once.

    The session is left as it is then: a later attempt, or the handler of Batch's events, goes on.
    """

    def decide() -> None:
        if stop.is_set() or _stop_requested(sessions):
            stop.set()
        else:
            _LOG.warning("terminated; the session is left to the next attempt")
            leave(EXIT_CODE)

    def on_signal(number: int, frame: FrameType | None) -> None:
        del number, frame
        # In a thread: the interrupted code may hold the very lock that the read would wait for.
        Thread(target=decide, daemon=True).start()

    signal.signal(signal.SIGTERM, on_signal)


def _stop_requested(sessions: SessionRepository) -> bool:
    try:
        return sessions.get().stop_requested_at is not None
    except (BotoCoreError, ClientError):
        return False
