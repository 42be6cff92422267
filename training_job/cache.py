"""Where decoded images lie: in memory, or past a limit in a file on the local disk, mapped into it."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from errno import EDQUOT, EFBIG, ENOSPC
from pathlib import Path
from shutil import disk_usage
from tempfile import TemporaryFile, gettempdir
from typing import IO

import numpy as np
import torch
from numpy.typing import NDArray

from chalicelib.contract.errors import TrainingError

from .group import Group
from .memory import available_bytes
from .task import CacheFigures
from .together import failing_together

_FULL = (ENOSPC, EDQUOT, EFBIG)
#: Of the memory that is left, as much may be decoded images: the model and its gradients want some too.
_SHARE_OF_MEMORY = 0.6


@dataclass(frozen=True, slots=True)
class Cache:
    """Room for pixels: `content` is uint8 (bytes,)."""

    content: NDArray[np.uint8]
    figures: CacheFigures


def allocate(size: int, *, gigabytes: float, group: Group) -> Cache:
    """Room for `size` bytes; the processes of a machine get the same.

    Args:
        gigabytes: up to so much it is memory, if that is there; what processes share is always a file.

    Raises:
        TrainingError: `disk-full`.
    """
    if group.local_size == 1 and size <= min(gigabytes * 1e9, _SHARE_OF_MEMORY * available_bytes()):
        return Cache(np.empty(size, np.uint8), CacheFigures(size, "memory"))
    with _shared_file(size, group) if group.local_size > 1 else _own_file(size) as file:
        # The mapping outlives the file's name and this handle. Nothing can't be mapped: hence the 1.
        mapped = np.memmap(file, np.uint8, "r+", shape=(max(size, 1),))
        return Cache(mapped[:size], CacheFigures(size, "disk"))


@contextmanager
def _own_file(size: int) -> Iterator[IO[bytes]]:
    with TemporaryFile() as file:
        _reserve(file, size)
        yield file


@contextmanager
def _shared_file(size: int, group: Group) -> Iterator[IO[bytes]]:
    """The file that the first process of the machine makes; its name goes when all have opened it."""
    names = group.gather(torch.tensor([secrets.randbits(62)])).tolist()
    path = Path(gettempdir(), f"darkroom-{names[group.rank - group.local_rank]:x}")
    try:
        with failing_together(group):
            if group.local_rank == 0:
                with path.open("xb") as file:
                    _reserve(file, size)
        with path.open("r+b") as file:
            group.wait()
            yield file
    finally:
        if group.local_rank == 0:
            path.unlink(missing_ok=True)


def _reserve(file: IO[bytes], size: int) -> None:
    """Takes the whole of it from the disk now: a mapped file that runs out of disk kills its process."""
    try:
        os.posix_fallocate(file.fileno(), 0, max(size, 1))
    except OSError as error:
        if error.errno not in _FULL:
            raise
        free = disk_usage(gettempdir()).free
        raise TrainingError(
            f"The decoded images take {size / 1e9:.1f} GB of disk, and {free / 1e9:.1f} GB are free in "
            f"{gettempdir()}. Give the job more disk, set a higher cacheGigabytes if it has the memory, or "
            "set a lower imageSize.",
            code="disk-full",
        ) from error
