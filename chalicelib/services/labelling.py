"""Labels by image id or file name; whatever can't be stored is reported by its key."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..contract.records import Label, LabelValue, Project
from .classes import classes_of
from .data_ports import Images, Known, Labels
from .directory import Directory, RefusedError
from .names import class_name_problem, composed
from .ports import Clock
from .times import rfc3339

#: A row has 400 KB. For a box DynamoDB counts so many bytes, its class, and its digits at most.
_MAX_LABEL_BYTES, _BOX_BYTES = 390_000, 24


@dataclass(frozen=True, slots=True)
class LabelFailure:
    """A label that wasn't stored. `key` is the image id or file name as it was sent."""

    key: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class LabelReport:
    updated: int
    failures: list[LabelFailure]
    classes: dict[str, int]  # images a class, of those updated


class Labelling:
    def __init__(self, images: Images, labels: Labels, clock: Clock) -> None:
        self._images = images
        self._labels = labels
        self._clock = clock

    def store(self, project: Project, labels: Mapping[str, Any]) -> LabelReport:
        """Stores what can be stored, each label in place of the image's earlier one.

        Args:
            project: its task type says which labels it takes.
            labels: image id or file name -> a class, or for detection a list of
                {"label": class, "box": [x, y, width, height]} in pixels.
        """
        directory = Directory.of(self._images, project.project_id, labels)
        now = rfc3339(self._clock.now())
        stored: dict[str, Label] = {}
        failures: list[LabelFailure] = []
        for key, value in labels.items():
            try:
                known = directory.find(key)
                label = checked(project.task_type, value, known)
                _refuse_conflict(stored.get(known.image_id), label)
            except RefusedError as refused:
                failures.append(LabelFailure(key, refused.code, refused.message))
                continue
            stored[known.image_id] = Label(
                project_id=project.project_id,
                label_id=known.image_id,
                image_id=known.image_id,
                label=label,
                updated_at=now,
            )
        self._labels.put(list(stored.values()))
        classes = Counter(name for each in stored.values() for name in classes_of(each.label))
        return LabelReport(len(labels) - len(failures), failures, dict(sorted(classes.items())))


def _refuse_conflict(earlier: Label | None, label: LabelValue) -> None:
    if earlier is not None and earlier.label != label:
        raise RefusedError(
            "conflicting-label", "another key of this request labels the same image differently"
        )


def checked(task_type: str, value: Any, known: Known) -> LabelValue:
    """A label as it is stored.

    Args:
        task_type: of the project.
        value: a class, or for detection a list of {"label": class, "box": [x, y, width, height]}.
        known: the image, whose size the boxes must keep to.

    Raises:
        RefusedError: it is no such label.
    """
    if task_type == "classification":
        return _checked_class(value)
    if not isinstance(value, list):
        raise RefusedError("not-boxes", "a detection label is a list of {label, box}; no objects is []")
    return that_fit([_checked_box(each, known) for each in value])


def that_fit(boxes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The boxes of one image, which a row of DynamoDB has room for.

    Raises:
        RefusedError: they are more.
    """
    size = sum(_BOX_BYTES + len(each["label"].encode()) + len(str(each["box"])) for each in boxes)
    if size > _MAX_LABEL_BYTES:
        message = f"{len(boxes)} objects are more than a label can hold: split the image, or round its boxes"
        raise RefusedError("too-many-boxes", message)
    return boxes


def _checked_class(value: Any) -> str:
    if not isinstance(value, str):
        raise RefusedError("not-a-class", "a classification label is the name of a class")
    problem = class_name_problem(value)
    if problem:
        raise RefusedError("bad-class", problem)
    return composed(value.strip())


def _checked_box(value: Any, known: Known) -> dict[str, Any]:
    if not isinstance(value, dict) or value.keys() != {"label", "box"}:
        raise RefusedError("not-boxes", "each object is {label, box}")
    box = value["box"]
    if not (isinstance(box, list) and len(box) == 4 and all(_is_number(each) for each in box)):
        raise RefusedError("bad-box", "a box is [x, y, width, height] in pixels")
    x, y, width, height = box
    if width <= 0 or height <= 0:
        raise RefusedError("bad-box", "a box has a width and a height of more than 0")
    # Each number by itself first: one of 400 digits can't be added to a fraction.
    is_larger = max(x, width) > known.width or max(y, height) > known.height
    if is_larger or x < 0 or y < 0 or x + width > known.width or y + height > known.height:
        raise RefusedError("box-outside-image", f"the box leaves the image of {known.width} x {known.height}")
    return {"label": _checked_class(value["label"]), "box": box}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
