"""CSV: a file name and its class a row, and a split if there is one; with a header or without."""

import csv
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from io import StringIO
from itertools import chain, islice
from typing import BinaryIO

from chalicelib.contract.records import SplitName

from ..annotations import Found, Problem, Where
from ..archive import Archive
from ..archive_checks import IMAGE_EXTENSIONS, extension
from ..names import Named
from .checks import Reading, RefusedError, class_name, each_document, lines, shown
from .references import References
from .splits import split_named

_FILE = frozenset(("file", "filename", "file_name", "file name", "image", "path", "image_path", "filepath"))
_CLASS = frozenset(("class", "label", "category", "class_name", "class name", "labels", "classname"))
_SPLIT = frozenset(("split", "set", "subset", "partition"))
_DELIMITERS = ",;\t"
_SAMPLE_LINES = 20


@dataclass(frozen=True, slots=True)
class _Columns:
    file: int = 0
    label: int = 1
    split: int | None = 2
    delimiter: str = ","
    header: bool = False


def is_csv(archive: Archive, path: str) -> bool:
    """Whether it has two columns, the first with names of images or a header that says so."""
    with archive.open(path) as stream:
        sample = _texts(islice(lines(path, stream), _SAMPLE_LINES))
    columns = _columns(sample)
    rows = _parsed(sample, columns.delimiter)
    return columns.header or any(len(row) > 1 and extension(row[0]) in IMAGE_EXTENSIONS for row in rows)


def documents_in(archive: Archive) -> list[str]:
    return [path for path in archive.names() if extension(path) in (".csv", ".tsv")]


def read(archive: Archive) -> Reading:
    references = References(archive)

    def document(path: str, stream: BinaryIO) -> Reading:
        return _document(path, stream, references)

    yield from each_document(archive, documents_in(archive), document)


def documents(entries: Callable[[], Iterator[Named]]) -> Iterator[tuple[str, Iterator[bytes]]]:
    rows = ((each.name, each.entry.label, each.entry.split) for each in entries())
    yield "labels.csv", map(_row, chain([("file", "class", "split")], rows))


def _row(cells: Iterable[object]) -> bytes:
    line = StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue().encode()


def _document(path: str, stream: BinaryIO, references: References) -> Reading:
    numbered = lines(path, stream)
    sample = list(islice(numbered, _SAMPLE_LINES))
    columns = _columns(_texts(sample))
    for row in _rows(path, chain(sample, numbered), columns.delimiter):
        if isinstance(row, Problem):
            yield row
        elif not columns.header or row[0] > 1:
            yield from _read_row(row[1], Where(path, row[0]), columns, references)


def _texts(numbered: Iterable[tuple[int, str] | Problem]) -> list[str]:
    return [each[1] for each in numbered if not isinstance(each, Problem)]


def _parsed(sample: list[str], delimiter: str) -> list[list[str]]:
    try:
        return [row for row in csv.reader(sample, delimiter=delimiter) if row]
    except csv.Error:
        return []


def _rows(
    file: str, numbered: Iterable[tuple[int, str] | Problem], delimiter: str
) -> Iterator[tuple[int, list[str]] | Problem]:
    """(number of its first line, cells) of each row that isn't blank."""
    problems: list[Problem] = []

    def texts() -> Iterator[str]:
        for each in numbered:
            if isinstance(each, Problem):
                problems.append(each)
            yield "\n" if isinstance(each, Problem) else each[1] + "\n"

    rows = csv.reader(texts(), delimiter=delimiter)
    for start in iter(lambda: rows.line_num + 1, None):
        try:
            row = next(rows, None)
        except csv.Error as error:
            problems.append(Problem(Where(file, start), "bad-row", f"{error}: close or double every quote"))
            row = []
        yield from problems
        problems.clear()
        if row is None:
            return
        if any(cell.strip() for cell in row):
            yield start, row


def _read_row(row: list[str], where: Where, columns: _Columns, references: References) -> Reading:
    try:
        if len(row) <= max(columns.file, columns.label):
            raise RefusedError("too-few-columns", f"{shown(row[0])} has no class beside it: add the class")
        image = references.find(row[columns.file], where.file)
    except RefusedError as error:
        yield error.at(where)
        return
    label, split = None, None
    try:
        label = class_name(row[columns.label])
        split = _split(row, columns)
    except RefusedError as error:
        yield error.at(where)
    yield Found(image.name, image.path, label, None, split, where)


def _split(row: list[str], columns: _Columns) -> SplitName | None:
    cell = row[columns.split].strip() if columns.split is not None and columns.split < len(row) else ""
    split = split_named(cell)
    if cell and split is None and columns.header:
        raise RefusedError("bad-split", f"{shown(cell)} is no split: write train, val, test or nothing")
    return split


def _columns(sample: list[str]) -> _Columns:
    """From the header under whichever delimiter it is one, else the delimiter that makes most sense."""
    for delimiter in _DELIMITERS:
        names = [cell.strip().casefold() for row in _parsed(sample[:1], delimiter) for cell in row]
        file, label, split = (_place(names, known) for known in (_FILE, _CLASS, _SPLIT))
        if file is not None and label is not None:
            return _Columns(file, label, split, delimiter, header=True)
    return _Columns(delimiter=max(_DELIMITERS, key=lambda each: _fit(sample, each)))


def _place(names: list[str], known: frozenset[str]) -> int | None:
    return next((place for place, name in enumerate(names) if name in known), None)


def _fit(sample: list[str], delimiter: str) -> tuple[int, int]:
    """How many rows begin with the name of an image and have a further column; how few columns there are."""
    several = [row for row in _parsed(sample, delimiter) if len(row) > 1]
    of_images = [row for row in several if extension(row[0]) in IMAGE_EXTENSIONS]
    return len(of_images) or len(several), -sum(len(row) for row in several)
