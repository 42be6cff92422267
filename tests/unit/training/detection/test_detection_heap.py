import subprocess
import sys

_FAULTS = """
import resource
from training_job.detection.heap import keep_freed_memory

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
