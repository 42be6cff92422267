"""`python -m infra.local`: the stack in the foreground, until Ctrl-C or SIGTERM."""

import argparse
import errno
import logging
import os
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from .stack import running_stack
from .tail import tailing


def main() -> int:
    options = _options()
    logging.basicConfig(level=logging.WARNING)
    signals = _caught_signals()
    _quieten(options.verbose)
    _find_weights()
    from app import app  # not before the arguments are known to be right

    try:
        with ExitStack() as context:
            stack = context.enter_context(
                running_stack(
                    app, log_folder=options.logs, host=options.host, port=options.port, slots=options.jobs
                )
            )
            if options.verbose:
                context.enter_context(tailing(options.logs, sys.stderr.buffer))
            print(f"Darkroom is ready at {stack.url} (embedded AWS at {stack.aws.endpoint_url})", flush=True)
            while not signals:
                # In steps: the kernel may hand the signal to another thread, which wakes nobody here.
                time.sleep(0.2)
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES):
            raise
        print(
            f"cannot listen on {options.host}:{options.port}: {os.strerror(error.errno)}",
            file=sys.stderr,
        )
        return 1
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.local", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address of the API")
    parser.add_argument("--port", type=int, default=8000, help="port of the API; 0 takes a free one")
    parser.add_argument("--jobs", type=int, default=1, help="training jobs that run at a time")
    parser.add_argument("--logs", type=Path, default=Path(".darkroom/logs"), help="folder of the jobs' logs")
    parser.add_argument("--verbose", action="store_true", help="show the jobs' logs as they are written")
    return parser.parse_args()


def _quieten(verbose: bool) -> None:
    """A terminal is no CloudWatch: no metrics, and without --verbose only what went wrong."""
    os.environ.setdefault("POWERTOOLS_METRICS_DISABLED", "true")
    os.environ.setdefault("POWERTOOLS_LOG_LEVEL", "INFO" if verbose else "WARNING")


def _find_weights() -> None:
    """Where `make install` puts pretrained weights, unless the environment says otherwise."""
    os.environ.setdefault("TORCH_HOME", str(Path(sys.prefix) / "torch"))


def _caught_signals() -> list[int]:
    """A list that grows with each Ctrl-C and SIGTERM: a lock, taken in a handler, could deadlock."""
    caught: list[int] = []

    def catch(number: int, _frame: FrameType | None) -> None:
        caught.append(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, catch)
    return caught


if __name__ == "__main__":
    sys.exit(main())
