"""The three splits of a run: those that images were given, and a seeded, stratified one for the rest.

`train`, `val` and `test` that were given are kept to, whatever else there is. Images without a split
are trained on where others are `val`; where none is, a share of each class among them validates.
Images that look alike stay on one side: a copy of what was trained on would validate too well.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass

from chalicelib.contract.errors import TrainingError
from chalicelib.contract.manifest import Entry

from .alike import Groups, groups_of


@dataclass(frozen=True, slots=True)
class Split:
    """Each entry is in exactly one of the three; all are sorted by the images' bytes.

    So the same data trains alike, image by image, in whatever order it was uploaded.

    Attributes:
        alike: the groups of two or more images that look alike.
    """

    train: tuple[Entry, ...]
    val: tuple[Entry, ...]
    test: tuple[Entry, ...] = ()
    alike: Groups = ()

    def check(self, min_classes: int = 2) -> None:
        """Whether there is something to learn and something to validate with.

        Args:
            min_classes: two for a classifier; a detector tells one from the background.

        Raises:
            TrainingError: `no-trainable-data`.
        """
        classes = {name for entry in self.train for name in entry.classes}
        if not classes:
            raise _untrainable("No image with a label is left to train on. Upload images and label them")
        if len(classes) < min_classes:
            raise _untrainable(
                f"All images to train on are of one class, {classes.pop()!r}. Add a second one"
            )
        if not any(entry.classes for entry in self.val):
            raise _untrainable(
                "No image is left to validate with. Add images: a class needs two that don't look alike"
            )

    def without(self, lost: Iterable[Entry]) -> "Split":
        """What is left when some entries are taken out."""
        gone = {entry.image_id for entry in lost}
        if not gone:
            return self
        train, val, test = (_kept(each, gone) for each in (self.train, self.val, self.test))
        alike = (_kept(group, gone) for group in self.alike)
        return Split(train, val, test, tuple(group for group in alike if len(group) > 1))


def _kept(entries: Iterable[Entry], gone: set[str]) -> tuple[Entry, ...]:
    return tuple(each for each in entries if each.image_id not in gone)


def _untrainable(detail: str) -> TrainingError:
    return TrainingError(f"{detail}, then start again.", code="no-trainable-data")


def split_of(entries: Iterable[Entry], *, share: float, seed: int) -> Split:
    """Divides a data set by the rule above.

    An image without a split that looks like one that has a split goes with it.

    Args:
        share: of each class's images without a split, for validation where none was given.
        seed: of that division.
    """
    groups, alike = groups_of(entries)
    given: dict[str, list[Entry]] = defaultdict(list)
    free: list[tuple[Entry, ...]] = []
    for group in groups:
        named = {each.split for each in group}
        # Where a group has several splits already, one more image to train on gives nothing away.
        home = next((name for name in ("train", "val", "test") if name in named), None)
        for each in group if home else ():
            given[each.split or home or ""].append(each)
        if home is None:
            free.append(group)
    if any(each.split == "val" for each in given["val"]):
        given["train"] += [each for group in free for each in group]
    else:
        drawn = _draw(free, share, seed, {name for each in given["train"] for name in each.classes})
        given["train"] += drawn[0]
        given["val"] += drawn[1]
    train, val, test = (_sorted(given[name]) for name in ("train", "val", "test"))
    return Split(train, val, test, alike)


def _draw(
    groups: Sequence[tuple[Entry, ...]], share: float, seed: int, trained: Set[str]
) -> tuple[list[Entry], list[Entry]]:
    """Keeps `share` of each class for validation, at least one group of each class that has two.

    A group's place depends on the seed and its images' bytes alone, by a hash: the same data is split
    alike in whatever project it is uploaded to, and adding images moves few of the others. A group of
    several classes counts to the rarest.

    Args:
        trained: classes that have other images to train on, so that even a single one may validate.
    """
    rarity = Counter(name for group in groups for entry in group for name in entry.classes)
    strata: dict[str, list[tuple[Entry, ...]]] = defaultdict(list)
    for group in groups:
        names = {name for entry in group for name in entry.classes}
        strata[min(names, key=lambda name: (rarity[name], name), default="")].append(group)
    train: list[Entry] = []
    val: list[Entry] = []
    for name, members in strata.items():
        members.sort(key=lambda group: min(_rank(seed, each.sha256 or each.image_id) for each in group))
        kept = _chosen(members, share, spare=0 if name in trained else 1)
        for number, group in enumerate(members):
            (val if number in kept else train).extend(group)
    return train, val


def _chosen(groups: Sequence[tuple[Entry, ...]], share: float, spare: int) -> set[int]:
    """The numbers of the first groups that fit into the share; else of the smallest, if others are left."""
    count = sum(map(len, groups))
    room = min(max(1, round(count * share)), count - spare)
    chosen = set()
    for number, group in enumerate(groups):
        if len(group) <= room:
            chosen.add(number)
            room -= len(group)
    if not chosen and len(groups) > spare:
        chosen.add(min(range(len(groups)), key=lambda number: len(groups[number])))
    return chosen


def _rank(seed: int, identity: str) -> bytes:
    return hashlib.sha256(f"{seed}:{identity}".encode()).digest()


def _sorted(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    return tuple(sorted(entries, key=lambda entry: (entry.sha256, entry.image_id)))
