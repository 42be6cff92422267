"""Pascal VOC: an XML file an image, with boxes by their corners; ImageSets/Main says the splits.

Corners are taken as they are, in pixels from 0: the first tools counted from 1, today's don't.
"""

import re
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import PurePosixPath
from typing import Any, BinaryIO
from xml.etree.ElementTree import Element, ParseError, SubElement, tostring

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import parse

from chalicelib.contract.records import SplitName

from ..annotations import Found, FoundBox, Problem, Where
from ..archive import Archive
from ..archive_checks import extension
from ..names import Named
from .checks import (
    Reading,
    RefusedError,
    all_boxes,
    class_name,
    each_document,
    lines,
    number,
    shown,
    sides,
)
from .references import Image, References
from .splits import SPLITS, split_of_document

MAX_XML_BYTES = 4_000_000
_MAX_LISTED = 500_000
_SETS = re.compile(r"(?:^|/)ImageSets/Main/(train|val|test)\.txt$")
#: Characters that XML has no way to write.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def is_voc(archive: Archive, path: str) -> bool:
    try:
        with archive.open(path) as stream:
            return _root(stream).tag == "annotation"
    except RefusedError:
        return False


def documents_in(archive: Archive) -> list[str]:
    return [path for path in archive.names() if extension(path) == ".xml"]


def read(archive: Archive) -> Reading:
    references = References(archive)
    lists = [path for path in archive.names() if _SETS.search(path)]
    listed: dict[str, SplitName] = {}
    for each in each_document(archive, lists, _listed):
        if isinstance(each, Problem):
            yield each
        elif len(listed) < _MAX_LISTED:
            listed[each[0]] = each[1]

    def document(path: str, stream: BinaryIO) -> Reading:
        split = listed.get(_stem(path)) if lists else split_of_document(path)
        return _document(path, stream, split, references)

    yield from each_document(archive, documents_in(archive), document)


def image_path(named: Named) -> str:
    return f"JPEGImages/{named.name}"


def documents(entries: Callable[[], Iterator[Named]]) -> Iterator[tuple[str, Iterator[bytes]]]:
    for each in entries():
        path = PurePosixPath("Annotations", each.name).with_suffix(".xml")
        yield str(path), iter([_written(each)])
    # Always all of them: a reader then takes no folder for a split.
    for split in SPLITS:
        yield f"ImageSets/Main/{split}.txt", _stems(entries, split)


def _stems(entries: Callable[[], Iterator[Named]], split: SplitName) -> Iterator[bytes]:
    for each in entries():
        if each.entry.split == split:
            yield f"{PurePosixPath(each.name).with_suffix('')}\n".encode()


def _listed(path: str, stream: BinaryIO) -> Iterator[tuple[str, SplitName] | Problem]:
    split = split_of_document(path.rpartition("/")[2])
    for each in lines(path, stream):
        if isinstance(each, Problem):
            yield each
        elif each[1].strip() and split:
            yield each[1].strip(), split


def _stem(path: str) -> str:
    """As the lists have it: below Annotations/, without .xml."""
    _, found, below = f"/{path}".partition("/Annotations/")
    return (below if found else path).removesuffix(".xml")


def _document(path: str, stream: BinaryIO, split: SplitName | None, references: References) -> Reading:
    where = Where(path)
    try:
        root = _root(stream)
        if root.tag != "annotation":
            raise RefusedError("not-voc", f"the root is {shown(root.tag)}, not annotation: see docs/data.md")
        image = _image(root, path, references)
    except RefusedError as error:
        yield error.at(where)
        return
    boxes = yield from all_boxes(where, root.iterfind("object"), _object)
    yield Found(image.name, image.path, None, boxes, split, where)


def _root(stream: BinaryIO) -> Any:
    content = stream.read(MAX_XML_BYTES + 1)
    if len(content) > MAX_XML_BYTES:
        raise RefusedError("too-large", f"the file has over {MAX_XML_BYTES:,} bytes: write one file an image")
    try:
        return parse(BytesIO(content), forbid_dtd=True).getroot()
    except ParseError as error:
        line, _ = error.position
        raise RefusedError("bad-xml", f"this isn't XML ({error}): mend it", line=line) from error
    except DefusedXmlException as error:
        raise RefusedError("xml-entity", "the file has a document type: remove <!DOCTYPE …>") from error
    except (ValueError, LookupError) as error:
        raise RefusedError("bad-xml", "its encoding isn't known: write the file as UTF-8") from error


def _image(root: Any, path: str, references: References) -> Image:
    """By its <filename>; tools also write one without an extension, or of before the image was converted."""
    name = (root.findtext("filename") or "").strip()
    image = references.find(name, path) if name else None
    if image and image.path:
        return image
    beside = references.beside(path)
    if beside is None and image is None:
        raise RefusedError("file-name-missing", "the name of the image is missing: add it", "filename")
    return beside or image  # type: ignore[return-value]


def _object(place: int, item: Any) -> FoundBox:
    key = f"object[{place}]"
    label = class_name(item.findtext("name") or "", f"{key}.name")
    left, top, right, bottom = (_corner(item, key, side) for side in ("xmin", "ymin", "xmax", "ymax"))
    return FoundBox(label, sides(left, top, right - left, bottom - top, key=f"{key}.bndbox"))


def _corner(item: Any, key: str, side: str) -> float:
    return number((item.findtext(f"bndbox/{side}") or "").strip(), f"{key}.bndbox.{side}")


def _written(named: Named) -> bytes:
    entry = named.entry
    root = Element("annotation")
    _add(root, "filename", named.name)
    size = SubElement(root, "size")
    for side, value in (("width", entry.width), ("height", entry.height), ("depth", 3)):
        _add(size, side, value)
    for each in entry.label:
        assert not isinstance(each, str)  # noqa: S101 - VOC is written of detection only: see SUPPORTED
        item = SubElement(root, "object")
        _add(item, "name", each["label"])
        corners = SubElement(item, "bndbox")
        left, top, width, height = each["box"]
        for side, value in zip(
            ("xmin", "ymin", "xmax", "ymax"), (left, top, left + width, top + height), strict=True
        ):
            _add(corners, side, value)
    return tostring(root, encoding="utf-8")


def _add(parent: Element, tag: str, value: str | float) -> None:
    SubElement(parent, tag).text = _NOT_XML.sub("\ufffd", str(value))
