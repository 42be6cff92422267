"""What changed between two manifests: two sorted streams side by side, in memory that doesn't grow."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from ..contract.manifest import Entry

#: As many changes as one answer names, and boxes in them, to fit into 6 MB; all changes are counted.
MAX_CHANGES, MAX_BOXES = 1000, 20_000
#: `moved` is to another split, with the label that it had.
ChangeKind = Literal["added", "removed", "relabelled", "moved", "unchanged"]


@dataclass(frozen=True, slots=True)
class Change:
    """An image that differs; None where it isn't there."""

    kind: ChangeKind
    before: Entry | None
    after: Entry | None

    @property
    def boxes(self) -> int:
        """How many boxes an answer that names it has to carry."""
        labels = [each.label for each in (self.before, self.after) if each is not None]
        return sum(len(label) for label in labels if not isinstance(label, str))


@dataclass(frozen=True, slots=True)
class Comparison:
    counts: Counter[ChangeKind]
    changes: list[Change]  # the first, by image id

    @property
    def omitted(self) -> int:
        """How many changes are counted but not named."""
        return self.counts.total() - self.counts["unchanged"] - len(self.changes)


def compare(before: Iterable[Entry], after: Iterable[Entry]) -> Comparison:
    """Compares two manifests, both sorted by image id."""
    found, boxes_left = Comparison(Counter(), []), MAX_BOXES
    for change in _changes(iter(before), iter(after)):
        found.counts[change.kind] += 1
        if change.kind == "unchanged":
            continue
        boxes_left -= change.boxes
        if len(found.changes) < MAX_CHANGES and boxes_left >= 0:
            found.changes.append(change)
    return found


def _changes(before: Iterator[Entry], after: Iterator[Entry]) -> Iterator[Change]:
    old, new = next(before, None), next(after, None)
    while old or new:
        if new is None or (old and old.image_id < new.image_id):
            yield Change("removed", old, None)
            old = next(before, None)
        elif old is None or new.image_id < old.image_id:
            yield Change("added", None, new)
            new = next(after, None)
        else:
            yield Change(_kind(old, new), old, new)
            old, new = next(before, None), next(after, None)


def _kind(old: Entry, new: Entry) -> ChangeKind:
    if old.label != new.label:
        return "relabelled"
    return "unchanged" if old.split == new.split else "moved"
