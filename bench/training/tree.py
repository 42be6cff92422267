"""CPU time and memory of a process with all its descendants, out of /proc (Linux).

They are found by their session: whoever starts the process makes it the leader of one.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")
#: Positions after the command's closing bracket, of proc_pid_stat(5): session; utime to cstime.
_SESSION, _TIMES = 3, slice(11, 15)
_PSS = re.compile(r"^Pss:\s+(\d+) kB", re.MULTILINE)


def cpu_seconds(session: int) -> float:
    """User and system time so far: of those that live, and of those that they have waited for."""
    return sum(sum(map(int, fields[_TIMES])) for _, fields in _members(session)) / _TICKS


def pss_bytes(session: int) -> int:
    """Memory that it holds now; a page that n processes share counts for 1/n in each (PSS)."""
    return sum(_pss(path) for path, _ in _members(session))


def _members(session: int) -> Iterator[tuple[Path, list[str]]]:
    for path in _PROC.iterdir():
        if path.name.isdecimal() and (stat := _read(path / "stat")):
            fields = stat.rpartition(")")[2].split()
            if int(fields[_SESSION]) == session:
                yield path, fields


def _pss(path: Path) -> int:
    found = _PSS.search(_read(path / "smaps_rollup"))
    return int(found[1]) * 1024 if found else 0  # a zombie has no memory


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
        return ""
