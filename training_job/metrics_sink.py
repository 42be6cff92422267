"""Progress and figures, into the session's row while it is this attempt's."""

import logging
import time
from collections.abc import Callable
from dataclasses import asdict
from threading import Event
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.contract.errors import LostClaimError
from chalicelib.contract.records import EpochMetrics, Session
from chalicelib.contract.states import Phase

from .clock import timestamp, unix_after
from .figures import EpochFigures, NullSink
from .heart import BEAT_SECONDS, STUCK_SECONDS
from .patience import is_passing, patiently
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


class SilentSink(NullSink):
    """Of a process that another one writes for."""

    def go_on(self, session: Session) -> None: ...

    def begin_anew(self) -> None: ...

    def enter(self, phase: Phase) -> None: ...

    def on_download(self, done: float) -> None: ...

    def tick(self, done: float) -> None: ...

    def beat(self) -> bool:
        return False


class SessionSink:
    """The engine's sink, and the other phases' too.

    Args:
        stop: set when the user's wish to stop was seen, here or by a signal.
        clock: seconds, monotonic.
        pulse: the same session for signs of life, whose writes fail soon; `sessions` unless given.
    """

    def __init__(
        self,
        sessions: SessionRepository,
        stop: Event,
        clock: Callable[[], float] = time.monotonic,
        pulse: SessionRepository | None = None,
    ) -> None:
        self._sessions, self._stop, self._clock = sessions, stop, clock
        self._pulse = pulse or sessions
        self._phase, self._phase_start = Phase.PREPARING, clock()
        self._last_update = self._last_failure = float("-inf")
        self._last_sign = clock()
        self._metrics: dict[str, Any] = {}
        self._training_done = self._first_done = 0.0
        self._reached, self._has_kept = 0.0, False

    @property
    def stop_requested(self) -> bool:
        return self._stop.is_set()

    def go_on(self, session: Session) -> None:
        """Continues what an earlier attempt has shown, and has kept: progress never falls, metrics stay."""
        self._reached, self._metrics = session.progress, dict(session.metrics or {})
        self._has_kept = True

    def begin_anew(self) -> None:
        """Takes back what an earlier attempt has shown: nothing of it is left to go on from."""
        patiently(lambda: self._sessions.update({"Progress": 0}, remove=("Metrics",)))

    def enter(self, phase: Phase) -> None:
        """Begins a phase, at once and whatever the interval."""
        self._phase, self._phase_start = phase, self._clock()
        self._last_sign = self._phase_start
        _LOG.info("%s", phase)
        patiently(lambda: self._write(0.0))

    def on_download(self, done: float) -> None:
        """The share of the images that are there; the first call begins the phase.

        Raises:
            StopRequestedError: the user wants to stop, and there is nothing to keep.
        """
        if self._phase is not Phase.DOWNLOADING:
            self.enter(Phase.DOWNLOADING)
        self.tick(done)
        if self.stop_requested and not self._has_kept:
            raise StopRequestedError

    def tick(self, done: float) -> None:
        """The share of the present phase that is done, 0 to 1."""
        if self._due():
            self._write_live(done)

    def on_step(self, done: float, images_per_second: float) -> None:
        """See `figures.MetricsSink`."""
        self._first_done = self._first_done or done
        self._training_done = done
        if self._due():
            live = {**self._metrics, "imagesPerSecond": round(images_per_second, 1)}
            self._write_live(done, Metrics=live, EtaSeconds=self._eta())

    def on_epoch(self, figures: EpochFigures) -> None:
        """See `figures.MetricsSink`: the epoch's item and the session, in one transaction."""
        metrics = EpochMetrics(
            session_id=self._sessions.session_id,
            created_at=timestamp(),
            expires_at=unix_after(_METRICS_DAYS),
            **asdict(figures),
        )
        self._metrics = metrics.to_json()
        self._last_sign = self._clock()
        _LOG.info("epoch %d", figures.epoch, extra={"fields": {"metrics": self._metrics}})
        values = self._progress(self._training_done) | {"Metrics": self._metrics, "EtaSeconds": self._eta()}
        patiently(lambda: self._sessions.add_epoch(metrics, values))
        self._has_kept = True

    def beat(self) -> bool:
        """A sign of life, where there was none for long; from `heart.beating`, in a thread of its own.

        Returns:
            Whether there may be need of another.
        """
        now = self._clock()
        if now - self._last_sign >= STUCK_SECONDS:
            _LOG.error("nothing has got on for %d minutes", STUCK_SECONDS / 60)
            return False
        try:
            if now - self._last_update >= BEAT_SECONDS:
                self._sent(self._pulse.update({}))
        except LostClaimError:  # the run meets it with its own next write
            return False
        except (BotoCoreError, ClientError) as error:
            _LOG.warning("a sign of life was left out: %s", error)
        return True

    def _due(self) -> bool:
        self._last_sign = self._clock()
        return self._last_sign - max(self._last_update, self._last_failure) >= INTERVAL_SECONDS

    def _write(self, done: float, **values: Any) -> None:
        self._sent(self._sessions.update(self._progress(done) | values))

    def _sent(self, session: Session) -> None:
        self._last_update = self._clock()
        if session.stop_requested_at:
            self._stop.set()

    def _write_live(self, done: float, **values: Any) -> None:
        try:
            self._write(done, **values)
        except (BotoCoreError, ClientError) as error:
            if not is_passing(error):
                raise
            self._last_failure = self._clock()  # of which the heart takes no notice
            _LOG.warning("a live update was left out: %s", error)

    def _progress(self, done: float) -> dict[str, Any]:
        start, end = SPANS[self._phase]
        self._reached = max(self._reached, round(start + (end - start) * done, 1))
        return {"Phase": self._phase, "Progress": self._reached}

    def _eta(self) -> int:
        """Seconds to the end of the run, at the speed of training so far."""
        seconds, done = self._clock() - self._phase_start, self._training_done
        share = max(done - self._first_done, 1e-9) if done > self._first_done else max(done, 1e-9)
        return round(seconds * (1 - done) / share) + _TAIL_SECONDS
