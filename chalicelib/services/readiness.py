"""Whether a data set can be trained on, and why not: one judgement for start and for whoever asks before."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..contract.records import TaskType
from ..contract.results import MAX_CLASSES

#: A class with fewer labelled images can't be both trained on and validated.
MIN_IMAGES_A_CLASS = 2
#: A detector tells one class from the background.
MIN_CLASSES: dict[TaskType, int] = {"classification": 2, "detection": 1}
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
    task_type: TaskType,
    images: int,
    labelled: int,
    classes: Mapping[str, int],
    splits: Mapping[str, int],
    learnable: int | None = None,
) -> Readiness:
    """Judges a data set by its counts.

    Args:
        task_type: the project's.
        images: accepted images.
        labelled: those among them that have a label.
        classes: labelled images a class.
        splits: labelled images a split that was given: `train`, `val`, `test`.
        learnable: classes with an image that isn't kept for `val` or `test`; None where nobody counted.
    """
    least = MIN_CLASSES[task_type]
    # Where there aren't so many classes at all, that says it.
    trained = learnable if len(classes) >= least else None
    judgements = (_classes(classes, least), _splits(labelled, splits), _learnable(trained, least))
    problems = [each for each in judgements if each is not None]
    return Readiness(problems, _warnings(task_type, images, labelled, classes))


def _classes(classes: Mapping[str, int], least: int) -> Reason | None:
    if len(classes) > MAX_CLASSES:
        return Reason(
            "too-many-classes",
            f"the labels name {len(classes)} classes; up to {MAX_CLASSES} can be trained",
            "Check that the labels are classes, not names of single images.",
        )
    if sum(count >= MIN_IMAGES_A_CLASS for count in classes.values()) >= least:
        return None
    message = f"training needs {least} or more classes of {MIN_IMAGES_A_CLASS} labelled images each"
    return Reason("not-trainable", message, _MORE)


def _learnable(learnable: int | None, least: int) -> Reason | None:
    if learnable is None or learnable >= least:
        return None
    return Reason(
        "too-few-trained-classes",
        f"training needs {least} or more classes with images to train on, and there are {learnable}: all "
        "images of the others are in the split val or test",
        "Give some of their images the split train, or take theirs away.",
    )


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


def _warnings(task_type: TaskType, images: int, labelled: int, classes: Mapping[str, int]) -> list[Reason]:
    found = []
    if labelled < images:
        found.append(Reason("unlabelled-images", f"{images - labelled} of {images} images have no label"))
    if single := sorted(name for name, count in classes.items() if count == 1):
        message = f"classes with a single image can't be validated: {', '.join(single[:10])}"
        found.append(Reason("single-image-classes", message))
    if classes and max(classes.values()) >= IMBALANCE * min(classes.values()):
        advice = "try classWeights balanced" if task_type == "classification" else "add some of the smallest"
        message = f"the largest class has ten times the images of the smallest: {advice}"
        found.append(Reason("imbalanced-classes", message))
    return found
