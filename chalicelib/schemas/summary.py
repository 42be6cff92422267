"""What a project has."""

from typing import Self

from ..services import readiness, summary
from ..services.likeness import NearDuplicates
from .base import Answer, omitted


class ReadinessReason(Answer):
    """A code for programs, a sentence for people, and what to do about it."""

    code: str
    message: str
    hint: str | None = omitted()

    @classmethod
    def of(cls, reason: readiness.Reason) -> Self:
        return cls(code=reason.code, message=reason.message, hint=reason.hint)


class ReadinessAnswer(Answer):
    """Whether start would begin: `problems` are the reasons for which it wouldn't."""

    ready: bool
    problems: list[ReadinessReason]
    warnings: list[ReadinessReason]

    @classmethod
    def of(cls, found: readiness.Readiness) -> Self:
        return cls(
            ready=found.ready,
            problems=[ReadinessReason.of(each) for each in found.problems],
            warnings=[ReadinessReason.of(each) for each in found.warnings],
        )


class NearDuplicatesAnswer(Answer):
    """Images that look alike; `examples` are ids from the ten largest groups, up to ten of each."""

    images: int
    groups: int
    examples: list[list[str]]

    @classmethod
    def of(cls, found: NearDuplicates) -> Self:
        return cls(images=found.images, groups=found.groups, examples=found.examples)


class RangeAnswer(Answer):
    min: int | None
    max: int | None

    @classmethod
    def of(cls, found: summary.Range) -> Self:
        return cls(min=found.min, max=found.max)


class SizesAnswer(Answer):
    """Of the accepted images, in pixels."""

    width: RangeAnswer
    height: RangeAnswer


class SplitCounts(Answer):
    """Images a split; `none` are divided by each run."""

    train: int
    val: int
    test: int
    none: int


class SummaryAnswer(Answer):
    """Counts of a project's data; `classes` counts labelled images a class, `objects` boxes."""

    images: int
    labelled: int
    unlabelled: int
    negatives: int
    duplicates: int
    near_duplicates: NearDuplicatesAnswer
    rejected: int
    size_bytes: int
    classes: dict[str, int]
    objects: dict[str, int] | None = omitted()
    imbalance: float | None
    splits: SplitCounts
    sizes: SizesAnswer
    warnings: list[str]
    readiness: ReadinessAnswer

    @classmethod
    def of(cls, found: summary.Summary) -> Self:
        tally = found.tally
        return cls(
            images=tally.images,
            labelled=tally.labelled,
            unlabelled=tally.images - tally.labelled,
            negatives=tally.negatives,
            duplicates=tally.duplicates,
            near_duplicates=NearDuplicatesAnswer.of(found.near_duplicates),
            rejected=tally.rejected,
            size_bytes=tally.size_bytes,
            classes=dict(sorted(tally.classes.items())),
            objects=dict(sorted(tally.objects.items())) or None,
            imbalance=found.imbalance,
            splits=SplitCounts(**{name: tally.splits[name] for name in SplitCounts.model_fields}),
            sizes=SizesAnswer(width=RangeAnswer.of(tally.width), height=RangeAnswer.of(tally.height)),
            warnings=[each.message for each in found.readiness.warnings],
            readiness=ReadinessAnswer.of(found.readiness),
        )
