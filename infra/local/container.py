"""A job's container, as far as one machine without containers goes: a process group of its own.

Run as a script this is the container's first process. It starts the command, ends with its exit code
(128 + the signal where it was killed), and kills the whole group when its standard input closes,
which the kernel does for it when the stack's own process is killed. As a script it needs the standard
library only.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path


class Container:
    """A running command with everything that it starts.

    Args:
        command: what runs.
        environment: all of its environment variables.
        folder: its working directory.
        log: where its output goes.
        grace_seconds: the time between SIGTERM and SIGKILL.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        log: Path,
        grace_seconds: float,
    ) -> None:
        self._grace_seconds = grace_seconds
        self._over = threading.Event()
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-I", __file__, *command],
                env=dict(environment), cwd=folder, start_new_session=True,
                stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def wait(self, timeout_seconds: float | None = None) -> int:
        """The exit code, once nothing of the container is left.

        Raises:
            subprocess.TimeoutExpired: it still runs.
        """
        code = self._process.wait(timeout_seconds)
        self.signal(signal.SIGKILL)  # what the command left behind
        self._over.set()
        if self._process.stdin:
            self._process.stdin.close()
        return code if code >= 0 else 128 - code

    def stop(self) -> None:
        """SIGTERM now, SIGKILL after the grace; does not wait."""
        self.signal(signal.SIGTERM)
        killer = threading.Timer(self._grace_seconds, self.signal, [signal.SIGKILL])
        killer.daemon = True
        killer.start()

    def signal(self, number: int) -> None:
        """Sends a signal to all of the container's processes, if there are any left."""
        if self._over.is_set():
            return  # the number may be another's by now
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


def _kill_group_at_end_of_input() -> None:
    sys.stdin.buffer.read()
    os.killpg(0, signal.SIGKILL)


def _main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: None)  # the command gets its own: the group is signalled
    threading.Thread(target=_kill_group_at_end_of_input, daemon=True).start()
    code = subprocess.call(sys.argv[1:], stdin=subprocess.DEVNULL)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    os._exit(_main())  # a thread still reads standard input, which the interpreter would wait for
