"""What SIGTERM does, whatever the process is busy with."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from queue import Queue
from threading import Event

import pytest
from botocore.exceptions import EndpointConnectionError

from training_job.termination import Termination


@dataclass
class FakeSessions:
    """A session of which only the wish to stop is known."""

    stop_requested_at: str | None = None
    error: Exception | None = None
    seconds: float = 0.0

    def get(self) -> "FakeSessions":
        time.sleep(self.seconds)
        if self.error:
            raise self.error
        return self


@dataclass
class Process:
    """One that would end with `codes`."""

    sessions: FakeSessions
    grace_seconds: float = 3600.0
    stop_seconds: float = 3600.0

    def __post_init__(self) -> None:
        self.codes: Queue[int] = Queue()
        self.stop, self.reclaimed = Event(), Event()
        self.termination = Termination(
            self.sessions, self.stop, self.reclaimed,  # type: ignore[arg-type]
            leave=self.codes.put, grace_seconds=self.grace_seconds, stop_seconds=self.stop_seconds,
        )  # fmt: skip

    def terminate(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture(autouse=True)
def _restored_handler() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("error", [None, EndpointConnectionError(endpoint_url="x")])
def test_reclaimed_machine_ends_the_process(error: Exception | None) -> None:
    """SIGTERM without a wish to stop, or with nobody to ask, leaves with 143 at once."""
    process = Process(FakeSessions(error=error))
    process.terminate()
    assert process.codes.get(timeout=5) == 143
    assert not process.reclaimed.is_set()


def test_wanted_stop_goes_on() -> None:
    """SIGTERM after the user's stop lets training end by itself."""
    process = Process(FakeSessions(stop_requested_at="now"))
    process.terminate()
    assert process.stop.wait(5)
    assert process.codes.empty()


def test_training_is_left_time_for_a_checkpoint() -> None:
    """Where a checkpoint can be kept, the process isn't ended but told."""
    process = Process(FakeSessions())
    with process.termination.keeping():
        process.terminate()
        assert process.reclaimed.wait(5)
    assert process.codes.empty()
    assert not process.stop.is_set()


def test_silent_database_delays_nothing_for_long() -> None:
    """A read that hangs is not waited for: the checkpoint comes first."""
    process = Process(FakeSessions(seconds=30))
    with process.termination.keeping():
        process.terminate()
        assert process.reclaimed.wait(10)


def test_process_that_does_not_end_is_ended() -> None:
    """After the time of grace the process ends, whatever it waits for."""
    process = Process(FakeSessions(), grace_seconds=0.2)
    with process.termination.keeping():
        process.terminate()
        assert process.codes.get(timeout=5) == 143


def test_wanted_stop_has_more_time_to_leave_results() -> None:
    """Past the time of grace a stop still goes on, and ends with 143 shortly before SIGKILL."""
    process = Process(FakeSessions(stop_requested_at="now"), grace_seconds=0.1, stop_seconds=0.5)
    process.terminate()
    time.sleep(0.3)
    assert process.codes.empty()
    assert process.codes.get(timeout=5) == 143


_AS_FIRST_PROCESS = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child"]


def _can_be_first() -> bool:
    try:
        return subprocess.run([*_AS_FIRST_PROCESS, "true"], capture_output=True, timeout=10).returncode == 0
    except FileNotFoundError:
        return False


_IMPORTING = """
import os, signal, sys
from training_job import __main__

class Importing:
    def find_spec(self, name, *_):
        if name == "torch":
            os.kill(os.getpid(), signal.SIGTERM)

assert os.getpid() == 1
sys.meta_path.insert(0, Importing())
__main__.main()
"""


@pytest.mark.skipif(not _can_be_first(), reason="this system lets nobody make a PID namespace")
def test_sigterm_ends_the_first_process_of_a_container() -> None:
    """As process 1, for which a handler must be there, it ends with 143 while it still imports."""
    process = subprocess.run([*_AS_FIRST_PROCESS, sys.executable, "-c", _IMPORTING], timeout=60)
    assert process.returncode == 143
