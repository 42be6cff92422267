"""Whether a data set can be trained on, and why not: one judgement for start and for whoever asks before."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..contract.records import TaskType
from ..contract.results import MAX_CLASSES

#: A class with fewer labelled images can't be both trained on and validated.
MIN_IMAGES_A_CLASS = 2
MIN_CLASSES = 2
#: The largest class has so many times the images of the smallest.
IMBALANCE = 10
_MORE = "Upload and label more images, then start again."


@dataclass(frozen=True, slots=True)
class Reason:
    """A code for programs, a sentence for people, and what to do about it."""

    code: str
    message: str
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Readiness:
    """`problems` are those that start refuses for, the first of them first; `warnings` hinder nothing."""

    problems: list[Reason] = field(default_factory=list)
    warnings: list[Reason] = field(default_factory=list)

    @property
    def ready(self) -> bool:
        return not self.problems


def judge(
    task_type: TaskType, images: int, labelled: int, classes: Mapping[str, int], splits: Mapping[str, int]
) -> Readiness:
    """Judges a data set by its counts.

    Args:
        task_type: the project's.
        images: accepted images.
        labelled: those among them that have a label.
        classes: labelled images a class.
        splits: labelled images a split that was given: `train`, `val`, `test`.
    """
    judgements = (unsupported(task_type), _classes(classes), _splits(labelled, splits))
    problems = [each for each in judgements if each is not None]
    return Readiness(problems, _warnings(images, labelled, classes))


def unsupported(task_type: TaskType) -> Reason | None:
    """The problem that no data can mend: it is known before any is read."""
    if task_type == "classification":
        return None
    return Reason("task-not-supported", "this version trains classification projects only")


def _classes(classes: Mapping[str, int]) -> Reason | None:
    if len(classes) > MAX_CLASSES:
        return Reason(
            "too-many-classes",
            f"the labels name {len(classes)} classes; up to {MAX_CLASSES} can be trained",
            "Check that the labels are classes, not names of single images.",
        )
    if sum(count >= MIN_IMAGES_A_CLASS for count in classes.values()) >= MIN_CLASSES:
        return None
    message = f"training needs {MIN_CLASSES} or more classes of {MIN_IMAGES_A_CLASS} labelled images each"
    return Reason("not-trainable", message, _MORE)


def _splits(labelled: int, splits: Mapping[str, int]) -> Reason | None:
    """No image changes its split: a run divides only those that have none, and only where none is `val`."""
    free = labelled - sum(splits.values())
    if labelled and not free and not splits.get("train"):
        return Reason(
            "no-training-images",
            "every labelled image is in the split val or test: none is left to train on",
            "Give some images the split train, or take theirs away.",
        )
    if labelled and not free and not splits.get("val"):
        return Reason(
            "no-validation-images",
            "every labelled image has a split, and none is val: none is left to validate with",
            "Give some images the split val, or take theirs away.",
        )
    return None


def _warnings(images: int, labelled: int, classes: Mapping[str, int]) -> list[Reason]:
    found = []
    if labelled < images:
        found.append(Reason("unlabelled-images", f"{images - labelled} of {images} images have no label"))
    if single := sorted(name for name, count in classes.items() if count == 1):
        message = f"classes with a single image can't be validated: {', '.join(single[:10])}"
        found.append(Reason("single-image-classes", message))
    if classes and max(classes.values()) >= IMBALANCE * min(classes.values()):
        message = "the largest class has ten times the images of the smallest: try classWeights balanced"
        found.append(Reason("imbalanced-classes", message))
    return found
