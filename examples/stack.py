"""Starts the embedded stack as a process of its own."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path


@contextmanager
def running_stack(port: int = 0, log: Path | None = None) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The URL of a stack and its process; both end with the context.

    Args:
        port: of the API; 0 takes a free one.
        log: where everything goes that functions and jobs log; without it what went wrong is shown.
    """
    with ExitStack() as context:
        process = context.enter_context(
            subprocess.Popen(
                [sys.executable, "-m", "infra.local", "--port", str(port), *(["--verbose"] if log else [])],
                stdout=subprocess.PIPE,
                stderr=context.enter_context(log.open("wb")) if log else None,
                text=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        )
        context.callback(process.send_signal, signal.SIGINT)
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        ready = process.stdout.readline()
        found = re.search(r"http://\S+", ready)
        if found is None:
            raise RuntimeError(f"the stack did not start: {ready.strip() or 'see above'}")
        yield found[0], process
