"""Darkroom's own JSON: everything that a project says of its images, under their own names."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO

from chalicelib.contract.records import SplitName, TaskType

from ..annotations import Found, FoundBox, Problem, Where
from ..archive import Archive
from ..archive_checks import extension
from ..names import Named
from .checks import (
    Boxes,
    Reading,
    RefusedError,
    all_boxes,
    class_name,
    each_document,
    number,
    safe_name,
    shown,
    sides,
)
from .json_stream import Member, members
from .references import References
from .splits import SPLITS

NAME = "darkroom.json"
VERSION = 1
_MEMBERS = {"images": frozenset(("fileName", "path", "label", "split"))}


def documents_in(archive: Archive) -> list[str]:
    return [path for path in archive.names() if extension(path) == ".json"]


def read(archive: Archive) -> Reading:
    references = References(archive)

    def document(path: str, stream: BinaryIO) -> Reading:
        for each in members(path, stream, _MEMBERS):
            if isinstance(each, Problem):
                yield each
            elif each.name == "version" and each.value != VERSION:
                message = f"version {shown(each.value)} isn't known here: export it as version {VERSION}"
                yield Problem(Where(path, key="version"), "unknown-version", message)
                return
            elif each.name == "images" and each.index is not None:
                yield from _image(archive, Where(path, key=each.key), each, references)

    yield from each_document(archive, documents_in(archive), document)


def documents(
    entries: Callable[[], Iterator[Named]], task_type: TaskType, classes: Sequence[str], folder: str
) -> Iterator[tuple[str, Iterator[bytes]]]:
    head = {"format": "darkroom", "version": VERSION, "taskType": task_type, "classes": list(classes)}
    yield NAME, _written(head, entries, folder)


def _image(archive: Archive, where: Where, member: Member, references: References) -> Reading:
    item = member.value
    try:
        name, path = _name_and_path(archive, where, item, references)
    except RefusedError as error:
        yield error.at(where)
        return
    label: str | None = None
    boxes: Boxes = None
    split: SplitName | None = None
    try:
        split = _split(item.get("split"), where)
        written = item.get("label")
        if isinstance(written, list):
            key = f"{where.key}.label"
            boxes = yield from all_boxes(where, written, lambda place, box: _box(box, f"{key}[{place}]"))
        elif written is not None:
            label = class_name(written, f"{where.key}.label")
    except RefusedError as error:
        yield error.at(where)
    yield Found(name, path, label, boxes, split, where)


def _name_and_path(
    archive: Archive, where: Where, item: Any, references: References
) -> tuple[str, str | None]:
    name = item.get("fileName") if isinstance(item, dict) else None
    if not isinstance(name, str):
        raise RefusedError("file-name-missing", "the image has no fileName: add it", f"{where.key}.fileName")
    path = item.get("path")
    if isinstance(path, str) and path in archive:
        return safe_name(name), path
    return safe_name(name), references.path(path if isinstance(path, str) else name, where.file)


def _split(value: Any, where: Where) -> SplitName | None:
    if value is None or value in SPLITS:
        return value
    raise RefusedError(
        "bad-split", f"{shown(value)} is no split: write train, val or test", f"{where.key}.split"
    )


def _box(item: Any, key: str) -> FoundBox:
    box = item.get("box") if isinstance(item, dict) else None
    if not isinstance(box, list) or len(box) != 4:
        raise RefusedError("bad-box", "an object is {label, box: [x, y, width, height]}: write it so", key)
    label = class_name(item.get("label"), f"{key}.label")
    return FoundBox(label, sides(*(number(each, f"{key}.box") for each in box), key=f"{key}.box"))


def _written(head: dict[str, Any], entries: Callable[[], Iterator[Named]], folder: str) -> Iterator[bytes]:
    yield json.dumps(head, ensure_ascii=False).encode()[:-1] + b',\n"images":['
    for number_of, each in enumerate(entries()):
        yield (b",\n" if number_of else b"\n") + _line(each, folder)
    yield b"]}\n"


def _line(named: Named, folder: str) -> bytes:
    entry = named.entry
    line = {
        "imageId": entry.image_id,
        "fileName": entry.file_name,
        "path": folder + named.name,
        "label": entry.label,
        "width": entry.width,
        "height": entry.height,
        "sizeBytes": entry.size_bytes,
        "sha256": entry.sha256,
        **({"split": entry.split} if entry.split else {}),
    }
    return json.dumps(line, ensure_ascii=False).encode()
