"""The three splits of a run: those that images were given, and a seeded, stratified one for the rest.

`train`, `val` and `test` that were given are kept to, whatever else there is. Images without a split
are trained on where others are `val`; where none is, a share of each class among them validates.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from chalicelib.contract.errors import TrainingError
from chalicelib.contract.manifest import Entry
from chalicelib.contract.results import DataWarning

from .manifest import class_of


@dataclass(frozen=True, slots=True)
class Split:
    """Each entry is in exactly one of the three; all are sorted by the images' bytes.

    So the same data trains alike, image by image, in whatever order it was uploaded.
    """

    train: tuple[Entry, ...]
    val: tuple[Entry, ...]
    test: tuple[Entry, ...] = ()

    def check(self) -> None:
        """Whether there is something to learn and something to validate with.

        Raises:
            TrainingError: `no-trainable-data`.
        """
        classes = {class_of(entry) for entry in self.train}
        if not classes:
            raise _untrainable("No image with a label is left to train on. Upload images and label them")
        if len(classes) < 2:
            raise _untrainable(
                f"All images to train on are of one class, {classes.pop()!r}. Add a second one"
            )
        if not self.val:
            raise _untrainable("No image is left to validate with. Add images: a class needs at least two")


def _untrainable(detail: str) -> TrainingError:
    return TrainingError(f"{detail}, then start again.", code="no-trainable-data")


def split_of(entries: Iterable[Entry], *, share: float, seed: int) -> Split:
    """Divides a data set by the rule above.

    Args:
        entries: each of a class.
        share: of each class's images without a split, for validation where none was given.
        seed: of that division.
    """
    given: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        given[entry.split or ""].append(entry)
    train, val, test, free = (given[name] for name in ("train", "val", "test", ""))
    if val:
        return Split(_sorted([*train, *free]), _sorted(val), _sorted(test))
    drawn = stratified_split(free, share=share, seed=seed, trained=[class_of(entry) for entry in train])
    return Split(_sorted([*train, *drawn.train]), drawn.val, _sorted(test))


def stratified_split(
    entries: Iterable[Entry], *, share: float, seed: int, trained: Iterable[str] = ()
) -> Split:
    """Keeps `share` of each class for validation, at least one image of each class that has two.

    An image's place depends on the seed and its bytes alone, by a hash: the same data is split alike
    in whatever project it is uploaded to, and adding images moves few of the others.

    Args:
        entries: each of a class.
        share: above 0, up to a half.
        seed: another one gives another division.
        trained: classes that have other images to train on, so that even a single one may validate.
    """
    classes: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        classes[class_of(entry)].append(entry)
    elsewhere = set(trained)
    val: list[Entry] = []
    for name, members in classes.items():
        members.sort(key=lambda entry: _rank(seed, entry.sha256 or entry.image_id))
        val += members[: _val_count(len(members), share, spare=0 if name in elsewhere else 1)]
    kept = {entry.image_id for entry in val}
    train = [entry for members in classes.values() for entry in members if entry.image_id not in kept]
    return Split(_sorted(train), _sorted(val))


def _val_count(count: int, share: float, spare: int) -> int:
    return min(max(1, round(count * share)), count - spare)


def _rank(seed: int, identity: str) -> bytes:
    return hashlib.sha256(f"{seed}:{identity}".encode()).digest()


def _sorted(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    return tuple(sorted(entries, key=lambda entry: (entry.sha256, entry.image_id)))


def split_warnings(split: Split) -> list[DataWarning]:
    """What a user should know about classes with few images, or none on one side."""
    train, val = (Counter(map(class_of, part)) for part in (split.train, split.val))
    test = Counter(map(class_of, split.test))
    named = {
        ("classes-not-trained", "all their images are kept for validation or test"): (val | test).keys()
        - train.keys(),
        ("classes-not-validated", "they have no image for it"): train.keys() - val.keys(),
        ("small-classes", "they have fewer than ten images, so their figures are rough"): {
            name for name, count in (train + val).items() if count < 10 and name in train and name in val
        },
    }
    return [
        DataWarning(
            code=code,
            message=f"{len(names)} classes: {words}.",
            count=len(names),
            examples=sorted(names)[:10],
        )
        for (code, words), names in named.items()
        if names
    ]
