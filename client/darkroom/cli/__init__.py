"""The `darkroom` command. What isn't needed to show help is imported when it is needed."""

import os


def main() -> None:
    """Runs the command of the process's arguments, and ends the process."""
    from .app import app

    if "_DARKROOM_COMPLETE" in os.environ:
        from typer import completion

        completion.completion_init()  # type: ignore[attr-defined]
    app(prog_name="darkroom")
