"""The labels of a folder's images: from its subfolders, a file, or a mapping."""

import csv
import json
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError
from ..models import Label, SplitName
from .pictures import Picture
from .report import FileProblem

_SPLITS: dict[str, SplitName] = {
    "train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test",
}  # fmt: skip
_COLUMNS = {
    "file": ("file", "filename", "image", "path"),
    "class": ("class", "label", "category"),
    "split": ("split",),
}


@dataclass(slots=True)
class Wanted:
    """What is said of the images, by their names in the folder; a name that is no image's is a problem."""

    labels: dict[str, Label] = field(default_factory=dict)
    splits: dict[str, SplitName] = field(default_factory=dict)
    problems: list[FileProblem] = field(default_factory=list)


def wanted_of(labels: str | Path | Mapping[str, Label] | None, pictures: Iterable[Picture]) -> Wanted:
    """The labels and splits of a folder's images.

    Args:
        labels: "folders", a CSV or JSON file, a mapping of file names to labels, or None.
        pictures: the images.

    Raises:
        ConfigurationError: the file can't be read, or isn't of that form.
    """
    names = [each.name for each in pictures]
    if labels is None:
        return Wanted()
    if labels == "folders":
        return _of_folders(names)
    if isinstance(labels, Mapping):
        return _matched(names, dict(labels), {})
    given, splits = read_labels(Path(labels))
    return _matched(names, given, splits)


def _of_folders(names: list[str]) -> Wanted:
    """The class is the first folder; below train, val and test, where there is nothing else, the second."""
    parts = {name: name.split("/")[:-1] for name in names}
    first = {each[0].lower() for each in parts.values() if each}
    has_splits = bool(first) and first <= _SPLITS.keys() and all(len(each) != 1 for each in parts.values())
    wanted = Wanted()
    for name, folders in parts.items():
        if has_splits and folders:
            wanted.splits[name] = _SPLITS[folders.pop(0).lower()]
        if folders:
            wanted.labels[name] = folders[0]
    return wanted


def read_labels(path: Path) -> tuple[dict[str, Label], dict[str, SplitName]]:
    """The labels and splits of a CSV or JSON file, by file name.

    CSV: file, class and perhaps split, as docs/data.md has it. JSON: {file name: label}, or that
    below "labels", as the API takes it.

    Raises:
        ConfigurationError: it can't be read, or isn't of that form.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read {path}: {error}") from error
    if path.suffix.lower() == ".json":
        return _of_json(path, text), {}
    return _of_csv(path, text)


def _of_json(path: Path, text: str) -> dict[str, Label]:
    try:
        found: Any = json.loads(text)
    except ValueError as error:
        raise ConfigurationError(f"{path} is no JSON: {error}") from error
    if isinstance(found, dict) and isinstance(found.get("labels"), dict):
        found = found["labels"]
    if not isinstance(found, dict) or not all(isinstance(each, str | list) for each in found.values()):
        raise ConfigurationError(
            f"{path} isn't of the form {{file name: class}}",
            hint='For detection {file name: [{"label": "cat", "box": [x, y, width, height]}]}.',
        )
    return found


def _of_csv(path: Path, text: str) -> tuple[dict[str, Label], dict[str, SplitName]]:
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    rows = [
        (n, row) for n, row in enumerate(csv.reader(text.splitlines(), delimiter=delimiter), 1) if any(row)
    ]
    columns = _columns(rows[0][1]) if rows else None
    labels: dict[str, Label] = {}
    splits: dict[str, SplitName] = {}
    for line, row in rows[1:] if columns else rows:
        cells = [each.strip() for each in row]
        places = columns or {name: place for place, name in enumerate(_COLUMNS)}
        name, label, split = (_cell(cells, places.get(each)) for each in _COLUMNS)
        if not name or not (label or split):
            raise ConfigurationError(f"{path}, line {line}: a row has a file and a class")
        if split and split.lower() not in _SPLITS:
            raise ConfigurationError(f"{path}, line {line}: {split!r} is none of train, val and test")
        if label:
            labels[name] = label
        if split:
            splits[name] = _SPLITS[split.lower()]
    return labels, splits


def _columns(header: list[str]) -> dict[str, int] | None:
    """Where the columns are by their names; None where the first row is no header."""
    cells = [each.strip().lower() for each in header]
    found = {
        column: cells.index(name) for column, names in _COLUMNS.items() for name in names if name in cells
    }
    return found if {"file", "class"} <= found.keys() else None


def _cell(cells: list[str], place: int | None) -> str:
    return cells[place] if place is not None and place < len(cells) else ""


def _matched(names: list[str], labels: dict[str, Label], splits: dict[str, SplitName]) -> Wanted:
    """By the name in the folder, or by the file's own name where only one has it."""
    by_ending: dict[str, set[str]] = {name: {name} for name in names}
    whole = set(names)
    for name in names:
        if (ending := name.rpartition("/")[2]) not in whole:
            by_ending.setdefault(ending, set()).add(name)
    wanted = Wanted()
    for key, label in labels.items():
        for name in _one(by_ending, key, wanted):
            wanted.labels[name] = label
    for key, split in splits.items():
        for name in _one(by_ending, key, None if key in labels else wanted):
            wanted.splits[name] = split
    return wanted


def _one(by_ending: Mapping[str, set[str]], key: str, wanted: Wanted | None) -> set[str]:
    """The image that a key names; otherwise a problem."""
    cleaned = unicodedata.normalize("NFC", key.replace("\\", "/")).removeprefix("./")
    found = by_ending.get(cleaned) or by_ending.get(cleaned.rpartition("/")[2], set())
    if len(found) == 1:
        return found
    if wanted is not None:
        message = f"{len(found)} images are called so" if found else "no image in the folder is called so"
        wanted.problems.append(FileProblem(key, "no-such-file" if not found else "ambiguous-name", message))
    return set()
