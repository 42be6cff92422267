"""The report of a transfer: a line for every problem, on disk until it is sent."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from chalicelib.services.transfer_ports import LargeObjects

from .annotations import Problem, Where
from .remote import PART_BYTES, RemoteWriter

#: They stand in the transfer's row, of 400 KB, and a path in a zip may have 64.
_EXAMPLES, _EXAMPLE_CHARACTERS = 20, 1000
#: What a hostile document yields fills neither the disk nor the reader's patience.
_MOST_LINES, _MOST_BYTES = 100_000, 100_000_000


class Report:
    """Counts every problem, and keeps a line for each of the first 100,000."""

    def __init__(self, folder: Path) -> None:
        self._file = (folder / "report.jsonl").open("w+b")
        self.counts: Counter[str] = Counter()
        self.examples: list[dict[str, Any]] = []
        self._lines = 0

    def add(self, where: Where, code: str, message: str) -> None:
        place = {"file": where.file, "line": where.line, "key": where.key}
        said = {name: value for name, value in place.items() if value is not None}
        line: dict[str, Any] = {**said, "code": code, "message": message}
        self.counts[code] += 1
        if self.counts.total() <= _MOST_LINES and self._file.tell() < _MOST_BYTES:
            self._write(line)
            self._lines += 1
        if len(self.examples) < _EXAMPLES:
            self.examples.append({name: _cut(value) for name, value in line.items()})

    def add_problem(self, problem: Problem) -> None:
        self.add(problem.where, problem.code, problem.message)

    def disagreement(self, where: Where, earlier: Where | bool) -> None:
        """Something that isn't stored: of no image of the archive, or unlike what was said before of it."""
        if isinstance(earlier, Where):
            place = ", ".join(str(each) for each in (earlier.file, earlier.line, earlier.key) if each)
            message = f"{place} says something else of the same image, and counts: keep one"
            self.add(where, "conflicting-label", message)
        else:
            self.add(where, "image-missing", "the archive has no such image: add it")

    def send(self, objects: LargeObjects, key: str) -> None:
        """Stores the report, unless it is empty."""
        if not self.counts:
            return
        omitted = self.counts.total() - self._lines
        if omitted:
            message = f"{omitted:,} further problems have no line: mend these, and import again"
            self._write({"code": "report-cut", "message": message})
        self._file.seek(0)
        with RemoteWriter(objects, key, "application/x-ndjson") as writer:
            while piece := self._file.read(PART_BYTES):
                writer.write(piece)
            writer.finish()

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line, ensure_ascii=False).encode(errors="replace") + b"\n")

    def close(self) -> None:
        self._file.close()


def _cut(value: str | int | None) -> str | int | None:
    return value[:_EXAMPLE_CHARACTERS] if isinstance(value, str) else value
