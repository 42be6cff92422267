"""The log driver of a container: its lines go to CloudWatch Logs as they are written.

The group and the prefix are those of the job definition's log configuration; see
https://docs.docker.com/engine/logging/drivers/awslogs/.
"""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.logs.models import LogGroup, LogStream, logs_backends

from .appended import Appended
from .background import beside

#: Between two looks at what a container wrote, in seconds.
_LOOK_SECONDS = 0.5
#: What CloudWatch takes of a line, in bytes.
_MAX_LINE_BYTES = 262_118
#: What is kept in memory, of the newest; the files have all of it.
MAX_STREAMS, MAX_LINES = 100, 50_000


def new_stream(options: Mapping[str, str], region: str) -> LogStream | None:
    """The stream of a container that starts now; None where its definition names no group.

    Args:
        options: of the log configuration.
        region: where the group is.
    """
    groups = logs_backends[DEFAULT_ACCOUNT_ID][region].groups
    group: LogGroup | None = groups.get(options.get("awslogs-group", ""))
    if group is None:
        return None
    name = f"{options['awslogs-stream-prefix']}/default/{uuid4().hex}"
    group.create_log_stream(name)
    for oldest in list(group.streams)[:-MAX_STREAMS]:
        group.delete_log_stream(oldest)
    return group.streams[name]


@contextmanager
def shipping(log: Path, stream: LogStream | None) -> Iterator[None]:
    """Copies what is appended to a file to a stream until the context ends, and then the rest."""
    if stream is None:
        yield
        return
    with beside(_Shipper(Appended(log), stream).run, name="awslogs", patience=None):
        yield


@dataclass
class _Shipper:
    log: Appended
    stream: LogStream
    shipped: float = 0.0

    def run(self, stop: threading.Event) -> None:
        self.shipped = time.time()
        while not stop.wait(_LOOK_SECONDS):
            self._ship(self.log.lines())
        lines = self.log.lines()
        self._ship([*lines, self.log.begun] if self.log.begun else lines)

    def _ship(self, lines: list[bytes]) -> None:
        """The driver notes when it reads each line: somewhere between the last look and this one."""
        before, self.shipped = self.shipped, time.time()
        step = (self.shipped - before) / max(len(lines), 1)
        events = [
            {
                "timestamp": int(1000 * (before + step * number)),
                "message": line[:_MAX_LINE_BYTES].decode(errors="replace"),
            }
            for number, line in enumerate(lines)
            if line.strip()
        ]
        if events:
            self.stream.put_log_events(events)
            # Another list, as somebody may be reading this one.
            self.stream.events = self.stream.events[-MAX_LINES:]
