"""Progress and figures, into the session's row while it is this attempt's."""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict
from threading import Event
from typing import Any

from chalicelib.contract.records import EpochMetrics
from chalicelib.contract.states import Phase

from .clock import timestamp, unix_after
from .figures import EpochFigures
from .sessions import SessionRepository

_LOG = logging.getLogger(__name__)

#: Where each phase begins and ends, in per cent of the run.
SPANS: dict[Phase, tuple[float, float]] = {
    Phase.PREPARING: (0, 2),
    Phase.DOWNLOADING: (2, 10),
    Phase.TRAINING: (10, 92),
    Phase.EVALUATING: (92, 95),
    Phase.EXPORTING: (95, 100),
}
#: Between two live updates; each is a write that costs money.
INTERVAL_SECONDS = 2.0
#: What evaluating and exporting take after the last epoch, roughly.
_TAIL_SECONDS = 5
_METRICS_DAYS = 365


class StopRequestedError(Exception):
    """The user stopped the session before there was anything to keep."""


class SessionSink:
    """The engine's sink, and the other phases' too.

    Args:
        stop: set when the user's wish to stop was seen, here or by a signal.
        clock: seconds, monotonic.
    """

    def __init__(
        self, sessions: SessionRepository, stop: Event, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._sessions, self._stop, self._clock = sessions, stop, clock
        self._phase, self._phase_start = Phase.PREPARING, clock()
        self._last_update = float("-inf")
        self._metrics: dict[str, Any] = {}
        self._training_done = 0.0

    @property
    def stop_requested(self) -> bool:
        return self._stop.is_set()

    def enter(self, phase: Phase) -> None:
        """Begins a phase, at once and whatever the interval."""
        self._phase, self._phase_start = phase, self._clock()
        _LOG.info("%s", phase)
        self._write(0.0)

    def on_progress(self, done: float) -> None:
        """The share of the present phase that is done, 0 to 1.

        Raises:
            StopRequestedError: the user wants to stop.
        """
        self.tick(done)
        if self.stop_requested:
            raise StopRequestedError

    def tick(self, done: float) -> None:
        """The same, where it is too late to stop."""
        if self._due():
            self._write(done)

    def on_step(self, done: float, images_per_second: float) -> None:
        """See `figures.MetricsSink`."""
        self._training_done = done
        if self._due():
            live = {**self._metrics, "imagesPerSecond": round(images_per_second, 1)}
            self._write(done, Metrics=live, EtaSeconds=self._eta())

    def on_epoch(self, figures: EpochFigures) -> None:
        """See `figures.MetricsSink`: the epoch's item and the session, in one transaction."""
        metrics = EpochMetrics(
            session_id=self._sessions.session_id,
            created_at=timestamp(),
            expires_at=unix_after(_METRICS_DAYS),
            **asdict(figures),
        )
        self._metrics = metrics.to_json()
        _LOG.info("%s", json.dumps(self._metrics))
        progress = _values(Phase.TRAINING, self._training_done)
        self._sessions.add_epoch(metrics, progress | {"Metrics": self._metrics, "EtaSeconds": self._eta()})

    def _due(self) -> bool:
        return self._clock() - self._last_update >= INTERVAL_SECONDS

    def _write(self, done: float, **values: Any) -> None:
        session = self._sessions.update(_values(self._phase, done) | values)
        self._last_update = self._clock()
        if session.stop_requested_at:
            self._stop.set()

    def _eta(self) -> int:
        """Seconds to the end of the run, at the speed of training so far."""
        seconds, done = self._clock() - self._phase_start, self._training_done
        return round(seconds * (1 - done) / max(done, 1e-9)) + _TAIL_SECONDS


def _values(phase: Phase, done: float) -> dict[str, Any]:
    start, end = SPANS[phase]
    return {"Phase": phase, "Progress": round(start + (end - start) * done, 1)}
