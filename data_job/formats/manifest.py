"""Manifests of SageMaker Ground Truth and Rekognition: a line of JSON an image, labels beside metadata."""

import json
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, BinaryIO

from chalicelib.contract.records import SplitName

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
    lines,
    number,
    shown,
    sides,
)
from .references import References
from .splits import split_named, split_of_document

_METADATA = "-metadata"
_SIDES = ("left", "top", "width", "height")
_EPOCH = "1970-01-01T00:00:00.000000"
_JOB = "darkroom"


def documents_in(archive: Archive) -> list[str]:
    """By their names; a .json may be one too where the first line says so."""
    paths = [path for path in archive.names() if extension(path) in (".manifest", ".jsonl")]
    return paths or [path for path in archive.names() if extension(path) == ".json"]


def read(archive: Archive) -> Reading:
    references = References(archive)

    def document(path: str, stream: BinaryIO) -> Reading:
        for each in lines(path, stream):
            if isinstance(each, Problem):
                yield each
            elif each[1].strip():
                yield from _line(Where(path, each[0]), each[1], references)

    yield from each_document(archive, documents_in(archive), document)


def documents(
    entries: Callable[[], Iterator[Named]], classes: Sequence[str]
) -> Iterator[tuple[str, Iterator[bytes]]]:
    numbers = {name: number for number, name in enumerate(classes)}
    yield "output.manifest", (_written(each, numbers) for each in entries())


def _line(where: Where, text: str, references: References) -> Reading:
    try:
        line = _parsed(text)
        image = references.find(_source(line), where.file)
    except RefusedError as error:
        yield error.at(where)
        return
    label: str | None = None
    boxes: Boxes = None
    split: SplitName | None = None
    try:
        split = _split(line, where.file)
        label = _label(line)
        boxes = yield from _boxes(line, where)
    except RefusedError as error:
        yield error.at(where)
    yield Found(image.name, image.path, label, boxes, split, where)


def _parsed(text: str) -> dict[str, Any]:
    try:
        line = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        message = f"the line isn't JSON ({str(error)[:80]}): write one object a line"
        raise RefusedError("not-json", message) from error
    if not isinstance(line, dict):
        raise RefusedError("not-an-object", "the line isn't a JSON object: see docs/data.md")
    return line


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _source(line: dict[str, Any]) -> str:
    source = line.get("source-ref")
    if not isinstance(source, str):
        raise RefusedError("file-name-missing", "the line has no source-ref: add it", "source-ref")
    return source


def _split(line: dict[str, Any], file: str) -> SplitName | None:
    written = line.get("split")
    if written is None:
        return split_of_document(file)
    split = split_named(written) if isinstance(written, str) else None
    if split is None:
        raise RefusedError("bad-split", f"{shown(written)} is no split: write train, val or test", "split")
    return split


def _jobs(line: dict[str, Any], kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(attribute, metadata) of the labels of a kind."""
    for name, metadata in line.items():
        job = name.removesuffix(_METADATA)
        if job != name and job in line and isinstance(metadata, dict) and kind in str(metadata.get("type")):
            yield job, metadata


def _one_job(line: dict[str, Any], kind: str) -> tuple[str, dict[str, Any]] | None:
    jobs = list(_jobs(line, kind))
    if len(jobs) > 1:
        names = " and ".join(shown(job) for job, _ in jobs[:2])
        raise RefusedError("several-labels", f"{names} both label the image: keep one")
    return jobs[0] if jobs else None


def _label(line: dict[str, Any]) -> str | None:
    found = _one_job(line, "image-classification")
    if not found:
        return None
    return class_name(found[1].get("class-name"), f"{_shown_key(found[0])}{_METADATA}.class-name")


def _boxes(line: dict[str, Any], where: Where) -> Generator[Problem, None, Boxes]:
    found = _one_job(line, "object-detection")
    if not found:
        return None
    job, metadata = found
    key, classes = _shown_key(job), metadata.get("class-map")
    annotations = line[job].get("annotations") if isinstance(line[job], dict) else None
    if not isinstance(annotations, list) or not isinstance(classes, dict):
        raise RefusedError("bad-boxes", "annotations or its class-map are missing: add them", key)
    return (
        yield from all_boxes(
            where, annotations, lambda place, item: _box(item, f"{key}.annotations[{place}]", classes)
        )
    )


def _box(item: Any, key: str, classes: dict[str, Any]) -> FoundBox:
    if not isinstance(item, dict):
        raise RefusedError("bad-box", f"{shown(item)} isn't an object: see docs/data.md", key)
    name = classes.get(str(item.get("class_id")))
    if name is None:
        message = f"class-map has no {shown(item.get('class_id'))}: add it"
        raise RefusedError("unknown-category", message, f"{key}.class_id")
    values = (number(item.get(side), f"{key}.{side}") for side in _SIDES)
    return FoundBox(class_name(name, f"{key}.class_id"), sides(*values, key=key))


def _shown_key(job: str) -> str:
    return job[:80].encode(errors="replace").decode()


def _written(named: Named, numbers: dict[str, int]) -> bytes:
    entry, label = named.entry, named.entry.label
    line: dict[str, Any] = {"source-ref": named.name}
    if entry.split:
        line["split"] = entry.split
    metadata = {"human-annotated": "yes", "creation-date": _EPOCH, "job-name": _JOB}
    if isinstance(label, str):
        line[_JOB] = numbers[label]
        own = {"class-name": label, "confidence": 1, "type": "groundtruth/image-classification"}
    else:
        line[_JOB] = {
            "image_size": [_size(named)],
            "annotations": [_annotation(each, numbers) for each in label],
        }
        classes = {str(numbers[each["label"]]): each["label"] for each in label}
        confidence = [{"confidence": 1} for _ in label]
        own = {"objects": confidence, "class-map": classes, "type": "groundtruth/object-detection"}
    line[f"{_JOB}{_METADATA}"] = {**own, **metadata}
    return json.dumps(line, ensure_ascii=False).encode() + b"\n"


def _size(named: Named) -> dict[str, int]:
    return {"width": named.entry.width, "height": named.entry.height, "depth": 3}


def _annotation(each: dict[str, Any], numbers: dict[str, int]) -> dict[str, Any]:
    return {"class_id": numbers[each["label"]], **dict(zip(_SIDES, each["box"], strict=True))}
