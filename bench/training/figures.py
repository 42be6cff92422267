"""What runs came to, and the ratios of pairs of them: each is above 1 where we are ahead."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from statistics import median
from typing import Self

from .process import Measured


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """One run, or the median of several.

    Attributes:
        images_per_second: trained on, over an epoch with its evaluation, from the second one.
        cpu_seconds_per_epoch: likewise, of the whole process tree.
        whole_run_seconds: from the start of the process to the model on disk.
        peak_memory_bytes: PSS of the whole process tree.
        accuracy: on the validation split after the last epoch, a fraction.
    """

    images_per_second: float
    cpu_seconds_per_epoch: float
    whole_run_seconds: float
    peak_memory_bytes: float
    accuracy: float

    @classmethod
    def of(cls, run: Measured, train_images: int) -> Self:
        """Raises:
        ValueError: there are less than two epochs.
        """
        epochs = [(before, after) for before, after in pairwise(run.epochs) if before.epoch >= 1]
        if not epochs:
            raise ValueError("to measure an epoch without the start of a run takes two epochs at least")
        return cls(
            images_per_second=train_images
            / median(after.seconds - before.seconds for before, after in epochs),
            cpu_seconds_per_epoch=median(after.cpu_seconds - before.cpu_seconds for before, after in epochs),
            whole_run_seconds=run.seconds,
            peak_memory_bytes=run.peak_bytes,
            accuracy=run.epochs[-1].accuracy,
        )

    @classmethod
    def middle(cls, runs: Sequence[Self]) -> Self:
        """The median of each figure."""
        return cls(**{each.name: median(getattr(run, each.name) for run in runs) for each in fields(cls)})

    def against(self, peer: Self) -> dict[str, float]:
        """One pair: ours against a peer's."""
        return {
            "images_per_second_ratio": self.images_per_second / peer.images_per_second,
            "whole_run_ratio": peer.whole_run_seconds / self.whole_run_seconds,
            "peak_memory_ratio": peer.peak_memory_bytes / self.peak_memory_bytes,
            "accuracy_difference": self.accuracy - peer.accuracy,
            "cpu_seconds_ratio": peer.cpu_seconds_per_epoch / self.cpu_seconds_per_epoch,
        }


def compare(ours: Sequence[Figures], peer: Sequence[Figures]) -> dict[str, float]:
    """The medians over pairs: runs of the same number in both."""
    pairs = [own.against(other) for own, other in zip(ours, peer, strict=True)]
    return {name: median(pair[name] for pair in pairs) for name in pairs[0]}


def worst(ratios: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Of several cases: of each figure the least."""
    return {name: min(each[name] for each in ratios) for name in ratios[0]}
