import itertools
from dataclasses import dataclass, field, replace
from threading import Event
from typing import Any

import pytest
from botocore.exceptions import ClientError
from test_training_patience import refusal

from chalicelib.contract.records import EpochMetrics, Session
from chalicelib.contract.states import Phase, Status
from training_job.figures import EpochFigures
from training_job.metrics_sink import INTERVAL_SECONDS, SPANS, SessionSink, StopRequestedError

FIGURES = EpochFigures(
    epoch=1, train_loss=1.0, train_accuracy=0.5, val_loss=1.5, val_accuracy=0.25,
    learning_rate=0.1, images_per_second=10.0, epoch_seconds=2.0,
)  # fmt: skip


@dataclass
class FakeSessions:
    """A session's row in memory."""

    session_id: str = "s"
    stop_requested_at: str | None = None
    error: Exception | None = None
    updates: list[dict[str, Any]] = field(default_factory=list)
    epochs: list[tuple[EpochMetrics, dict[str, Any]]] = field(default_factory=list)

    def update(self, values: dict[str, Any]) -> Session:
        if self.error:
            raise self.error
        self.updates.append(values)
        return Session(
            project_id="p", session_id="s", user_id="u", config_id="c", config={}, status=Status.RUNNING,
            start_time="t", stop_requested_at=self.stop_requested_at,
        )  # fmt: skip

    def add_epoch(self, metrics: EpochMetrics, values: dict[str, Any]) -> None:
        self.epochs.append((metrics, values))


@dataclass
class Clock:
    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def sessions() -> FakeSessions:
    return FakeSessions()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sink(sessions: FakeSessions, clock: Clock) -> SessionSink:
    return SessionSink(sessions, Event(), clock)  # type: ignore[arg-type]


def test_phases_follow_one_another() -> None:
    """Each phase begins where the one before it ends, from 0 to 100."""
    spans = list(SPANS.values())
    assert (spans[0][0], spans[-1][1]) == (0, 100)
    assert all(first[1] == second[0] for first, second in itertools.pairwise(spans))


def test_live_updates_are_rare(sink: SessionSink, sessions: FakeSessions, clock: Clock) -> None:
    """However many steps there are, a live update comes at most every two seconds."""
    sink.enter(Phase.TRAINING)
    for step in range(1, 101):
        clock.seconds += 0.1
        sink.on_step(step / 100, 50.0)
    assert 3 <= len(sessions.updates) <= 1 + 10 / INTERVAL_SECONDS


def test_live_update_has_progress_speed_and_eta(
    sink: SessionSink, sessions: FakeSessions, clock: Clock
) -> None:
    """Half way through 20 seconds of training, about ten are left, and what comes after."""
    sink.enter(Phase.TRAINING)
    clock.seconds = 10
    sink.on_step(0.5, 12.345)
    live = sessions.updates[-1]
    assert (live["Phase"], live["Progress"]) == (Phase.TRAINING, 51.0)
    assert live["Metrics"] == {"imagesPerSecond": 12.3}
    assert 10 <= live["EtaSeconds"] <= 20


def test_epoch_is_recorded_with_the_session(sink: SessionSink, sessions: FakeSessions, clock: Clock) -> None:
    """An epoch's item and the session's metrics say the same, and live updates keep them."""
    sink.enter(Phase.TRAINING)
    clock.seconds = 10
    sink.on_step(0.5, 1.0)
    sink.on_epoch(FIGURES)
    [(metrics, values)] = sessions.epochs
    assert values["Metrics"] == metrics.to_json()
    assert (metrics.session_id, metrics.val_accuracy) == ("s", 0.25)
    assert values["Progress"] == 51.0
    clock.seconds = 20
    sink.on_step(0.6, 7.0)
    assert sessions.updates[-1]["Metrics"] == metrics.to_json() | {"imagesPerSecond": 7.0}


def test_stop_request_is_seen_with_a_live_update(
    sink: SessionSink, sessions: FakeSessions, clock: Clock
) -> None:
    """The answer of an update carries the user's wish to stop."""
    sink.enter(Phase.TRAINING)
    assert not sink.stop_requested
    sessions.stop_requested_at, clock.seconds = "now", 9
    sink.on_step(0.5, 1.0)
    assert sink.stop_requested


def test_stop_while_downloading_ends_the_run(sink: SessionSink, sessions: FakeSessions) -> None:
    """Before training there is nothing to keep: a stop ends the run there; later phases go on."""
    sessions.stop_requested_at = "now"
    with pytest.raises(StopRequestedError):
        sink.on_download(0.1)
    assert sessions.updates[-1]["Phase"] == Phase.DOWNLOADING
    sink.enter(Phase.EVALUATING)
    sink.tick(0.5)


def test_attempt_that_goes_on_shows_no_less_than_the_last_one(
    sink: SessionSink, sessions: FakeSessions, clock: Clock
) -> None:
    """Progress stays where it was until it is passed, metrics stay, and a stop keeps what was learnt."""
    reached = sessions.update({})
    sessions.stop_requested_at = "now"
    sink.go_on(replace(reached, progress=40.5, metrics={"epoch": 3}))
    sink.on_download(0.5)
    assert sessions.updates[-1]["Progress"] == 40.5
    sink.enter(Phase.TRAINING)
    for done, progress in ((0.3, 40.5), (0.5, 51.0)):
        clock.seconds += 10
        sink.on_step(done, 2.0)
        assert sessions.updates[-1]["Progress"] == progress
        assert sessions.updates[-1]["Metrics"] == {"epoch": 3, "imagesPerSecond": 2.0}
    assert 50 <= sessions.updates[-1]["EtaSeconds"] <= 60  # from 0.3 to 0.5 in 20 seconds, so to 1 in 50


def test_live_update_is_left_out_where_the_database_is_busy(
    sink: SessionSink, sessions: FakeSessions, clock: Clock
) -> None:
    """Training goes on without it, and the next update comes as ever; a refusal is an error still."""
    sink.enter(Phase.TRAINING)
    clock.seconds, sessions.error = 10, refusal("ThrottlingException")
    sink.on_step(0.5, 1.0)
    sessions.error, count = None, len(sessions.updates)
    sink.on_step(0.6, 1.0)
    assert len(sessions.updates) == count
    clock.seconds = 20
    sink.on_step(0.7, 1.0)
    assert len(sessions.updates) == count + 1
    clock.seconds, sessions.error = 30, refusal("AccessDeniedException")
    with pytest.raises(ClientError):
        sink.on_step(0.8, 1.0)
