"""Shows what the jobs write to their log files."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def tailing(folder: Path, out: BinaryIO) -> Iterator[None]:
    """Copies what is appended to the log files of a folder from now on."""
    stop = threading.Event()
    seen = {path: path.stat().st_size for path in folder.glob("*.log")}
    thread = threading.Thread(target=_tail, args=(folder, out, seen, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _tail(folder: Path, out: BinaryIO, seen: dict[Path, int], stop: threading.Event) -> None:
    while not stop.wait(0.2):
        for path in folder.glob("*.log"):
            with path.open("rb") as log:
                log.seek(seen.get(path, 0))
                out.write(log.read())
                seen[path] = log.tell()
        out.flush()
