"""Alternating runs of one case: everyone once a round, and each round in the other direction."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from .figures import Figures, compare, worst
from .process import Measured, RunFailedError
from .protocol import Case
from .sides import OURS

Say = Callable[[str], None]


class Runner(Protocol):
    """See `sides.Side`."""

    @property
    def name(self) -> str: ...

    def run(self, case: Case, limit_seconds: float) -> Measured: ...


@dataclass(frozen=True, slots=True)
class Compared:
    """All runs of a case, by the name of who ran, in rounds; and why a peer isn't among them."""

    runs: Mapping[str, Sequence[Figures]]
    missing: Mapping[str, str] = field(default_factory=dict)

    @property
    def middle(self) -> dict[str, Figures]:
        return {name: Figures.middle(runs) for name, runs in self.runs.items()}

    @property
    def peers(self) -> dict[str, dict[str, float]]:
        ours = self.runs[OURS]
        return {name: compare(ours, runs) for name, runs in self.runs.items() if name != OURS}

    def lines(self) -> Iterator[str]:
        """As a table: everyone's figures, then the ratios of each pair's."""
        yield f"{'':<12}{'images/s':>10}{'CPU s/epoch':>13}{'run s':>9}{'peak MB':>9}{'accuracy':>10}"
        for name, own in self.middle.items():
            yield (
                f"{name:<12}{own.images_per_second:>10.1f}{own.cpu_seconds_per_epoch:>13.2f}"
                f"{own.whole_run_seconds:>9.1f}{own.peak_memory_bytes / 1e6:>9.0f}{own.accuracy:>10.3f}"
            )
        for name, ratio in self.peers.items():
            yield (
                f"ours:{name:<12}{ratio['images_per_second_ratio']:>5.2f}{ratio['cpu_seconds_ratio']:>13.2f}"
                f"{ratio['whole_run_ratio']:>9.2f}{ratio['peak_memory_ratio']:>9.2f}"
                f"{ratio['accuracy_difference']:>+10.3f}"
            )
        for name, why in self.missing.items():
            yield f"{name:<12}is missing: {why}"


def run_pairs(
    runners: Sequence[Runner],
    case: Case,
    *,
    train_images: int,
    pairs: int,
    limit_seconds: float,
    missing: Mapping[str, str],
    say: Say,
) -> Compared:
    """Runs a case `pairs` times. A peer that fails is left out from then on, and named.

    Args:
        missing: who isn't there in the first place, and why.

    Raises:
        RunFailedError: our own run did.
    """
    runs: dict[str, list[Figures]] = {runner.name: [] for runner in runners}
    failed = dict(missing)
    for number in range(pairs):
        for runner in runners if number % 2 == 0 else reversed(runners):
            if runner.name in failed:
                continue
            try:
                figures = Figures.of(runner.run(case, limit_seconds), train_images)
            except RunFailedError as error:
                if runner.name == OURS:
                    raise
                failed[runner.name] = str(error)
                continue
            runs[runner.name].append(figures)
            say(
                f"round {number + 1}: {runner.name}, {figures.cpu_seconds_per_epoch:.2f} CPU seconds an epoch"
            )
    return Compared({name: each for name, each in runs.items() if name not in failed}, failed)


def to_json(cases: Mapping[str, Compared]) -> dict[str, Any]:
    """Of one case its figures. Of several: the worst ratios, the medians of ours, and `cases`."""
    each = {name: _case_json(compared) for name, compared in cases.items()}
    if len(each) == 1:
        return next(iter(each.values()))
    ours = Figures.middle([compared.middle[OURS] for compared in cases.values()])
    names = {name: None for compared in cases.values() for name in compared.peers}
    peers = {
        name: worst([compared.peers[name] for compared in cases.values() if name in compared.peers])
        for name in names
    }
    return {"ours": asdict(ours), "peers": peers, "cases": each}


def _case_json(compared: Compared) -> dict[str, Any]:
    return {
        "ours": asdict(compared.middle[OURS]),
        "peers": compared.peers,
        "missing": dict(compared.missing),
    }
