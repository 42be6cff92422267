"""What every reader checks of what it reads: names, classes, numbers, boxes."""

import math
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any, BinaryIO

from chalicelib.contract.errors import RejectedImageError
from chalicelib.services.names import class_name_problem, composed, file_name

from ..annotations import Found, FoundBox, Problem, Where
from ..archive import Archive

MAX_BOXES = 10_000
MAX_LINE_BYTES = 4_000_000
Reading = Iterator[Found | Problem]
Boxes = tuple[FoundBox, ...] | None
Sides = tuple[float, float, float, float]


class RefusedError(Exception):
    """Something of an archive isn't taken; becomes a Problem where its place is known."""

    def __init__(self, code: str, message: str, key: str | None = None, line: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.key = key
        self.line = line

    def at(self, where: Where) -> Problem:
        place = Where(where.file, self.line or where.line, self.key or where.key)
        return Problem(place, self.code, self.message)


def shown(value: Any) -> str:
    """A value of the archive's, as a message can quote it: short, and possible in UTF-8."""
    text = repr(value)
    return (text if len(text) <= 80 else text[:79] + "…").encode(errors="replace").decode()


def class_name(value: Any, key: str | None = None) -> str:
    if not isinstance(value, str):
        raise RefusedError("bad-class", f"{shown(value)} isn't the name of a class: write text", key)
    name = composed(value.strip())
    problem = class_name_problem(name)
    if problem:
        raise RefusedError("bad-class", f"{problem}: rename {shown(name)}", key)
    return name


def safe_name(name: str) -> str:
    try:
        return file_name(name)
    except RejectedImageError as error:
        raise RefusedError(error.code, f"{error.detail}: rename {shown(name)}") from error


def number(value: Any, key: str | None = None) -> float:
    """A finite number, also where it is written as text."""
    try:
        found = float(value) if isinstance(value, str | int | float) else math.nan
    except (ValueError, OverflowError):
        found = math.nan
    if isinstance(value, bool) or not math.isfinite(found):
        raise RefusedError("bad-number", f"{shown(value)} isn't a number: write one", key)
    return found


def sides(left: float, top: float, width: float, height: float, *, key: str | None = None) -> Sides:
    """Checks a box; its sides are more than 0."""
    if width <= 0 or height <= 0:
        raise RefusedError(
            "empty-box", f"the box is {width:g} wide and {height:g} high: draw it anew, or remove it", key
        )
    if not math.isfinite(left + width) or not math.isfinite(top + height):
        raise RefusedError("bad-number", "the box is too large to be one: draw it anew", key)
    return left, top, width, height


def all_boxes(
    where: Where, items: Iterable[Any], read: Callable[[int, Any], FoundBox]
) -> Generator[Problem, None, Boxes]:
    """Reads an image's boxes: yields Problems, returns the boxes, or None if one can't be read.

    An image of which a box is missing would teach that there is nothing: it stays without a label.
    """
    boxes: list[FoundBox] = []
    refused = False
    for place, item in enumerate(items):
        if place >= MAX_BOXES:
            yield Problem(where, "too-many-boxes", f"up to {MAX_BOXES:,} boxes an image are taken: split it")
            return None
        try:
            boxes.append(read(place, item))
        except RefusedError as error:
            refused = True
            yield error.at(where)
    return None if refused else tuple(boxes)


def each_document(
    archive: Archive, paths: Iterable[str], read: Callable[[str, BinaryIO], Iterator[Any]]
) -> Iterator[Any]:
    """Reads documents one after the other; a damaged one is a Problem of its own."""
    for path in paths:
        try:
            with archive.open(path) as stream:
                yield from read(path, stream)
        except RejectedImageError as error:
            yield Problem(Where(path), error.code, error.detail)


def lines(file: str, stream: BinaryIO) -> Iterator[tuple[int, str] | Problem]:
    """(number, text without its end) of each line in UTF-8; none is longer than a limit in memory."""
    for number, line in enumerate(iter(lambda: stream.readline(MAX_LINE_BYTES), b""), start=1):
        if not line.endswith(b"\n") and len(line) == MAX_LINE_BYTES:
            yield Problem(
                Where(file, number), "line-too-long", "the rest of the file isn't read: split the line"
            )
            return
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            yield Problem(Where(file, number), "not-utf-8", "the line isn't UTF-8: save the file as UTF-8")
            continue
        yield number, text.rstrip("\r\n")
