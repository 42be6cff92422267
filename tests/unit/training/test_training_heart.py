"""Signs of life of a run that is busy with something long."""

from threading import Event

import boto3
import pytest
from test_training_patience import refusal
from test_training_sink import Clock, FakeSessions

import training_job.heart
from chalicelib.contract.errors import LostClaimError
from chalicelib.services.silence import SECOND_LOOK_SECONDS, SILENT_AFTER
from training_job.aws import Clients
from training_job.heart import BEAT_SECONDS, STUCK_SECONDS, beating
from training_job.metrics_sink import SessionSink, SilentSink


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions() -> FakeSessions:
    return FakeSessions()


@pytest.fixture
def stop() -> Event:
    return Event()


@pytest.fixture
def sink(sessions: FakeSessions, stop: Event, clock: Clock) -> SessionSink:
    return SessionSink(sessions, stop, clock)  # type: ignore[arg-type]


def test_a_long_step_gives_signs(sink: SessionSink, sessions: FakeSessions, clock: Clock) -> None:
    """Half an hour without a step is never silent for half as long as the sweep allows."""
    sink.on_step(0.5, 1.0)
    gaps, seen = [0.0], len(sessions.updates)
    for _ in range(360):
        clock.seconds += 5
        gaps[-1] += 5
        assert sink.beat()
        if len(sessions.updates) > seen:
            seen = len(sessions.updates)
            gaps.append(0.0)
    assert max(gaps) == BEAT_SECONDS < SILENT_AFTER.total_seconds() / 2
    assert all(each == {} for each in sessions.updates[1:])


def test_a_run_that_reports_needs_no_sign(sink: SessionSink, sessions: FakeSessions, clock: Clock) -> None:
    """Beside live updates nothing more is written."""
    for _ in range(20):
        clock.seconds += 5
        sink.tick(0.5)
        assert sink.beat()
    assert len(sessions.updates) == 20


def test_a_process_that_hangs_gives_none(sink: SessionSink, sessions: FakeSessions, clock: Clock) -> None:
    """After an hour in which nothing got on, the run is left to the sweep."""
    clock.seconds += STUCK_SECONDS - 1
    assert sink.beat()
    clock.seconds += 1
    assert not sink.beat()
    assert len(sessions.updates) == 1


def test_a_sign_hears_the_wish_to_stop(
    sink: SessionSink, sessions: FakeSessions, stop: Event, clock: Clock
) -> None:
    """Who stops a run during a long step is heard by the next sign."""
    sessions.stop_requested_at = "t"
    clock.seconds += BEAT_SECONDS
    sink.beat()
    assert stop.is_set()


def test_what_aws_refuses_is_sent_again(sink: SessionSink, sessions: FakeSessions, clock: Clock) -> None:
    """While AWS is busy each look tries again; a lost claim ends the signs, and is the run's own to meet."""
    sessions.error = refusal("ThrottlingException", 400)
    clock.seconds += BEAT_SECONDS
    assert sink.beat()
    sessions.error = None
    assert sink.beat()
    assert len(sessions.updates) == 1
    sessions.error = LostClaimError("lost")
    clock.seconds += BEAT_SECONDS
    assert not sink.beat()


def test_a_live_update_that_fails_postpones_no_sign(
    sink: SessionSink, sessions: FakeSessions, clock: Clock
) -> None:
    """Steps go on through an outage, each with a try that fails: the next look after it gives a sign."""
    sink.on_step(0.1, 1.0)
    sessions.error = refusal("ThrottlingException", 400)
    for _ in range(60):
        clock.seconds += 5
        sink.on_step(0.2, 1.0)
        assert sink.beat()
    sessions.error, count = None, len(sessions.updates)
    clock.seconds += 1
    assert sink.beat()
    assert len(sessions.updates) == count + 1


def test_signs_go_their_own_way(clock: Clock, stop: Event) -> None:
    """The heart's writes go by the client that gives up soon, and count for live updates as well."""
    sessions, pulse = FakeSessions(), FakeSessions(stop_requested_at="t")
    sink = SessionSink(sessions, stop, clock, pulse)  # type: ignore[arg-type]
    clock.seconds += BEAT_SECONDS
    sink.beat()
    assert (sessions.updates, pulse.updates) == ([], [{}])
    assert stop.is_set()
    sink.tick(0.5)
    assert sessions.updates == []


def test_the_pulse_gives_up_before_the_second_look() -> None:
    """Its own client goes where the other goes, and all its tries end between the sweep's two looks."""
    session = boto3.session.Session("KEY", "secret", region_name="eu-west-1")
    dynamodb = session.client("dynamodb", endpoint_url="http://127.0.0.1:9")
    pulse = Clients(dynamodb, None, session).pulse()
    assert (pulse.meta.endpoint_url, pulse.meta.region_name) == ("http://127.0.0.1:9", "eu-west-1")
    config = pulse.meta.config
    tries = config.retries["total_max_attempts"]
    longest = tries * (config.connect_timeout + config.read_timeout) + 2 ** (tries - 1)  # and the pauses
    assert longest + training_job.heart._LOOK_SECONDS < SECOND_LOOK_SECONDS


def test_the_thread_beats_beside_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work that waits for three signs gets them, and after it no further one comes."""
    monkeypatch.setattr(training_job.heart, "_LOOK_SECONDS", 0.001)
    signs, third = [], Event()

    def beat() -> bool:
        signs.append(1)
        if len(signs) == 3:
            third.set()
        return len(signs) < 3

    with beating(beat):
        assert third.wait(20)
    assert len(signs) == 3


def test_a_process_that_does_not_write_gives_no_sign() -> None:
    """Of processes that train together only the writer reports."""
    assert not SilentSink().beat()
