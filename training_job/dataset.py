"""From manifest entries to tensors: parallel download, one decode an image, a cache of bytes.

The cache is uint8 of shape (N, side, side, 3): what the loader slices, in the order in which
channels_last convolutions read it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from threading import BoundedSemaphore
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from chalicelib.contract.manifest import Entry
from chalicelib.contract.results import DataWarning

from .cache import allocate
from .checks import data_warnings, unreadable_images
from .config import available_cores
from .group import Group
from .manifest import class_of
from .memory import memory_errors
from .pictures import UnreadableImageError, decode, verified
from .split import Split
from .task import CacheFigures, Progress
from .together import failing_together
from .window import run_in_window


class ImageSource(Protocol):
    """Where the bytes of images come from; asked by many threads."""

    def get(self, image_id: str) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Dataset:
    """Images of one size and their class indices.

    Attributes:
        images: uint8 (N, side, side, 3), RGB.
        labels: int64 (N).
    """

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True)
class Images:
    """The images that could be decoded, in the order in which they were asked for.

    Attributes:
        pixels: uint8 (N, side, side, 3), RGB.
        entries: N.
    """

    pixels: Tensor
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Loaded:
    """All images of a run: `parts` as they were asked for, less those that are no images."""

    parts: list[Images]
    unreadable: list[Entry]
    cache: CacheFigures


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an image goes: a row of its part."""

    entry: Entry
    rows: NDArray[np.uint8]  # (N, side, side, 3)
    row: int


@memory_errors()
def load_images(
    images: ImageSource,
    parts: Sequence[tuple[Sequence[Entry], int]],
    on_progress: Progress,
    *,
    cache_gigabytes: float,
    group: Group | None = None,
) -> Loaded:
    """Downloads and decodes all images once; the processes of a machine divide the work.

    Args:
        parts: entries, and the side of the squares that they are stretched to; as train, val, test.
        on_progress: called in this thread, with the share that is done.

    Raises:
        TrainingError: `missing-object`, `changed-object`, `disk-full`, `access-denied`.
        UnavailableError: S3 gave no answer.
        Exception: what `on_progress` raises, at once.
    """
    group = group or Group.alone()
    shapes = [(len(entries), side, side, 3) for entries, side in parts]
    cache = allocate(sum(map(prod, shapes)), gigabytes=cache_gigabytes, group=group)
    arrays = _parted(cache.content, shapes)
    places = [
        _Place(entry, rows, row)
        for (entries, _), rows in zip(parts, arrays, strict=True)
        for row, entry in enumerate(entries)
    ]
    with failing_together(group):
        lost = _fill(images, places, on_progress, group)
    lost = set(group.gather(torch.tensor(sorted(lost), dtype=torch.int64)).tolist())
    if group.local_rank == 0:
        _close_gaps(places, lost)
    group.wait()
    gone = {id(places[each].entry) for each in lost}
    kept = [tuple(each for each in entries if id(each) not in gone) for entries, _ in parts]
    return Loaded(
        [Images(torch.from_numpy(rows[: len(left)]), left) for rows, left in zip(arrays, kept, strict=True)],
        [places[each].entry for each in sorted(lost)],
        cache.figures,
    )


def _parted(content: NDArray[np.uint8], shapes: Sequence[tuple[int, ...]]) -> list[NDArray[np.uint8]]:
    stops = np.cumsum([prod(shape) for shape in shapes])
    return [
        content[stop - prod(shape) : stop].reshape(shape) for shape, stop in zip(shapes, stops, strict=True)
    ]


def _fill(images: ImageSource, places: Sequence[_Place], on_progress: Progress, group: Group) -> set[int]:
    """This process's share of the images; gives the numbers of those that can't be decoded."""
    numbers = range(len(places))[group.local_rows(len(places))]
    # More decoders than cores would only hold more pixels at once.
    decoders = BoundedSemaphore(max(1, available_cores() // group.local_size))
    lost: set[int] = set()

    def load(index: int) -> None:
        place = places[numbers[index]]
        body = verified(images.get(place.entry.image_id), place.entry)
        try:
            with decoders:
                place.rows[place.row] = decode(body, place.rows.shape[1])
        except UnreadableImageError:
            lost.add(numbers[index])

    sizes = [places[each].entry.size_bytes for each in numbers]
    run_in_window(load, sizes, lambda done: on_progress(done / len(sizes)))
    return lost


def _close_gaps(places: Sequence[_Place], lost: set[int]) -> None:
    """Moves the rows behind a lost image forward, so that the ones that are there lie side by side."""
    missing: dict[int, int] = {}
    for number, place in enumerate(places if lost else ()):
        gap = missing.setdefault(id(place.rows), 0)
        if number in lost:
            missing[id(place.rows)] += 1
        elif gap:
            place.rows[place.row - gap] = place.rows[place.row]


@dataclass(frozen=True, slots=True)
class Splits:
    """The data of a classifier; `split` is what is left of it, and the warnings say what was found."""

    train: Dataset
    val: Dataset
    test: Dataset
    split: Split
    cache: CacheFigures
    warnings: list[DataWarning]


def load_splits(
    images: ImageSource,
    split: Split,
    class_names: Sequence[str],
    sides: tuple[int, int],
    on_progress: Progress,
    *,
    cache_gigabytes: float,
    group: Group | None = None,
) -> Splits:
    """The training, the validation and the test split, each image with its class; see `load_images`.

    Args:
        sides: of the images to train on, and of those to evaluate with.
    """
    parts = (split.train, sides[0]), (split.val, sides[1]), (split.test, sides[1])
    loaded = load_images(images, parts, on_progress, cache_gigabytes=cache_gigabytes, group=group)
    numbers = {name: number for number, name in enumerate(class_names)}
    train, val, test = (
        Dataset(
            part.pixels, torch.tensor([numbers[class_of(each)] for each in part.entries], dtype=torch.int64)
        )
        for part in loaded.parts
    )
    left = split.without(loaded.unreadable)
    warnings = [*unreadable_images(loaded.unreadable), *data_warnings(left)]
    return Splits(train, val, test, left, loaded.cache, warnings)
