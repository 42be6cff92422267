"""What the benchmark tells a run, and what it hears back. Stdlib only: every peer imports it.

A run is a process that gets its case as one argument of JSON, and prints a line at the end of each
epoch, with its evaluation, and one when the model is on disk.
"""

import json
import re
import sys
from dataclasses import asdict, dataclass
from typing import Self

_MARK = re.compile(r"^@(epoch|saved) ?(\d*) ?(\S*)$")


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """What everyone trains, alike.

    Attributes:
        data: folder of `train` and `val`, each with a folder of JPEGs a class.
        out: folder for the model.
        model: torchvision's name.
        size: side of the images in pixels.
        batch: images a step.
        device: cpu or cuda.
        pretrained: start from torchvision's ImageNet weights.
        workers: processes that load data; of a side that has none, its threads.
    """

    data: str
    out: str
    model: str
    size: int
    batch: int
    epochs: int
    device: str = "cpu"
    pretrained: bool = False
    workers: int = 1

    def to_argument(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_argument(cls) -> Self:
        """Of the present process."""
        return cls(**json.loads(sys.argv[1]))


@dataclass(frozen=True, slots=True)
class Mark:
    """A line that a run has printed: the end of an epoch, or of the whole where `epoch` is None."""

    epoch: int | None
    accuracy: float = 0.0  # on the validation split, a fraction

    @classmethod
    def parse(cls, line: str) -> Self | None:
        """None where the line is no mark."""
        found = _MARK.match(line.strip())
        if not found:
            return None
        return cls(int(found[2]), float(found[3])) if found[1] == "epoch" else cls(None)


def say_epoch(epoch: int, accuracy: float) -> None:
    """Args:
    epoch: from 1; 0 is what precedes gradient descent.
    accuracy: on the validation split, a fraction.
    """
    # A progress bar may have left its line open.
    print(f"\n@epoch {epoch} {float(accuracy):.6f}", flush=True)


def say_saved() -> None:
    print("\n@saved", flush=True)
