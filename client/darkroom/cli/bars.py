"""Progress bars: on stderr, and only where that is a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..progress import Progress

Show = Callable[[Progress], None]


@contextmanager
def bars(*, quiet: bool = False) -> Iterator[Show]:
    """Something that shows progress until the context ends: nothing, where nobody looks."""
    if quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, TaskProgressColumn, TextColumn
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    columns = (TextColumn("{task.description:12}"), BarColumn(), TaskProgressColumn())
    counted = Bars(*columns, MofNCompleteColumn(), TextColumn("{task.fields[note]}"), console=console)
    sized = Bars(*columns, DownloadColumn(), console=console)
    # A run's note is long, and 80 columns have to do.
    narrow = (TextColumn("{task.description}"), BarColumn(bar_width=20), TaskProgressColumn())
    plain = Bars(*narrow, TextColumn("{task.fields[note]}"), console=console)
    by_unit = {"files": counted, "bytes": sized, "%": plain}
    running: dict[str, Any] = {}

    def show(progress: Progress) -> None:
        shown = by_unit[progress.unit]
        if progress.phase not in running:
            _stop(by_unit.values())
            running[progress.phase] = shown.add_task(progress.phase, total=progress.total, note="")
            shown.start()
        shown.update(
            running[progress.phase], completed=progress.done, total=progress.total, note=progress.note
        )

    try:
        yield show
    finally:
        _stop(by_unit.values())


def _stop(shown: Any) -> None:
    for each in shown:
        each.stop()
        for task in list(each.task_ids):
            each.remove_task(task)
