"""How much memory there is; and what a full one raises, as an error that a user understands."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from chalicelib.contract.errors import TrainingError

#: A container's limit, and what it holds that can't be written out and dropped, as cgroup v2 and v1 say it.
_CGROUPS = (
    ("memory.max", "memory.stat", "anon"),
    ("memory/memory.limit_in_bytes", "memory/memory.stat", "total_rss"),
)


def available_bytes(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Memory that this process may still take: of the machine, and of its container."""
    free = 1024 * int(_value(Path("/proc/meminfo"), "MemAvailable:"))
    left = [
        int(limit) - int(_value(cgroup / stat, held))
        for name, stat, held in _CGROUPS
        if (cgroup / name).exists() and (limit := (cgroup / name).read_text().strip()).isdecimal()
    ]
    return max(min([free, *left]), 0)


def _value(path: Path, name: str) -> str:
    return next(line.split()[1] for line in path.read_text().splitlines() if line.split()[0] == name)


def return_freed() -> None:
    """Gives what was freed back to the system: glibc would keep it, 0.6 GB after a training at 224 px."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # other C libraries have none
    if trim:
        trim(0)


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
