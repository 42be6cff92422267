"""Dataset versions, and what changed between two of them."""

from typing import Annotated, Any, Self

from pydantic import Field

from ..contract.datasets import DatasetVersion
from ..contract.manifest import Entry
from ..contract.records import LabelValue, SplitName
from ..services.comparison import Change, ChangeKind, Comparison
from . import patterns
from .base import Answer, Request


class VersionCreate(Request):
    """A name that no other version of the project has, in whatever case.

    It has no space at its ends, and no control character.
    """

    name: Annotated[str, Field(min_length=1, max_length=100, pattern=patterns.TRIMMED)]
    description: Annotated[str | None, Field(max_length=2000)] = None


class VersionAnswer(Answer):
    """A state of the labelled images that never changes. `name` is null where a run made it for itself."""

    version_id: str
    name: str | None
    description: str | None
    dataset_hash: str
    images: int
    splits: Annotated[dict[str, int], Field(description="Images a split that was given.")]
    size_bytes: int
    created_at: str

    @classmethod
    def of(cls, version: DatasetVersion) -> Self:
        return cls(**_members(version))


class VersionDetailsAnswer(VersionAnswer):
    """Also its classes, and where its manifest can be fetched for an hour: JSON lines, one an image, gzipped.

    `datasetHash` is the SHA-256 of the lines: `gunzip --stdout manifest.jsonl.gz | sha256sum`.
    """

    # Not in the list: a hundred versions of a thousand classes are more than an answer can carry.
    classes: Annotated[dict[str, int], Field(description="Images a class.")]
    manifest_url: str

    @classmethod
    def of_signed(cls, version: DatasetVersion, manifest_url: str) -> Self:
        return cls(**_members(version), classes=dict(version.classes), manifest_url=manifest_url)


def _members(version: DatasetVersion) -> dict[str, Any]:
    return {name: getattr(version, name) for name in VersionAnswer.model_fields}


class ComparedImage(Answer):
    label: LabelValue
    split: SplitName | None


class ChangeAnswer(Answer):
    """An image that differs; `before` and `after` are null where it isn't there."""

    image_id: str
    file_name: str
    change: ChangeKind
    before: ComparedImage | None
    after: ComparedImage | None

    @classmethod
    def of(cls, change: Change) -> Self:
        [image, *_] = filter(None, (change.after, change.before))
        return cls(
            image_id=image.image_id,
            file_name=image.file_name,
            change=change.kind,
            before=_compared(change.before),
            after=_compared(change.after),
        )


def _compared(entry: Entry | None) -> ComparedImage | None:
    return ComparedImage(label=entry.label, split=entry.split) if entry else None


class ComparisonAnswer(Answer):
    """Counts of images, and the first that differ, up to 1,000; `omitted` is how many more there are.

    A moved image has another split and the label that it had.
    """

    added: int
    removed: int
    relabelled: int
    moved: int
    unchanged: int
    items: list[ChangeAnswer]
    omitted: int

    @classmethod
    def of(cls, comparison: Comparison) -> Self:
        counts = comparison.counts
        return cls(
            added=counts["added"],
            removed=counts["removed"],
            relabelled=counts["relabelled"],
            moved=counts["moved"],
            unchanged=counts["unchanged"],
            items=[ChangeAnswer.of(each) for each in comparison.changes],
            omitted=comparison.omitted,
        )
