"""Archives for tests: made in memory, from a tree or from what an export writes."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chalicelib.contract.datasets import FormatName
from chalicelib.contract.manifest import Entry
from chalicelib.contract.records import LabelValue, SplitName, TaskType
from data_job.annotations import Found, Problem
from data_job.archive import Archive
from data_job.formats import documents, image_path, read
from data_job.names import Named, named

#: What begins a JPEG; no reader of annotations looks further.
JPEG = b"\xff\xd8\xff\xe0"


def zipped(files: Mapping[str, bytes | str]) -> io.BytesIO:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return target


def opened(files: Mapping[str, bytes | str]) -> Archive:
    return Archive(zipped(files), "data.zip")


def everything(format: FormatName, files: Mapping[str, bytes | str]) -> list[Found | Problem]:
    with opened(files) as archive:
        return list(read(format, archive))


def found_in(format: FormatName, files: Mapping[str, bytes | str]) -> list[Found]:
    """What is found, where nothing may be wrong."""
    found = everything(format, files)
    assert not [each for each in found if isinstance(each, Problem)]
    return [each for each in found if isinstance(each, Found)]


def problems_in(format: FormatName, files: Mapping[str, bytes | str]) -> list[tuple]:
    """(file, line, key, code) of each problem."""
    problems = [each for each in everything(format, files) if isinstance(each, Problem)]
    assert all(each.message.strip() for each in problems)
    return [(each.where.file, each.where.line, each.where.key, each.code) for each in problems]


@dataclass(frozen=True)
class Item:
    """An image of a project, for an export."""

    file_name: str
    label: LabelValue
    split: SplitName | None = None
    width: int = 640
    height: int = 480


def entries_of(items: Sequence[Item]) -> list[Entry]:
    return [
        Entry(
            image_id=f"01{place:024d}",
            file_name=each.file_name,
            label=each.label,
            sha256="0" * 64,
            size_bytes=4,
            width=each.width,
            height=each.height,
            split=each.split,
        )
        for place, each in enumerate(items)
    ]


def exported(
    format: FormatName, task_type: TaskType, items: Sequence[Item], with_images: bool = True
) -> tuple[dict[str, bytes], list[Named]]:
    """The files of an export as the worker writes them, and the names of its images."""
    entries = entries_of(items)
    classes = sorted({name for each in entries for name in each.classes})
    written = documents(format, lambda: named(entries, format), task_type, classes)
    files = {path: b"".join(content) for path, content in written}
    names = list(named(entries, format))
    if with_images:
        images = {image_path(format, each, task_type): JPEG for each in names}
        assert len(images) == len(names)
        assert not images.keys() & files.keys()
        files |= images
    return files, names
