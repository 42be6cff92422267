"""How soon a pretrained model is as good as the best peer's will be at its end."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .process import Measured
from .sides import OURS

#: The peers that have a way of fine-tuning of their own.
PEERS = ("torchvision", "fastai")


@dataclass(frozen=True, slots=True)
class Race:
    """A pretrained run of everyone's, and why a peer's isn't there."""

    runs: Mapping[str, Measured]
    missing: Mapping[str, str] = field(default_factory=dict)

    def seconds_to(self, accuracy: float) -> float | None:
        """From the start of our process to the epoch that reached it; None where none did."""
        return next((each.seconds for each in self.runs[OURS].epochs if each.accuracy >= accuracy), None)

    def ratios(self) -> dict[str, dict[str, float | None]]:
        """Each peer's final accuracy with its seconds, ours to the same, and how many times fewer."""
        return {name: self._against(run) for name, run in self.runs.items() if name != OURS}

    def _against(self, peer: Measured) -> dict[str, float | None]:
        end = peer.epochs[-1]
        ours = self.seconds_to(end.accuracy)
        return {
            "accuracy": end.accuracy,
            "seconds": end.seconds,
            "our_seconds": ours,
            "ratio": end.seconds / ours if ours else None,
        }

    def to_json(self) -> dict[str, Any]:
        """`ratio` is that against the peer with the best final accuracy."""
        ratios = self.ratios()
        best = max(ratios.values(), key=lambda each: each["accuracy"] or 0.0, default={"ratio": None})
        ours = [
            {"epoch": e.epoch, "accuracy": e.accuracy, "seconds": e.seconds} for e in self.runs[OURS].epochs
        ]
        missing = dict(self.missing)
        return {"ours": {"epochs": ours}, "peers": ratios, "ratio": best["ratio"], "missing": missing}

    def lines(self) -> Iterator[str]:
        for each in self.runs[OURS].epochs:
            yield f"ours, epoch {each.epoch}: {each.accuracy:.3f} after {each.seconds:.1f} s"
        for name, figures in self.ratios().items():
            reached = (
                "never reached"
                if figures["ratio"] is None
                else (f"ours after {figures['our_seconds']:.1f} s: {figures['ratio']:.1f} times sooner")
            )
            yield f"{name}: {figures['accuracy']:.3f} after {figures['seconds']:.1f} s; {reached}"
        for name, why in self.missing.items():
            yield f"{name} is missing: {why}"
