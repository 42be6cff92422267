"""The annotation formats: which one an archive is in, reading it, and writing it; a module each.

Readers yield what they find image by image, and what is wrong as Problems; they raise only where
the archive as a whole is refused. Their memory doesn't grow with the annotations.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from chalicelib.contract.datasets import FormatName
from chalicelib.contract.errors import RejectedImageError, UnprocessableError
from chalicelib.contract.records import TaskType

from ..annotations import Found, Problem
from ..archive import Archive
from ..names import Named
from . import (
    coco,
    coco_writer,
    csv_file,
    darkroom,
    imagefolder,
    manifest,
    voc,
    yolo,
    yolo_data,
)
from .json_kind import json_format

#: What can be written. CSV and ImageFolder have no boxes; VOC has no class of a whole image.
SUPPORTED: frozenset[tuple[FormatName, TaskType]] = frozenset(
    (
        ("imagefolder", "classification"),
        ("csv", "classification"),
        ("coco", "classification"),
        ("coco", "detection"),
        ("yolo", "classification"),
        ("yolo", "detection"),
        ("voc", "detection"),
        ("manifest", "classification"),
        ("manifest", "detection"),
        ("darkroom", "classification"),
        ("darkroom", "detection"),
    )
)
#: They say nothing of an image that isn't in the archive.
NEEDS_IMAGES: frozenset[FormatName] = frozenset(("imagefolder", "yolo"))
_READERS: Mapping[FormatName, Callable[[Archive], Iterator[Found | Problem]]] = {
    "imagefolder": imagefolder.read,
    "csv": csv_file.read,
    "coco": coco.read,
    "yolo": yolo.read,
    "voc": voc.read,
    "manifest": manifest.read,
    "darkroom": darkroom.read,
}
_IMAGES = "images/"
#: Documents of one kind that are looked into to recognise a format.
_TRIED = 5


def detect(archive: Archive) -> FormatName:
    """The format of an archive, by what is in its files.

    Raises:
        UnprocessableError: it is in none.
    """
    try:
        found = next(_detected(archive), None)
    except RejectedImageError as error:
        raise UnprocessableError(error.detail, code="archive-damaged") from error
    if found is None:
        raise UnprocessableError(
            "the archive is in none of the formats that are read",
            code="format-not-recognised",
            hint="It needs images in a folder for each class, or annotations in UTF-8 as CSV, COCO, "
            "YOLO, Pascal VOC, a Ground Truth manifest or darkroom.json: docs/data.md shows each.",
        )
    return found


def read(format: FormatName, archive: Archive) -> Iterator[Found | Problem]:
    """What the archive says of its images, and what is wrong in it.

    An image that nothing is found of is one without a label.

    Raises:
        UnprocessableError: it is hostile after all.
    """
    return _READERS[format](archive)


def image_path(format: FormatName, named: Named, task_type: TaskType) -> str:
    """Where an image lies in an archive that is written."""
    if format == "imagefolder" or (format == "yolo" and task_type == "classification"):
        return imagefolder.image_path(named)
    if format == "yolo":
        return yolo.image_path(named)
    return voc.image_path(named) if format == "voc" else _IMAGES + named.name


def documents(
    format: FormatName,
    entries: Callable[[], Iterator[Named]],
    task_type: TaskType,
    classes: Sequence[str],
) -> Iterator[tuple[str, Iterator[bytes]]]:
    """(path, content) of the annotation files of an archive that is written.

    Each content is to be read before the next is asked for.

    Args:
        format: together with `task_type` one of SUPPORTED.
        entries: gives all images, anew at each call and each time the same.
        task_type: of the project.
        classes: all of them that the labels name.
    """
    match format:
        case "csv":
            return csv_file.documents(entries)
        case "coco":
            return coco_writer.documents(entries, classes)
        case "voc":
            return voc.documents(entries)
        case "manifest":
            return manifest.documents(entries, classes)
        case "darkroom":
            return darkroom.documents(entries, task_type, classes, _IMAGES)
        case "yolo" if task_type == "detection":
            return yolo.documents(entries, classes)
        case _:
            return imagefolder.documents(classes)


def _detected(archive: Archive) -> Iterator[FormatName]:
    if yolo_data.find_yaml(archive):
        yield "yolo"
    kinds = {json_format(archive, path) for path in coco.documents_in(archive)[:_TRIED]}
    yield from (each for each in ("darkroom", "coco") if each in kinds)
    manifests = [path for path in archive.names() if path.endswith((".manifest", ".jsonl"))]
    if "manifest" in kinds or any(json_format(archive, path) == "manifest" for path in manifests[:_TRIED]):
        yield "manifest"
    if any(voc.is_voc(archive, path) for path in voc.documents_in(archive)[:_TRIED]):
        yield "voc"
    if any(csv_file.is_csv(archive, path) for path in csv_file.documents_in(archive)[:_TRIED]):
        yield "csv"
    if yolo_data.find(archive):
        yield "yolo"
    if next(archive.images(), None):
        yield "imagefolder"
