"""Where decoded images lie."""

import errno
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor

from chalicelib.contract.errors import TrainingError, UnavailableError
from training_job.cache import allocate
from training_job.group import Group
from training_job.together import failing_together

ALONE = Group.alone()
GIGABYTE = 1e-9  # of a byte


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_the_limit_decides_between_memory_and_disk(folder: Path) -> None:
    """Up to the limit the cache is memory; one byte more, and it is a file, without a name."""
    for size, place in ((1000, "memory"), (1001, "disk")):
        cache = allocate(size, gigabytes=1000 * GIGABYTE, group=ALONE)
        cache.content[:] = 7
        assert (cache.figures.bytes, cache.figures.place, cache.content.sum()) == (size, place, 7 * size)
    assert os.listdir(folder) == []


def test_no_images_need_no_room() -> None:
    """An empty cache is one as well, in memory or not."""
    assert allocate(0, gigabytes=0, group=ALONE).content.shape == (0,)


def test_more_than_the_memory_that_is_there_goes_to_disk(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit above what the machine has left doesn't get the process killed."""
    monkeypatch.setattr("training_job.cache.available_bytes", lambda: 1000)
    assert allocate(900, gigabytes=1000, group=ALONE).figures.place == "disk"


def test_a_full_disk_is_said_before_the_download(folder: Path) -> None:
    """A cache that the disk has no room for ends the run at once, with the size that it wants."""
    with pytest.raises(TrainingError, match=r"take 1000000000\.0 GB of disk") as caught:
        allocate(10**18, gigabytes=0, group=ALONE)
    assert caught.value.code == "disk-full"
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno in (errno.ENOSPC, errno.EFBIG)
    assert os.listdir(folder) == []


@dataclass(frozen=True, kw_only=True, slots=True)
class Threads(Group):
    """Processes of one machine that are threads of this one: they hand tensors to each other."""

    barrier: threading.Barrier
    table: dict[int, Tensor]

    def gather(self, rows: Tensor) -> Tensor:
        self.table[self.rank] = rows
        self.barrier.wait(10)
        found = torch.cat([self.table[rank] for rank in range(self.size)])
        self.barrier.wait(10)
        return found

    def wait(self) -> None:
        self.barrier.wait(10)


def together(work: Callable[[Group], object], size: int = 2) -> list[object]:
    """What `work` returns or raises in each process of a machine."""
    barrier, table, found = threading.Barrier(size), {}, [None] * size

    def run(rank: int) -> None:
        group = Threads(rank=rank, size=size, local_rank=rank, local_size=size, barrier=barrier, table=table)
        try:
            found[rank] = work(group)
        except (TrainingError, UnavailableError) as error:
            found[rank] = error

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return found


def test_processes_of_a_machine_share_one_cache(folder: Path) -> None:
    """What one writes the other reads, and no file is left behind."""

    def work(group: Group) -> list[int]:
        cache = allocate(4, gigabytes=1, group=group)
        cache.content[group.local_rows(4)] = 1 + group.rank
        group.wait()
        assert cache.figures.place == "disk"
        return cache.content.tolist()

    assert together(work) == [[1, 1, 2, 2]] * 2
    assert os.listdir(folder) == []


def test_a_disk_that_is_full_for_one_is_full_for_all(folder: Path) -> None:
    """The process that makes the file fails, and the others with it, instead of waiting for ever."""
    found = together(lambda group: allocate(10**18, gigabytes=1, group=group))
    assert [getattr(each, "code", None) for each in found] == ["disk-full"] * 2
    assert os.listdir(folder) == []


@pytest.mark.parametrize("error", [TrainingError("lost", code="missing-object"), UnavailableError("away")])
def test_what_fails_in_one_process_fails_in_all(error: TrainingError | UnavailableError) -> None:
    """Each gets an error of the same kind, with the code and the sentence of the one that failed."""

    def work(group: Group) -> None:
        with failing_together(group):
            if group.rank == 1:
                raise error

    found = together(work, size=3)
    assert found[1] is error
    assert [(type(each), each.code, each.detail) for each in found] == [  # type: ignore[attr-defined]
        (type(error), error.code, error.detail)
    ] * 3


def test_a_block_that_fails_nowhere_ends_quietly() -> None:
    """Nothing is raised where no process failed."""

    def work(group: Group) -> str:
        with failing_together(group):
            pass
        return "done"

    assert together(work) == ["done", "done"]
