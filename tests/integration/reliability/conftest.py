"""Faults that are injected and counted.

A test says with `@pytest.mark.injects(fault, times, soak, outcome)` what it does to the system, how
often in `make test` and in `make soak`, and what came of it every time; it takes the count from the
fixture `times`. docs/reliability.md has a row for each, held to these marks by
test_reliability_documented.py.
"""

import os
from dataclasses import dataclass

import pytest


@dataclass(frozen=True, slots=True)
class Injected:
    """What a test's mark says."""

    fault: str
    times: int
    soak: int
    outcome: str

    def row(self, item: pytest.Item) -> str:
        """The line of docs/reliability.md that is true of a test."""
        name = item.nodeid.rsplit("/", 1)[1].split("[")[0].replace("::", " ")
        return f"| {self.fault} | {self.times:,} | {self.soak:,} | {self.outcome} | `{name}` |"


def injected(item: pytest.Item) -> Injected | None:
    mark = item.get_closest_marker("injects")
    return Injected(*mark.args, **mark.kwargs) if mark else None


@pytest.fixture
def times(request: pytest.FixtureRequest) -> int:
    """How often the test injects its fault in this run."""
    found = injected(request.node)
    assert found, "mark the test with injects"
    return found.soak if os.environ.get("SOAK") else found.times
