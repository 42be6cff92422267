"""Labels by image id or file name; whatever can't be stored is reported by its key."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..contract.records import Label, LabelValue, Project
from .data_ports import Images, Known, Labels
from .gallery import classes_of
from .names import class_name_problem, composed
from .ports import Clock
from .times import rfc3339


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


class _RefusedError(Exception):
    def __init__(self, code: str, message: str) -> None:
        self.code = code
        self.message = message


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
        directory = _Directory(self._images.known(project.project_id))
        now = rfc3339(self._clock.now())
        stored: dict[str, Label] = {}
        failures: list[LabelFailure] = []
        for key, value in labels.items():
            try:
                known = directory.find(key)
                label = _checked(project.task_type, value, known)
                _refuse_conflict(stored.get(known.image_id), label)
            except _RefusedError as refused:
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


class _Directory:
    """Finds images by id or by file name."""

    def __init__(self, images: Iterable[Known]) -> None:
        self._by_id: dict[str, Known] = {}
        self._by_name: dict[str, list[Known]] = {}
        for each in images:
            self._by_id[each.image_id] = each
            for name in each.file_names:
                self._by_name.setdefault(name, []).append(each)

    def find(self, key: str) -> Known:
        if key in self._by_id:
            return self._by_id[key]
        named = self._by_name.get(composed(key), [])
        if not named:
            raise _RefusedError("unknown-image", "the project has no accepted image of this id or file name")
        if len(named) > 1:
            ids = ", ".join(each.image_id for each in named[:3])
            raise _RefusedError(
                "ambiguous-file-name", f"{len(named)} images have this file name: use ids ({ids})"
            )
        return named[0]


def _refuse_conflict(earlier: Label | None, label: LabelValue) -> None:
    if earlier is not None and earlier.label != label:
        raise _RefusedError(
            "conflicting-label", "another key of this request labels the same image differently"
        )


def _checked(task_type: str, value: Any, known: Known) -> LabelValue:
    if task_type == "classification":
        return _checked_class(value)
    if not isinstance(value, list):
        raise _RefusedError("not-boxes", "a detection label is a list of {label, box}; no objects is []")
    return [_checked_box(each, known) for each in value]


def _checked_class(value: Any) -> str:
    if not isinstance(value, str):
        raise _RefusedError("not-a-class", "a classification label is the name of a class")
    problem = class_name_problem(value)
    if problem:
        raise _RefusedError("bad-class", problem)
    return composed(value.strip())


def _checked_box(value: Any, known: Known) -> dict[str, Any]:
    if not isinstance(value, dict) or value.keys() != {"label", "box"}:
        raise _RefusedError("not-boxes", "each object is {label, box}")
    box = value["box"]
    if not (isinstance(box, list) and len(box) == 4 and all(_is_number(each) for each in box)):
        raise _RefusedError("bad-box", "a box is [x, y, width, height] in pixels")
    x, y, width, height = box
    if width <= 0 or height <= 0:
        raise _RefusedError("bad-box", "a box has a width and a height of more than 0")
    if x < 0 or y < 0 or x + width > known.width or y + height > known.height:
        raise _RefusedError(
            "box-outside-image", f"the box leaves the image of {known.width} x {known.height}"
        )
    return {"label": _checked_class(value["label"]), "box": box}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
