"""What the benchmark of cold starts measures, on an app of three lines."""

import os
import sys
import time

import pytest

from bench.cold_start.__main__ import _EMPTY, _section
from bench.cold_start.sides import BARE, OURS, RUNTIME, Cold, _cpu_seconds


def test_the_clock_is_that_of_the_process():
    """The CPU seconds of a process by its id are those that it counts itself, threads included."""
    before = time.process_time()
    measured = _cpu_seconds(os.getpid())
    assert before <= measured <= time.process_time()


def test_the_middle_of_runs_is_by_figure():
    """The median is taken of each figure by itself, so that one slow run changes neither."""
    middle = Cold.middle([Cold(1.0, 9.0), Cold(2.0, 2.0), Cold(50.0, 3.0)])
    assert middle == Cold(2.0, 3.0)


def test_what_everybody_pays_is_taken_off():
    """The ratio is of what is above the runtime's own start, and the warm one of whole requests."""
    cold = {OURS: Cold(1.2, 0), BARE: Cold(1.1, 0), RUNTIME: Cold(0.1, 0)}
    section = _section(cold, {OURS: 0.003, _EMPTY: 0.001})
    assert [check.measured for check in section.checks] == pytest.approx([1.1, 3.0])
    assert [check.passed for check in section.checks] == [True, False]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no clock of another process")
def test_a_process_that_is_gone_has_no_clock():
    """A process id that nobody has is an error, and no figure."""
    with pytest.raises(OSError, match="Invalid argument"):
        _cpu_seconds(2**22 + 1)
