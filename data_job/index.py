"""What an archive has and says, kept on disk: a data set may have more labels than fit into memory."""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalicelib.contract.records import SplitName

from .annotations import FoundBox, Where
from .judge import Value

_TABLES = """
CREATE TABLE images (
    place INTEGER PRIMARY KEY, path TEXT UNIQUE NOT NULL, size INTEGER NOT NULL, name TEXT NOT NULL,
    value TEXT, split TEXT, file TEXT, line INTEGER, key TEXT
);
CREATE TABLE others (
    name TEXT PRIMARY KEY, value TEXT, split TEXT, file TEXT NOT NULL, line INTEGER, key TEXT
) WITHOUT ROWID;
CREATE TABLE labelled (
    image_id TEXT PRIMARY KEY, value TEXT NOT NULL, file TEXT NOT NULL, line INTEGER, key TEXT
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Annotation:
    """What is said of one image, and where."""

    value: Value | None
    split: SplitName | None
    where: Where


@dataclass(frozen=True, slots=True)
class Member:
    """An image of the archive. `place` counts from 0, in the order in which they lie there."""

    place: int
    path: str
    size_bytes: int
    name: str
    annotation: Annotation | None


class Index:
    """For one thread. It lives as long as the job: nothing in it needs to survive a crash."""

    def __init__(self, folder: Path) -> None:
        self._base = sqlite3.connect(folder / "index.sqlite", isolation_level=None)
        self._base.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;" + _TABLES)

    def close(self) -> None:
        self._base.close()

    def add_image(self, path: str, size_bytes: int, name: str) -> None:
        """The next image of the archive."""
        place = self.images
        self._base.execute(
            "INSERT INTO images (place, path, size, name) VALUES (?, ?, ?, ?)",
            (place, path, size_bytes, name),
        )

    @property
    def images(self) -> int:
        """How many images the archive has."""
        [(count,)] = self._base.execute("SELECT coalesce(max(place) + 1, 0) FROM images")
        return int(count)

    def annotate(self, path: str, name: str, annotation: Annotation) -> bool | Where:
        """Notes what is said of an image of the archive, and the name under which it is kept.

        Returns:
            True; False where the archive has no such image; where something else was said of it before.
        """
        changed = self._base.execute(
            "UPDATE images SET name = ?, value = ?, split = coalesce(?, split), file = ?, line = ?, key = ?"
            " WHERE path = ? AND value IS NULL",
            (name, *_columns(annotation), path),
        )
        if changed.rowcount:
            return True
        row = self._base.execute(
            "SELECT value, split, file, line, key FROM images WHERE path = ?", (path,)
        ).fetchone()
        return False if row is None else self._agrees(row, annotation)

    def annotate_other(self, name: str, annotation: Annotation) -> bool | Where:
        """Notes what is said of an image of the project; as `annotate`."""
        changed = self._base.execute(
            "INSERT OR IGNORE INTO others VALUES (?, ?, ?, ?, ?, ?)", (name, *_columns(annotation))
        )
        if changed.rowcount:
            return True
        row = self._base.execute(
            "SELECT value, split, file, line, key FROM others WHERE name = ?", (name,)
        ).fetchone()
        return self._agrees(row, annotation)

    def label(self, image_id: str, value: Any, where: Where) -> bool | Where:
        """Notes the label that an image of the project gets; where it got another one before."""
        text = json.dumps(value)
        changed = self._base.execute(
            "INSERT OR IGNORE INTO labelled VALUES (?, ?, ?, ?, ?)",
            (image_id, text, where.file, where.line, where.key),
        )
        if changed.rowcount:
            return True
        [(before, *place)] = self._base.execute(
            "SELECT value, file, line, key FROM labelled WHERE image_id = ?", (image_id,)
        )
        return before == text or Where(*place)

    @property
    def labelled(self) -> int:
        """How many images got a label."""
        [(count,)] = self._base.execute("SELECT count(*) FROM labelled")
        return int(count)

    def names(self) -> Iterator[str]:
        """The images' names, in the order of their places."""
        return (name for (name,) in self._base.execute("SELECT name FROM images ORDER BY place"))

    def members(self) -> Iterator[Member]:
        """The images, in the order of their places."""
        rows = self._base.execute(
            "SELECT place, path, size, name, value, split, file, line, key FROM images ORDER BY place"
        )
        for place, path, size, name, *said in rows:
            yield Member(place, path, size, name, _annotation(said) if said[2] else None)

    def others(self) -> Iterator[tuple[str, Annotation]]:
        """What is said of images that aren't in the archive, by name."""
        for name, *said in self._base.execute("SELECT * FROM others"):
            yield name, _annotation(said)

    @staticmethod
    def _agrees(row: Any, annotation: Annotation) -> bool | Where:
        value, split, *where = row
        said = _written(annotation.value)
        return (said in (None, value) and annotation.split in (None, split)) or Where(*where)


def _columns(annotation: Annotation) -> tuple[Any, ...]:
    where = annotation.where
    return (_written(annotation.value), annotation.split, where.file, where.line, where.key)


def _written(value: Value | None) -> str | None:
    if value is None:
        return None
    if isinstance(value, str):
        return json.dumps(value)
    return json.dumps([[each.label, each.box, each.relative] for each in value])


def _annotation(row: Any) -> Annotation:
    value, split, *where = row
    return Annotation(_read(value), split, Where(*where))


def _read(text: str | None) -> Value | None:
    value = None if text is None else json.loads(text)
    if isinstance(value, list):
        return [FoundBox(label, tuple(box), relative) for label, box, relative in value]
    return value
