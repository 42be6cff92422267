"""Failing as one: a process that fails alone would leave the others waiting for it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from chalicelib.contract.errors import DarkroomError, TrainingError, UnavailableError

from .group import Group

_KINDS = {each.__name__: each for each in (TrainingError, UnavailableError)}


@contextmanager
def failing_together(group: Group) -> Iterator[None]:
    """What fails in the block in one process fails after it in all of them, with the same sentence.

    All processes pass through it; its end waits for them.

    Raises:
        TrainingError, UnavailableError: the block's own, or the first of another process.
    """
    own: DarkroomError | None = None
    try:
        yield
    except (TrainingError, UnavailableError) as error:
        own = error
    told = _tell(own, group)
    if own:
        raise own
    if told:
        (kind, code, detail), _ = json.JSONDecoder().raw_decode(told)
        raise _KINDS[kind](detail, code=code)


def _tell(error: DarkroomError | None, group: Group) -> str:
    if group.size == 1:
        return ""
    kind = "UnavailableError" if isinstance(error, UnavailableError) else "TrainingError"
    words = json.dumps([kind, error.code, error.detail]).encode() if error else b""
    return bytes(group.gather(torch.tensor(list(words), dtype=torch.uint8)).tolist()).decode()
