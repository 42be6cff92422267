import platform
import subprocess
import sys

import pytest

_FAULTS = """
import resource
from training_job.heap import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = bytearray(64_000_000)
    block[::4096] = b"x" * len(block[::4096])
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

print(keep_freed_memory(), faults(), faults())
"""


def test_freed_memory_is_used_again() -> None:
    """A large block that is freed and wanted again isn't asked of the kernel page by page."""
    command = [sys.executable, "-c", _FAULTS]
    taken, first, second = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    if taken == "True":  # glibc
        assert int(second) * 10 <= int(first)  # how many there are depends on the size of a page
        assert int(first) > 10


_HOLES = """
from pathlib import Path
from training_job.cpu import room
from training_job.heap import keep_freed_memory

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

keep_freed_memory()
blocks = [room.maps(4, 64, 32, 32).fill_(1) for _ in range(40)]
del blocks[::2]
before = resident()
blocks += [room.maps(4, 64, 32, 32).fill_(1) for _ in range(20)]
print((resident() - before) // 2**20)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries decide by themselves")
def test_holes_are_filled() -> None:
    """Maps of a megabyte take the places of freed ones: with torch.empty 2 to 20 of the 20 don't."""
    done = subprocess.run([sys.executable, "-c", _HOLES], capture_output=True, text=True, check=True)
    assert int(done.stdout) == 0
