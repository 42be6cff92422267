"""What a process has in memory, kept from other processes of the same user."""

import ctypes
import sys
from contextlib import suppress

#: From linux/prctl.h.
PR_GET_DUMPABLE, PR_SET_DUMPABLE = 3, 4


def conceal() -> None:
    """Keeps ptrace, process_vm_readv and /proc/<pid>/mem from whoever isn't root; on Linux.

    What it costs: no core dumps, a debugger or profiler needs root to attach, and what /proc has of this
    process belongs to root. A program that this one executes has none of it; a mere fork has all.
    """
    if sys.platform == "linux":
        # A kernel or a sandbox that refuses leaves things as they were.
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
