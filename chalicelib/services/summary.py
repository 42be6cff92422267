"""What a project has: one pass over images and labels, in memory that hardly grows with them."""

from collections import Counter
from dataclasses import dataclass, field

from ..contract.records import Image, ImageStatus, Label, Project
from .classes import classes_of
from .data_ports import Images, Labels
from .joined import rows
from .likeness import Likeness, NearDuplicates
from .readiness import Readiness, judge


@dataclass(slots=True)
class Range:
    """The smallest and the largest of some numbers."""

    min: int | None = None
    max: int | None = None

    def add(self, value: int) -> None:
        self.min = value if self.min is None else min(self.min, value)
        self.max = value if self.max is None else max(self.max, value)


@dataclass(slots=True)
class Tally:
    """Counts, as the rows come in."""

    states: Counter[str] = field(default_factory=Counter)
    labelled: int = 0
    negatives: int = 0  # detection: labelled, without objects
    size_bytes: int = 0
    classes: Counter[str] = field(default_factory=Counter)  # images
    objects: Counter[str] = field(default_factory=Counter)  # boxes
    splits: Counter[str] = field(default_factory=Counter)
    labelled_splits: Counter[str] = field(default_factory=Counter)
    learnable: set[str] = field(default_factory=set)  # classes with an image that may be trained on
    width: Range = field(default_factory=Range)
    height: Range = field(default_factory=Range)
    likeness: Likeness = field(default_factory=Likeness)

    @property
    def images(self) -> int:
        return self.states[ImageStatus.ACCEPTED]

    @property
    def duplicates(self) -> int:
        return self.states[ImageStatus.DUPLICATE]

    @property
    def rejected(self) -> int:
        return self.states[ImageStatus.REJECTED]

    def add(self, image: Image, label: Label | None) -> None:
        self.states[image.status] += 1
        if image.status != ImageStatus.ACCEPTED:
            return
        self.size_bytes += image.size_bytes or 0
        self.width.add(image.width or 0)
        self.height.add(image.height or 0)
        self.splits[image.split or "none"] += 1
        if image.perceptual_hash:
            self.likeness.add(image.image_id, image.perceptual_hash)
        if label is not None:
            self._add_label(image, label)

    def _add_label(self, image: Image, label: Label) -> None:
        self.labelled += 1
        self.classes.update(classes_of(label.label))
        if image.split:
            self.labelled_splits[image.split] += 1
        if image.split in (None, "train"):
            self.learnable.update(classes_of(label.label))
        if not isinstance(label.label, str):
            self.negatives += not label.label
            self.objects.update(each["label"] for each in label.label)


@dataclass(frozen=True, slots=True)
class Summary:
    tally: Tally
    near_duplicates: NearDuplicates
    readiness: Readiness

    @property
    def imbalance(self) -> float | None:
        """How many times the images of the smallest class the largest has."""
        counts = self.tally.classes.values()
        return max(counts) / min(counts) if counts else None


class Overview:
    def __init__(self, images: Images, labels: Labels) -> None:
        self._images = images
        self._labels = labels

    def summary(self, project: Project) -> Summary:
        """Counts everything; a label counts with an accepted image only."""
        tally = Tally()
        with rows(self._images, self._labels, project.project_id) as pairs:
            for image, label in pairs:
                tally.add(image, label)
        readiness = judge(
            project.task_type,
            tally.images,
            tally.labelled,
            tally.classes,
            tally.labelled_splits,
            len(tally.learnable),
        )
        return Summary(tally, tally.likeness.near_duplicates(), readiness)
