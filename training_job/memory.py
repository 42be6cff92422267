"""What a full memory raises, on a GPU or on a CPU, as an error that a user understands."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from chalicelib.contract.errors import TrainingError

_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def available_bytes() -> int:
    """Memory that this process may still take: of the machine, and of its container."""
    meminfo = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    free = 1024 * int(meminfo["MemAvailable"].split()[0])
    limits = [path.read_text().strip() for path in _LIMITS if path.exists()]
    return min([free, *(int(limit) for limit in limits if limit.isdecimal())])


def check_memory(cache_bytes: int) -> None:
    """Refuses a cache that would get the process killed: memory is promised now and missed later.

    Raises:
        TrainingError: `out-of-memory`.
    """
    available = available_bytes()
    if cache_bytes > available:
        raise TrainingError(
            f"The decoded images take {cache_bytes / 1e9:.1f} GB, and {available / 1e9:.1f} GB of memory are "
            "left. Set a lower imageSize, or train on fewer images.",
            code="out-of-memory",
        )


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
