"""The report of a transfer: a line for every problem, on disk until it is sent."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from chalicelib.services.transfer_ports import LargeObjects

from .annotations import Problem, Where
from .remote import PART_BYTES, RemoteWriter

_EXAMPLES = 20


class Report:
    def __init__(self, folder: Path) -> None:
        self._file = (folder / "report.jsonl").open("w+b")
        self.counts: Counter[str] = Counter()
        self.examples: list[dict[str, Any]] = []

    def add(self, where: Where, code: str, message: str) -> None:
        line = {"file": where.file, "line": where.line, "key": where.key, "code": code, "message": message}
        line = {name: value for name, value in line.items() if value is not None}
        self._file.write(json.dumps(line, ensure_ascii=False).encode(errors="replace") + b"\n")
        self.counts[code] += 1
        if len(self.examples) < _EXAMPLES:
            self.examples.append(line)

    def add_problem(self, problem: Problem) -> None:
        self.add(problem.where, problem.code, problem.message)

    def disagreement(self, where: Where, earlier: Where | bool) -> None:
        """Something that isn't stored: of no image of the archive, or unlike what was said before of it."""
        if isinstance(earlier, Where):
            place = ", ".join(str(each) for each in (earlier.file, earlier.line, earlier.key) if each)
            message = f"{place} says something else of the same image, and counts"
            self.add(where, "conflicting-label", message)
        else:
            self.add(where, "image-missing", "the archive has no such image")

    def send(self, objects: LargeObjects, key: str) -> None:
        """Stores the report, unless it is empty."""
        if not self.counts:
            return
        self._file.seek(0)
        with RemoteWriter(objects, key, "application/x-ndjson") as writer:
            while piece := self._file.read(PART_BYTES):
                writer.write(piece)
            writer.finish()

    def close(self) -> None:
        self._file.close()
