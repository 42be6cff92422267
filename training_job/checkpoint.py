"""Checkpoints as the engine sees them: states to go on from, and a wish to end with one.

A state is a tree of dicts, lists, tensors and plain values, so that reading one can't run code. It
holds no state of a random generator, since none is carried from step to step: what a step draws
depends on the seed, the epoch and the step alone (`task.Source`, `engine`).
"""

import pickle
from io import BytesIO
from typing import Any, Protocol

import torch

State = dict[str, Any]


class Checkpoints(Protocol):
    """Where the engine's states go."""

    @property
    def urgent(self) -> bool:
        """Whether the process must end as soon as its state is kept: its machine is reclaimed."""

    @property
    def busy(self) -> bool:
        """Whether a state is still on its way, so that to save another would be to wait for it."""

    def load(self) -> State | None:
        """The newest state, once: its memory isn't held any longer than it is used."""

    def save(self, state: State, *, epoch: int, step: int, wait: bool = False) -> None:
        """Copies the state at once; keeps it at leisure, or before it returns if it is to `wait`.

        Args:
            epoch: that goes on, from 0 to one past the last.
            step: steps of it that are done.
        """


class NullCheckpoints:
    """Keeps nothing."""

    urgent = busy = False

    def load(self) -> State | None:
        return None

    def save(self, state: State, *, epoch: int, step: int, wait: bool = False) -> None: ...


def encode(state: State) -> BytesIO:
    """The state as it is now, in bytes of its own; to be read from their beginning."""
    buffer = BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    return buffer


def decode(content: bytes) -> State:
    """The inverse of `encode`; every tensor is on the CPU.

    Raises:
        ValueError: it is no such state.
    """
    try:
        state = torch.load(BytesIO(content), map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise ValueError(f"no checkpoint: {str(error).partition(chr(10))[0]}") from error
    if not isinstance(state, dict):
        raise ValueError(f"no checkpoint: a {type(state).__name__}")
    return state
