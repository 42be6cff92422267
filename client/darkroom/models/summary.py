"""Counts of a project's data, and whether it can be trained on."""

from .decoding import model


@model("ReadinessReason")
class ReadinessReason:
    code: str
    message: str
    hint: str | None = None


@model("ReadinessAnswer")
class Readiness:
    ready: bool
    problems: list[ReadinessReason]
    warnings: list[ReadinessReason]


@model("NearDuplicatesAnswer")
class NearDuplicates:
    images: int
    groups: int
    examples: list[list[str]]


@model("RangeAnswer")
class Range:
    min: int | None
    max: int | None


@model("SizesAnswer")
class Sizes:
    """In pixels."""

    width: Range
    height: Range


@model("SplitCounts")
class SplitCounts:
    train: int
    val: int
    test: int
    none: int


@model("SummaryAnswer")
class Summary:
    """`classes` counts labelled images a class, `objects` boxes."""

    images: int
    labelled: int
    unlabelled: int
    negatives: int
    duplicates: int
    near_duplicates: NearDuplicates
    rejected: int
    size_bytes: int
    classes: dict[str, int]
    objects: dict[str, int] | None = None
    imbalance: float | None
    splits: SplitCounts
    sizes: Sizes
    warnings: list[str]
    readiness: Readiness
