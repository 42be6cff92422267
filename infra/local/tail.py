"""Shows what the jobs write to their log files, in words: there it is a JSON line an event."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from .appended import Appended
from .background import beside

#: What a line has beside its message that people have no use for here, or know: a file is one job's.
_ASIDE = {"time", "level", "message", "exception"}
_IDENTITY = {"projectId", "sessionId", "transferId", "requestId", "jobId", "attempt", "logger"}


@contextmanager
def tailing(folder: Path, out: BinaryIO) -> Iterator[None]:
    """Copies what is appended to the log files of a folder from now on."""
    seen = {path: Appended(path, path.stat().st_size) for path in folder.glob("*.log")}
    with beside(_Tail(folder, out, seen).run):
        yield


@dataclass
class _Tail:
    folder: Path
    out: BinaryIO
    seen: dict[Path, Appended]

    def run(self, stop: threading.Event) -> None:
        while not stop.wait(0.2):
            for path in self.folder.glob("*.log"):
                self._show(path)
            self.out.flush()

    def _show(self, path: Path) -> None:
        lines = self.seen.setdefault(path, Appended(path)).lines()
        self.out.writelines(readable(each) + b"\n" for each in lines)


def readable(line: bytes) -> bytes:
    """An event as people read it; a line that is no event as it is."""
    try:
        event = json.loads(line)
        words = f"{event['time'][11:19]} {event['level']:7} {event['message']}"
    except (ValueError, KeyError, TypeError):
        return line
    more = {name: each for name, each in event.items() if name not in _ASIDE | _IDENTITY}
    return "\n".join(filter(None, [words + _told(more), event.get("exception")])).encode()


def _told(more: dict[str, Any]) -> str:
    flat = {
        inner: each
        for name, value in more.items()
        for inner, each in (value.items() if isinstance(value, dict) else [(name, value)])
    }
    return "".join(f" {name}={_short(each)}" for name, each in flat.items())


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
