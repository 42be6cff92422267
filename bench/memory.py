"""The memory of a process at its peak, and of a process with those that it has started."""

import os
import re
import resource
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
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


@dataclass
class Peak:
    """Resident bytes at most, so far."""

    size_bytes: int = 0


@contextmanager
def peak_of_all() -> Iterator[Peak]:
    """Watches this process and those that it starts, together, every five milliseconds; on Linux."""
    peak, stop = Peak(), threading.Event()

    def watch() -> None:
        while not stop.wait(0.005):
            peak.size_bytes = max(peak.size_bytes, sum(map(_resident_bytes, ["self", *_children()])))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        stop.set()
        watcher.join()


def _children() -> list[str]:
    """Not by /proc/self/task/*/children, which not every kernel has."""
    found, own = [], str(os.getpid())
    for each in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it is over
            _, parent, *_ = each.read_text().rpartition(") ")[2].split()
            if parent == own:
                found.append(each.parent.name)
    return found


def _resident_bytes(process: str) -> int:
    with suppress(OSError):  # it is over
        if found := re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text()):
            return int(found[1]) * 1024
    return 0
