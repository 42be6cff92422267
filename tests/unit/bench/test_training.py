"""The benchmark of the training: its harness, on runs that are made up and on processes that are not."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bench.training import head, pairs, process
from bench.training.figures import Figures, compare, worst
from bench.training.process import EpochEnd, Measured, RunFailedError
from bench.training.protocol import Case, Mark

CASE = Case(data="data", out="out", model="resnet18", size=64, batch=64, epochs=3)

#: A side: a parent that keeps a core busy, and a child of it that does so too and has some memory.
BUSY = """
import subprocess, sys, time
from bench.training.protocol import say_epoch, say_saved
burn = (
    "import time\\nheld = bytearray(80_000_000)\\nend = time.process_time() + {}\\n"
    "while time.process_time() < end: pass"
)
for epoch in (1, 2):
    child = subprocess.Popen([sys.executable, "-c", burn.format(0.3)])
    exec(burn.format(0.3))
    child.wait()
    say_epoch(epoch, 0.25 * epoch)
say_saved()
"""


def _measure(tmp_path, script: str, limit_seconds: float = 60) -> Measured:
    return process.measure(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parents[3],
        log=tmp_path / "log.txt",
        environment={},
        limit_seconds=limit_seconds,
    )


def _run(*ends: EpochEnd, seconds: float = 100, peak_bytes: int = 1000) -> Measured:
    return Measured(epochs=ends, seconds=seconds, peak_bytes=peak_bytes)


def _figures(**figures: float) -> Figures:
    plain = {
        "images_per_second": 10.0,
        "cpu_seconds_per_epoch": 10.0,
        "whole_run_seconds": 10.0,
        "peak_memory_bytes": 10.0,
        "accuracy": 0.5,
    }
    return Figures(**(plain | figures))


class FakeRunner:
    """A side whose runs are made up: each takes as long as it says, or fails."""

    def __init__(self, name: str, journal: list[str], cpu_seconds: list[float | None]) -> None:
        self.name, self._journal, self._cpu_seconds = name, journal, iter(cpu_seconds)

    def run(self, case: Case, limit_seconds: float) -> Measured:
        self._journal.append(self.name)
        seconds = next(self._cpu_seconds)
        if seconds is None:
            raise RunFailedError("it fell over")
        return _run(EpochEnd(1, 0.1, 5.0, 9.0), EpochEnd(2, 0.5, 15.0, 9.0 + seconds))


def _run_pairs(*runners: FakeRunner, rounds: int, missing: dict[str, str] | None = None) -> pairs.Compared:
    return pairs.run_pairs(
        runners,
        CASE,
        train_images=100,
        pairs=rounds,
        limit_seconds=1,
        missing=missing or {},
        say=lambda _: None,
    )


def test_cpu_time_and_memory_are_of_the_whole_tree(tmp_path, monkeypatch):
    """The CPU seconds and the memory of a child count with those of the process that started it."""
    monkeypatch.setattr(process, "_SAMPLE_SECONDS", 0.1)
    measured = _measure(tmp_path, BUSY)
    first, second = measured.epochs
    assert 0.55 < second.cpu_seconds - first.cpu_seconds < 1.5
    assert measured.peak_bytes > 140_000_000
    assert (first.accuracy, second.accuracy) == (0.25, 0.5)
    assert 0 < first.seconds < second.seconds <= measured.seconds


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("raise SystemExit('no such model')", "no such model"),
        ("from bench.training.protocol import say_epoch; say_epoch(1, 0.5)", "exit 0"),
    ],
    ids=["fails", "never saves"],
)
def test_a_run_that_does_not_end_well_is_an_error(tmp_path, script, said):
    """A run counts only where its process ended well with its model on disk; the error has its last words."""
    with pytest.raises(RunFailedError, match=said):
        _measure(tmp_path, script)


def test_a_run_that_takes_too_long_is_killed(tmp_path):
    """After its limit a run fails, even where it would never end."""
    with pytest.raises(RunFailedError, match="exit -9"):
        _measure(tmp_path, "import time; time.sleep(600)", limit_seconds=0.3)


@pytest.mark.parametrize(
    ("line", "mark"),
    [
        ("@epoch 3 0.812500\n", Mark(3, 0.8125)),
        ("@saved", Mark(None)),
        ("epoch 3 0.8", None),
        ("loss @epoch 3 0.8", None),
    ],
)
def test_marks_are_told_from_what_else_is_printed(line, mark):
    """A line is a mark only where the whole of it is one."""
    assert Mark.parse(line) == mark


def test_start_up_is_left_out():
    """An epoch's figures are medians of the second and later ones, without the head's, epoch 0."""
    ends = [(0, 10.0, 10.0), (1, 30.0, 25.0), (2, 34.0, 29.0), (3, 38.0, 35.0), (4, 45.0, 40.0)]
    measured = _run(*(EpochEnd(epoch, 0.1 * epoch, wall, cpu) for epoch, wall, cpu in ends))
    figures = Figures.of(measured, train_images=100)
    assert figures.images_per_second == 25
    assert figures.cpu_seconds_per_epoch == 5
    assert figures.accuracy == pytest.approx(0.4)


def test_one_epoch_is_too_few():
    """A single epoch holds the start of the run, so that nothing can be said of a further one."""
    with pytest.raises(ValueError, match="two epochs"):
        Figures.of(_run(EpochEnd(0, 0.1, 1, 1), EpochEnd(1, 0.1, 2, 2)), 100)


def test_every_ratio_is_above_one_where_we_are_ahead():
    """Twice the speed, half the CPU time, half the time to the end and half the memory are all 2."""
    ours = _figures(
        images_per_second=20, cpu_seconds_per_epoch=5, whole_run_seconds=5, peak_memory_bytes=5, accuracy=0.75
    )
    assert compare([ours], [_figures()]) == {
        "images_per_second_ratio": 2,
        "whole_run_ratio": 2,
        "peak_memory_ratio": 2,
        "accuracy_difference": 0.25,
        "cpu_seconds_ratio": 2,
    }


def test_ratios_are_medians_of_pairs():
    """A ratio is taken within a round and then the median: a slow minute of the machine hits both sides."""
    ours = [_figures(cpu_seconds_per_epoch=seconds) for seconds in (10, 20, 10)]
    peer = [_figures(cpu_seconds_per_epoch=seconds) for seconds in (15, 30, 40)]
    assert compare(ours, peer)["cpu_seconds_ratio"] == 1.5


def test_of_several_cases_the_worst_stands():
    """Of each figure the least over all cases is given, whichever case it is of."""
    assert worst([{"a": 1.5, "b": 1.0}, {"a": 1.2, "b": 3.0}]) == {"a": 1.2, "b": 1.0}


def test_rounds_alternate():
    """Everyone runs once a round, and the order turns, so that no side is always the first."""
    journal: list[str] = []
    runners = [FakeRunner(name, journal, [2.0] * 3) for name in ("ours", "peer")]
    compared = _run_pairs(*runners, rounds=3)
    assert journal == ["ours", "peer", "peer", "ours", "ours", "peer"]
    assert compared.peers["peer"]["cpu_seconds_ratio"] == 1


def test_a_peer_that_fails_is_named():
    """A peer that fails in a round, or wasn't installed, is in no figure and among the missing."""
    journal: list[str] = []
    runners = [FakeRunner("ours", journal, [2.0] * 3), FakeRunner("peer", journal, [4.0, None])]
    compared = _run_pairs(*runners, rounds=3, missing={"other": "no such package"})
    assert journal.count("peer") == 2
    document = pairs.to_json({"case": compared})
    assert document["peers"] == {}
    assert document["missing"] == {"peer": "it fell over", "other": "no such package"}


def test_our_own_failure_ends_the_benchmark():
    """Without a run of ours there is nothing to compare with."""
    with pytest.raises(RunFailedError):
        _run_pairs(FakeRunner("ours", [], [None]), rounds=1)


def test_one_case_is_the_document_itself():
    """The last line has `ours` and `peers`, for one case as for several, which are then all in it."""
    cases = {
        name: _run_pairs(FakeRunner("ours", [], [2.0]), FakeRunner("peer", [], [theirs]), rounds=1)
        for name, theirs in (("a", 3.0), ("b", 8.0))
    }
    alone = pairs.to_json({"a": cases["a"]})
    assert alone["ours"]["cpu_seconds_per_epoch"] == 2
    both = pairs.to_json(cases)
    assert both["cases"]["a"] == alone
    assert both["peers"]["peer"]["cpu_seconds_ratio"] == 1.5


def _race(*accuracies: float) -> head.Race:
    """Ours, an epoch every ten seconds, against peers that end at 0.6 after 100 s and at 0.8 after 300."""
    ours = _run(*(EpochEnd(i, each, 10.0 * (i + 1), 0) for i, each in enumerate(accuracies)))
    peers = {
        "quick": _run(EpochEnd(1, 0.6, 100, 0)),
        "good": _run(EpochEnd(1, 0.3, 150, 0), EpochEnd(2, 0.8, 300, 0)),
    }
    return head.Race({"ours": ours, **peers})


def test_the_race_is_to_the_best_peers_final_accuracy():
    """The ratio is of the best peer's whole training to the first of our epochs that is as good."""
    document = _race(0.7, 0.85, 0.9).to_json()
    assert document["ratio"] == 15
    assert document["peers"]["quick"]["ratio"] == 10


def test_a_race_can_be_lost():
    """Where none of our epochs is as good as the best peer's last one, there is no ratio."""
    race = _race(0.7, 0.75)
    assert race.to_json()["ratio"] is None
    assert any("never reached" in line for line in race.lines())


def test_a_case_travels_as_one_argument(monkeypatch):
    """A side reads from its command line the very case that was measured."""
    case = replace(CASE, pretrained=True, device="cuda")
    monkeypatch.setattr(sys, "argv", ["side", case.to_argument()])
    assert Case.from_argument() == case
