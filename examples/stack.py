"""Starts the embedded stack as a process of its own."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def running_stack(port: int = 0) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The URL of a stack and its process; both end with the context."""
    process = subprocess.Popen(
        [sys.executable, "-m", "infra.local", "--port", str(port)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    with process:
        try:
            assert process.stdout is not None  # noqa: S101 - it is a pipe
            ready = process.stdout.readline()
            found = re.search(r"http://\S+", ready)
            if found is None:
                raise RuntimeError(f"the stack did not start: {ready.strip() or 'see above'}")
            yield found[0], process
        finally:
            process.send_signal(signal.SIGINT)
