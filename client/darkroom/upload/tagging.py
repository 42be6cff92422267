"""Labels and splits of uploaded images."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

from ..models import Image, LabelProblem
from ..progress import OnProgress, tell
from .labels import Wanted
from .pictures import Picture
from .report import FileProblem, UploadReport

if TYPE_CHECKING:
    from ..project import Project

T = TypeVar("T")


def tag(
    project: "Project",
    report: UploadReport,
    pictures: list[Picture],
    wanted: Wanted,
    ids: Mapping[str, str],
    shown: Mapping[str, Image],
    on_progress: OnProgress,
) -> None:
    """Stores labels and splits where the images haven't them yet.

    Args:
        project: that has the images.
        report: gets the counts and problems.
        pictures: the folder's.
        wanted: labels and splits by file name.
        ids: image id of each SHA-256.
        shown: images as they were before, by id.
        on_progress: told how far it is.
    """
    names: dict[str, str] = {}
    labels = _by_id(pictures, wanted.labels, ids, names, report)
    splits = _by_id(pictures, wanted.splits, ids, names, report)
    new_labels = {
        key: each for key, each in labels.items() if not (key in shown and shown[key].label == each)
    }
    new_splits = {
        key: each for key, each in splits.items() if not (key in shown and shown[key].split == each)
    }
    report.labelled = len(labels) - len(new_labels)
    if new_labels:
        tell(on_progress, "labelling", 0, len(new_labels), "files")
        stored = project.label(new_labels)
        report.labelled += stored.summary.updated
        report.label_problems += _named(stored.items, names)
        tell(on_progress, "labelling", len(new_labels), len(new_labels), "files")
    if new_splits:
        report.label_problems += _named(project.split(new_splits), names)


def _by_id(
    pictures: list[Picture],
    values: Mapping[str, T],
    ids: Mapping[str, str],
    names: dict[str, str],
    report: UploadReport,
) -> dict[str, T]:
    """What is said of each image; of equal files that are said to be different neither is believed."""
    found: dict[str, T] = {}
    doubtful = set()
    for each in pictures:
        if each.name not in values or each.sha256 not in ids:
            continue
        image_id, value = ids[each.sha256], values[each.name]
        if image_id in found and found[image_id] != value:
            message = f"the same bytes as {names[image_id]}, which is said to be {found[image_id]}"
            report.label_problems.append(FileProblem(each.name, "conflicting-label", message))
            doubtful.add(image_id)
        else:
            found[image_id], names[image_id] = value, each.name
    return {image_id: value for image_id, value in found.items() if image_id not in doubtful}


def _named(problems: list[LabelProblem], names: Mapping[str, str]) -> list[FileProblem]:
    return [FileProblem(names.get(each.key, each.key), each.code, each.message) for each in problems]
