"""How far something is, for whoever shows it."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one phase is.

    Args:
        phase: a word: hashing, sending, checking, labelling, reading, writing, downloading.
        done: of `total`, in `unit`.
        total: None where it isn't known.
        unit: "files", "bytes" or "%".
        note: what else there is to say.
    """

    phase: str
    done: float
    total: float | None
    unit: str
    note: str = ""


OnProgress = Callable[[Progress], None] | None


def tell(on_progress: OnProgress, phase: str, done: float, total: float | None, unit: str) -> None:
    if on_progress:
        on_progress(Progress(phase, done, total, unit))
