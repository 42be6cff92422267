"""The `darkroom` command. What isn't needed to show help is imported when it is needed."""

import os
import sys


def main() -> None:
    """Runs the command of the process's arguments, and ends the process."""
    from .app import app

    if "_DARKROOM_COMPLETE" in os.environ:
        from typer import completion

        completion.completion_init()  # type: ignore[attr-defined]
    try:
        app(prog_name="darkroom")
    except BrokenPipeError:
        # Whoever read the output wants no more; Python would complain when it closes it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
