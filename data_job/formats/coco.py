"""COCO: images, annotations and categories in one JSON a split, joined by their ids.

The join is sqlite's, in a file: a document of 2 GB takes no more memory than a small one. A
category without a box, as classification is written, is the class of the whole image.
"""

import sqlite3
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from itertools import groupby
from typing import Any, BinaryIO

from ..annotations import Found, FoundBox, Problem, Where
from ..archive import Archive
from ..archive_checks import extension
from .checks import MAX_BOXES, Boxes, Reading, RefusedError, class_name, each_document, number, shown, sides
from .json_stream import Member, members
from .references import References
from .splits import split_of_document

_WANTED = {
    "images": frozenset(("id", "file_name")),
    "annotations": frozenset(("id", "image_id", "category_id", "bbox", "iscrowd")),
    "categories": frozenset(("id", "name")),
}
_TABLES = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE images (place INTEGER PRIMARY KEY, id TEXT UNIQUE, name TEXT);
CREATE TABLE categories (id TEXT PRIMARY KEY, name TEXT);
CREATE TABLE annotations (place INTEGER PRIMARY KEY, image TEXT, category TEXT, kind TEXT,
                          left REAL, top REAL, width REAL, height REAL);
"""
_ORPHANS = """
SELECT place, image FROM annotations WHERE kind != 'bad'
AND NOT EXISTS (SELECT 1 FROM images WHERE images.id = annotations.image) ORDER BY place
"""
_JOINED = """
SELECT images.place, images.name, annotations.place, category, categories.name, kind, left, top, width, height
FROM images LEFT JOIN annotations ON annotations.image = images.id
LEFT JOIN categories ON categories.id = category ORDER BY images.place, annotations.place
"""


def documents_in(archive: Archive) -> list[str]:
    return [path for path in archive.names() if extension(path) == ".json"]


def read(archive: Archive) -> Reading:
    references = References(archive)

    def document(path: str, stream: BinaryIO) -> Reading:
        # An empty name is a file of sqlite's own, gone when it is closed.
        with closing(sqlite3.connect("")) as database:
            database.executescript(_TABLES)
            yield from _document(database, path, stream, references)

    yield from each_document(archive, documents_in(archive), document)


def _document(database: sqlite3.Connection, path: str, stream: BinaryIO, references: References) -> Reading:
    labelled = False
    for each in members(path, stream, _WANTED):
        if isinstance(each, Problem):
            yield each
            # Images whose annotations are lost would pass for images without objects.
            yield Problem(Where(path), "document-skipped", "nothing of this document is imported: mend it")
            return
        labelled |= each.name == "annotations"
        if each.index is not None and each.name in _WANTED:
            yield from _insert(database, path, each)
    database.execute("CREATE INDEX by_image ON annotations (image, place)")
    for place, image in database.execute(_ORPHANS):
        key = f"annotations[{place}].image_id"
        yield Problem(
            Where(path, key=key), "unknown-image-id", f"no image has the id {shown(image)}: add it to images"
        )
    for (place, name), rows in groupby(database.execute(_JOINED), key=lambda row: row[:2]):
        yield from _image(Where(path, key=f"images[{place}]"), name, rows, labelled, references)


def _insert(database: sqlite3.Connection, path: str, member: Member) -> Iterator[Problem]:
    try:
        if not isinstance(member.value, dict):
            raise RefusedError("not-an-object", f"{shown(member.value)} isn't an object: see docs/data.md")
        _INSERTS[member.name](database, member)
    except RefusedError as error:
        yield error.at(Where(path, key=member.key))
    except sqlite3.IntegrityError:
        where = Where(path, key=f"{member.key}.id")
        yield Problem(where, "duplicate-id", "an earlier one has the same id: give each its own")


def _insert_image(database: sqlite3.Connection, member: Member) -> None:
    name = member.value.get("file_name")
    if not isinstance(name, str):
        raise RefusedError(
            "file-name-missing", "the image has no file_name: add it", f"{member.key}.file_name"
        )
    row = (member.index, _id(member, "id"), _stored(name))
    database.execute("INSERT INTO images VALUES (?, ?, ?)", row)


def _insert_category(database: sqlite3.Connection, member: Member) -> None:
    name = class_name(member.value.get("name"), f"{member.key}.name")
    database.execute("INSERT INTO categories VALUES (?, ?)", (_id(member, "id"), name))


def _insert_annotation(database: sqlite3.Connection, member: Member) -> None:
    image = _id(member, "image_id")
    row: tuple[Any, ...] = ("bad", None, None, None, None)
    category = None
    try:
        category = _id(member, "category_id")
        row = _kind_and_box(member)
    finally:
        # Also a bad one: it keeps its image from passing for one that is labelled in full.
        database.execute(
            "INSERT INTO annotations VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (member.index, image, category, *row)
        )


_INSERTS: dict[str, Callable[[sqlite3.Connection, Member], None]] = {
    "images": _insert_image,
    "categories": _insert_category,
    "annotations": _insert_annotation,
}


def _kind_and_box(member: Member) -> tuple[Any, ...]:
    if member.value.get("iscrowd") in (1, True, "1"):
        return "crowd", None, None, None, None
    box = member.value.get("bbox")
    if box is None or box == []:
        return "label", None, None, None, None
    key = f"{member.key}.bbox"
    if not isinstance(box, list) or len(box) != 4:
        raise RefusedError("bad-box", f"{shown(box)} isn't [x, y, width, height]: write it so", key)
    return "box", *sides(*(number(each, key) for each in box), key=key)


def _id(member: Member, name: str) -> str:
    """An id as text: tools write 17, 17.0 and "17" for the same."""
    value = member.value.get(name)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise RefusedError("bad-id", f"{shown(value)} is no id: write a number", f"{member.key}.{name}")
    return _stored(str(value))


def _stored(text: str) -> str:
    """As sqlite takes it: half a surrogate pair isn't UTF-8."""
    return text.encode(errors="replace").decode()


def _image(where: Where, name: str, rows: Iterator[Any], labelled: bool, references: References) -> Reading:
    try:
        image = references.find(name, where.file)
    except RefusedError as error:
        yield error.at(Where(where.file, key=f"{where.key}.file_name"))
        return
    label, boxes = yield from _annotations(where, rows)
    split = split_of_document(where.file)
    yield Found(image.name, image.path, label, boxes if labelled else None, split, where)


def _annotations(where: Where, rows: Iterator[Any]) -> Generator[Problem, None, tuple[str | None, Boxes]]:
    """Returns the class of the whole image, and its boxes."""
    boxes: list[FoundBox] = []
    labels: set[str] = set()
    kinds: set[str] = set()
    for _, _, place, category, name, kind, *box in rows:
        if place is None:  # an image without annotations
            break
        key = f"annotations[{place}]"
        kinds.add(kind)
        if kind == "crowd":
            yield Problem(
                Where(where.file, key=key),
                "crowd-skipped",
                "a crowd isn't imported: draw its objects one by one",
            )
        elif kind != "bad" and name is None:
            kinds.add("bad")
            message = f"no category has the id {shown(category)}: add it to categories"
            yield Problem(Where(where.file, key=f"{key}.category_id"), "unknown-category", message)
        elif kind == "label":
            labels.add(name)
        elif kind == "box" and len(boxes) <= MAX_BOXES:
            boxes.append(FoundBox(name, tuple(box)))
    if len(boxes) > MAX_BOXES:
        kinds.add("bad")
        yield Problem(where, "too-many-boxes", f"up to {MAX_BOXES:,} boxes an image are taken")
    if len(labels) > 1:
        yield Problem(where, "several-classes", f"{len(labels)} classes for the whole image: keep one")
    label = labels.pop() if len(labels) == 1 else None
    nothing_sure = "bad" in kinds or (not boxes and bool(kinds))
    return label, None if nothing_sure else tuple(boxes)
