"""YOLO: data.yaml names classes and folders; beside images/ lies labels/ with a .txt for each image."""

from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import PurePosixPath
from typing import BinaryIO

import yaml

from chalicelib.contract.errors import RejectedImageError

from ..annotations import Found, FoundBox, Problem, Where
from ..archive import Archive
from ..names import Named
from . import imagefolder
from .checks import Boxes, Reading, RefusedError, Sides, all_boxes, lines, number, safe_name, shown, sides
from .yolo_data import UNSPLIT, Data, find, load

#: Coordinates are fractions; what rounding leaves above 1 is let pass.
_MOST = 1.001
_UNSPLIT = f"images/{UNSPLIT}"


def read(archive: Archive) -> Reading:
    path = find(archive)
    if path is None:  # a classification data set: its folders are its classes
        yield from imagefolder.read(archive)
        return
    data = Data()
    try:
        yield from load(archive, path, data)
    except RefusedError as error:
        yield error.at(Where(path))
        return
    except RejectedImageError as error:
        yield Problem(Where(path), error.code, error.detail)
        return
    texts = {each for each in archive.names() if each.endswith(".txt")}
    used: set[str] = set()
    for image, _ in archive.images():
        label = next((each for each in _label_paths(image) if each in texts), None)
        used.update([label] if label else [])
        yield from _image(archive, image, label, data)
    for each in sorted(texts - used):
        if "labels" in each.split("/")[:-1]:
            message = "no image in the archive has this name: add it, or remove this file"
            yield Problem(Where(each), "label-without-image", message)


def image_path(named: Named) -> str:
    if isinstance(named.entry.label, str):
        return imagefolder.image_path(named)
    return f"images/{named.entry.split}/{named.name}" if named.entry.split else f"{_UNSPLIT}/{named.name}"


def label_path(image: str) -> str:
    """Where Ultralytics looks for an image's labels: the last `images` in its path becomes `labels`."""
    parts = image.split("/")
    places = [place for place, part in enumerate(parts[:-1]) if part == "images"]
    if places:
        parts[places[-1]] = "labels"
    return str(PurePosixPath(*parts).with_suffix(".txt"))


def documents(
    entries: Callable[[], Iterator[Named]], classes: Sequence[str]
) -> Iterator[tuple[str, Iterator[bytes]]]:
    numbers = {name: number for number, name in enumerate(classes)}
    splits = set()
    for each in entries():
        splits.add(each.entry.split)
        yield label_path(image_path(each)), iter([_rows(each, numbers)])
    # Ultralytics wants train and val. Without any split both are all images, which says: not divided.
    folders: dict[str, str] = {
        split: f"images/{split}" for split in ("train", "val", "test") if split in splits
    }
    if None in splits:
        folders |= {UNSPLIT: _UNSPLIT} if folders else {"train": _UNSPLIT, "val": _UNSPLIT}
    document = {**folders, "nc": len(classes), "names": dict(enumerate(classes))}
    yield "data.yaml", iter([yaml.safe_dump(document, sort_keys=False, allow_unicode=True).encode()])


def _rows(named: Named, numbers: dict[str, int]) -> bytes:
    width, height = named.entry.width, named.entry.height
    rows = []
    for each in named.entry.label:
        assert not isinstance(each, str)  # noqa: S101 - a class has the folders' layout, without rows
        left, top, wide, high = each["box"]
        place = ((left + wide / 2) / width, (top + high / 2) / height, wide / width, high / height)
        rows.append(" ".join([str(numbers[each["label"]]), *(f"{side:.12g}" for side in place)]) + "\n")
    return "".join(rows).encode()


def _label_paths(image: str) -> Iterator[str]:
    yield label_path(image)
    yield str(PurePosixPath(image).with_suffix(".txt"))


def _image(archive: Archive, image: str, label: str | None, data: Data) -> Reading:
    where = Where(label or image)
    try:
        name, split = data.place(image)
        name = safe_name(name)
    except RefusedError as error:
        yield error.at(Where(image))
        return
    boxes: Boxes = ()  # no file, or an empty one, says that there are no objects
    if label:
        try:
            with archive.open(label) as stream:
                boxes = yield from _boxes(label, stream, data)
        except RejectedImageError as error:
            yield Problem(where, error.code, error.detail)
            boxes = None
    yield Found(name, image, None, boxes, split, where)


def _boxes(file: str, stream: BinaryIO, data: Data) -> Generator[Problem, None, Boxes]:
    unread: list[Problem] = []
    rows = _rows_of(lines(file, stream), unread)
    boxes = yield from all_boxes(Where(file), rows, lambda _, row: _box(row, data))
    yield from unread
    return None if unread else boxes


def _rows_of(
    numbered: Iterator[tuple[int, str] | Problem], unread: list[Problem]
) -> Iterator[tuple[int, list[str]]]:
    for each in numbered:
        if isinstance(each, Problem):
            unread.append(each)
        elif each[1].strip():
            yield each[0], each[1].split()


def _box(row: tuple[int, list[str]], data: Data) -> FoundBox:
    line, tokens = row
    try:
        return _box_of(tokens, data)
    except RefusedError as error:
        error.line = line
        raise


def _box_of(tokens: list[str], data: Data) -> FoundBox:
    label = data.class_at(tokens[0])
    values = [number(token) for token in tokens[1:]]
    if len(values) >= 6 and len(values) % 2 == 0:
        return FoundBox(label, sides(*_around(values)), relative=True)
    if len(values) not in (4, 5):  # the fifth is how sure a model was
        raise RefusedError(
            "bad-row", f"the row has {len(tokens)} columns: write class, x, y, width and height, or a polygon"
        )
    _check_fractions(values[:4])
    x, y, width, height = values[:4]
    return FoundBox(label, sides(x - width / 2, y - height / 2, width, height), relative=True)


def _around(polygon: list[float]) -> Sides:
    """The box around a segment's corners."""
    _check_fractions(polygon)
    across, down = polygon[::2], polygon[1::2]
    return min(across), min(down), max(across) - min(across), max(down) - min(down)


def _check_fractions(values: list[float]) -> None:
    outside = [value for value in values if not 1 - _MOST <= value <= _MOST]
    if outside:
        raise RefusedError(
            "box-not-relative",
            f"{shown(outside[0])} isn't between 0 and 1: divide pixels by the image's width or height",
        )
