import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from queue import Queue
from threading import Event

import pytest
from botocore.exceptions import EndpointConnectionError

from training_job.termination import handle_sigterm


@dataclass
class FakeSessions:
    """A session of which only the wish to stop is known."""

    stop_requested_at: str | None = None
    error: Exception | None = None

    def get(self) -> "FakeSessions":
        if self.error:
            raise self.error
        return self


@pytest.fixture(autouse=True)
def _restored_handler() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("error", [None, EndpointConnectionError(endpoint_url="x")])
def test_reclaimed_machine_ends_the_process(error: Exception | None) -> None:
    """SIGTERM without a wish to stop, or with nobody to ask, leaves with 143 at once."""
    codes: Queue[int] = Queue()
    handle_sigterm(FakeSessions(error=error), Event(), codes.put)  # type: ignore[arg-type]
    os.kill(os.getpid(), signal.SIGTERM)
    assert codes.get(timeout=5) == 143


def test_wanted_stop_goes_on() -> None:
    """SIGTERM after the user's stop lets training end by itself."""
    codes: Queue[int] = Queue()
    stop = Event()
    handle_sigterm(FakeSessions(stop_requested_at="now"), stop, codes.put)  # type: ignore[arg-type]
    os.kill(os.getpid(), signal.SIGTERM)
    assert stop.wait(5)
    assert codes.empty()
