"""The stratified, seeded validation split."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from .manifest import Entry


@dataclass(frozen=True, slots=True)
class Split:
    """Each entry is in exactly one of the two; both are sorted by image id."""

    train: tuple[Entry, ...]
    val: tuple[Entry, ...]


def stratified_split(entries: Iterable[Entry], *, share: float, seed: int) -> Split:
    """Keeps `share` of each class for validation, at least one image of each class that has two.

    An image's place depends on the seed and its bytes alone, by a hash: the same data is split alike
    in whatever project it is uploaded to, and adding images moves few of the others.
    """
    classes: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        classes[entry.label].append(entry)
    val: list[Entry] = []
    for members in classes.values():
        members.sort(key=lambda entry: _rank(seed, entry.sha256 or entry.image_id))
        val += members[: _val_count(len(members), share)]
    kept = {entry.image_id for entry in val}
    train = [entry for members in classes.values() for entry in members if entry.image_id not in kept]
    return Split(_by_id(train), _by_id(val))


def _val_count(count: int, share: float) -> int:
    return min(max(1, round(count * share)), count - 1)


def _rank(seed: int, identity: str) -> bytes:
    return hashlib.sha256(f"{seed}:{identity}".encode()).digest()


def _by_id(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    return tuple(sorted(entries, key=lambda entry: entry.image_id))


def split_warnings(entries: Iterable[Entry]) -> list[str]:
    """What a user should know about classes with few images."""
    counts: dict[str, int] = defaultdict(int)
    for entry in entries:
        counts[entry.label] += 1
    single = sorted(name for name, count in counts.items() if count == 1)
    few = sorted(name for name, count in counts.items() if 2 <= count < 10)
    warnings = []
    if single:
        warnings.append(f"Not validated, as they have one image only: {', '.join(single)}.")
    if few:
        warnings.append(f"Fewer than ten images, so their figures are rough: {', '.join(few)}.")
    return warnings
