"""The memory of a process at its peak."""

import re
import resource
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")


def peak_bytes() -> int:
    """Resident bytes of this process at most so far.

    A process that another one starts inherits that one's `ru_maxrss` on Linux, so there the kernel's
    figure of the present program is read. Source: getrusage(2) and proc_pid_status(5).
    """
    if _STATUS.exists() and (found := re.search(r"VmHWM:\s+(\d+) kB", _STATUS.read_text())):
        return int(found[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
