"""One run: a process, watched from outside until its model is on disk."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread, Timer

from . import tree
from .protocol import Mark

_SAMPLE_SECONDS = 1.0  # each looks at every page: more often would disturb
#: One thread a process, and nobody looks for a network.
_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
    "YOLO_OFFLINE": "true",
    "YOLO_AUTOINSTALL": "false",
    "PYTHONUNBUFFERED": "1",
}


class RunFailedError(Exception):
    """A run ended with an error, or before its model was on disk; with the last line that it said."""


@dataclass(frozen=True, slots=True)
class EpochEnd:
    """Attributes:
    seconds: since the process started.
    cpu_seconds: of the process and all its descendants.
    """

    epoch: int
    accuracy: float
    seconds: float
    cpu_seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """A run that came to its end; `seconds` from the start of the process to the model on disk."""

    epochs: Sequence[EpochEnd]
    seconds: float
    peak_bytes: int


def measure(
    command: Sequence[str], *, cwd: Path, log: Path, environment: Mapping[str, str], limit_seconds: float
) -> Measured:
    """Runs a command to its end.

    Args:
        log: takes what it says on stderr, and all of its lines.
        environment: beside this process's own.
        limit_seconds: after which it is killed.

    Raises:
        RunFailedError: with the last line of the log.
    """
    with log.open("w") as sink:
        start = time.monotonic()
        process = subprocess.Popen(  # noqa: S603 - the benchmark's own commands
            command, cwd=cwd, env={**os.environ, **_ENVIRONMENT, **environment}, text=True, errors="replace",
            stdout=subprocess.PIPE, stderr=sink, start_new_session=True,
        )  # fmt: skip
        timer = Timer(limit_seconds, _kill, [process])
        timer.start()
        try:
            measured = _watch(process, start, log)
        finally:
            timer.cancel()
            _kill(process)
            process.communicate()  # closes its pipe
    return measured


def _watch(process: subprocess.Popen[str], start: float, log: Path) -> Measured:
    epochs, seconds, lines = [], None, []
    with _PeakMemory(process.pid) as memory:
        for line in process.stdout or ():
            lines.append(line)
            mark = Mark.parse(line)
            if mark and mark.epoch is None:
                seconds = time.monotonic() - start
            elif mark and mark.epoch is not None:
                now, cpu = time.monotonic() - start, tree.cpu_seconds(process.pid)
                epochs.append(EpochEnd(mark.epoch, mark.accuracy, now, cpu))
        code = process.wait()
    with log.open("a") as sink:
        sink.writelines(lines)
    if code or seconds is None:
        said = log.read_text().split("\n")
        last = next((line for line in reversed(said) if line.strip() and not line.startswith("@")), "")
        raise RunFailedError(f"exit {code}: {last.strip()} (see {log})")
    return Measured(epochs=epochs, seconds=seconds, peak_bytes=memory.peak_bytes)


class _PeakMemory:
    """Samples the PSS of a session while it is entered. A shorter peak than the interval is missed."""

    def __init__(self, session: int) -> None:
        self.peak_bytes = 0
        self._session, self._over = session, Event()
        self._thread = Thread(target=self._sample)

    def __enter__(self) -> "_PeakMemory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._over.wait(_SAMPLE_SECONDS):
            self.peak_bytes = max(self.peak_bytes, tree.pss_bytes(self._session))


def _kill(process: subprocess.Popen[str]) -> None:
    # The group, for what it may have left behind; it is gone where all went well.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
