"""A simulated AWS, with the real adapters in front of it."""

from collections.abc import Callable

import pytest

from bench.aws import ENVIRONMENT, SimulatedAws
from bench.world import PREFIX, simulated_ports
from chalicelib.adapters.aws import Aws
from chalicelib.bootstrap import Ports
from chalicelib.contract.attributes import to_item
from chalicelib.contract.records import EpochMetrics
from chalicelib.contract.tables import METRICS
from tests.support import new_id


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> SimulatedAws:
    """Without latency; its clients need no network."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    return SimulatedAws(latency_seconds=0)


@pytest.fixture
def ports(simulated: SimulatedAws) -> Ports:
    return simulated_ports(simulated.attach(Aws()))


@pytest.fixture
def project_id() -> str:
    return new_id()


@pytest.fixture
def add_epoch(simulated: SimulatedAws) -> Callable[[EpochMetrics], None]:
    return lambda epoch: simulated.tables.put(PREFIX + METRICS, [to_item(epoch)])
