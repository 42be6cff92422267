"""What a full memory raises, on a GPU or on a CPU, as an error that a user understands."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from chalicelib.contract.errors import TrainingError


@contextmanager
def memory_errors() -> Iterator[None]:
    """Translates into `out-of-memory`; a decorator too."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        # torch's allocator for the CPU raises a plain RuntimeError.
        if not isinstance(error, MemoryError | torch.OutOfMemoryError) and "allocate memory" not in str(
            error
        ):
            raise
        raise TrainingError(
            "The memory is too small for this training. Set a lower batchSize or imageSize.",
            code="out-of-memory",
        ) from error
