"""The lines that are appended to a file."""

from pathlib import Path


class Appended:
    """Reads a file as it grows.

    Args:
        path: of the file.
        start: how many of its bytes are passed over.
    """

    def __init__(self, path: Path, start: int = 0) -> None:
        self._path = path
        self._seen = start
        #: The beginning of a line that isn't written to its end.
        self.begun = b""

    def lines(self) -> list[bytes]:
        """Those that were completed since the last time, without their ends; none where it was deleted."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._seen)
                *lines, self.begun = (self.begun + file.read()).split(b"\n")
                self._seen = file.tell()
        except FileNotFoundError:
            return []
        return lines
