"""Images to train on: made here, alike on every machine, or taken from a folder.

Each is a field of noise, much as a photograph is one to a JPEG decoder (about 2 bits a pixel), over
part of which one of five patterns lies in warm or in cool colours. Pattern and colour are its class;
a mirror image has the same.
"""

import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

Field = NDArray[np.float64]
_QUALITY = 90
_SPLITS = ("train", "val")


@dataclass(frozen=True, kw_only=True, slots=True)
class Pictures:
    """How many, of what size in pixels; the ten classes have equally many."""

    train: int
    val: int
    height: int
    width: int

    @property
    def name(self) -> str:
        return f"{self.train}+{self.val}-{self.height}x{self.width}"


_PATTERNS: dict[str, Callable[[Field, Field, Generator], Field]] = {
    "rows": lambda u, v, _: np.sin(v) + 0 * u,
    "columns": lambda u, v, _: np.sin(u) + 0 * v,
    "slanted": lambda u, v, generator: np.sin((u + generator.choice((-1, 1)) * v) / 2**0.5),
    "checks": lambda u, v, _: np.sin(u) * np.sin(v),
    "rings": lambda u, v, _: np.sin(np.hypot(u - u.mean(), v - v.mean())),
}
_TINTS = {"warm": (1.0, 0.55, 0.1), "cool": (0.1, 0.55, 1.0)}
CLASSES = [f"{pattern}-{tint}" for pattern in _PATTERNS for tint in _TINTS]


def make(pictures: Pictures, folder: Path) -> Path:
    """Writes them below `folder`, unless they are there; gives the folder of `train` and `val`."""
    return _once(folder / pictures.name, lambda new: _write(pictures, new))


def take(source: Path, pictures: Pictures, folder: Path) -> Path:
    """The same of the images in `source`, one folder a class: drawn by chance, but always the same."""
    name = f"{source.resolve().name}-{pictures.train}+{pictures.val}"
    return _once(folder / name, lambda new: _copy(source, pictures, new))


def _once(folder: Path, write: Callable[[Path], None]) -> Path:
    if not folder.exists():
        new = folder.with_name(folder.name + ".partial")
        shutil.rmtree(new, ignore_errors=True)
        write(new)
        new.replace(folder)
    return folder


def _write(pictures: Pictures, folder: Path) -> None:
    for split, count in zip(_SPLITS, (pictures.train, pictures.val), strict=True):
        for index in range(count):
            name = CLASSES[index % len(CLASSES)]
            path = folder / split / name / f"{index:05d}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            generator = np.random.default_rng([_SPLITS.index(split), index])
            Image.fromarray(picture(name, pictures.height, pictures.width, generator)).save(
                path, quality=_QUALITY
            )


def picture(name: str, height: int, width: int, generator: Generator) -> NDArray[np.uint8]:
    """One image of a class: uint8 (height, width, 3)."""
    pattern, tint = name.split("-")
    v, u = np.mgrid[:height, :width] / height
    scale = 2 * np.pi * generator.uniform(4, 7)
    wave = _PATTERNS[pattern](scale * u, scale * v + generator.uniform(0, 6), generator)
    colour = np.array(_TINTS[tint]) + generator.normal(0, 0.15, 3)
    centre = generator.uniform(0.3, 0.7, 2) * (1, width / height)
    radius = np.hypot(v - centre[0], u - centre[1]) / generator.uniform(0.35, 0.6)
    mask = np.clip(4 * (1 - radius), 0, 1)[..., None]
    out = 118 + 45 * _noise(height, width, generator) + 60 * mask * wave[..., None] * colour
    grain = generator.normal(0, 1, out.shape)
    return np.clip(out + grain, 0, 255).astype(np.uint8)


def _noise(height: int, width: int, generator: Generator) -> Field:
    """Of amplitude f ** -1.5; most of it is common to the three colours. Its deviation is 1."""
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    frequency[0, 0] = np.inf  # no mean
    white = generator.normal(size=(height, width, 3)) + 4 * generator.normal(size=(height, width, 1))
    pink: Field = np.fft.irfft2(
        np.fft.rfft2(white, axes=(0, 1)) / frequency[..., None] ** 1.5, (height, width), axes=(0, 1)
    )
    return pink / pink.std()


def _copy(source: Path, pictures: Pictures, folder: Path) -> None:
    for split, path in _drawn(source, pictures):
        target = folder / split / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


def _drawn(source: Path, pictures: Pictures) -> Iterator[tuple[str, Path]]:
    classes = sorted(each for each in source.iterdir() if each.is_dir())
    share = pictures.train / (pictures.train + pictures.val)
    most = (pictures.train + pictures.val) // len(classes)
    for each in classes:
        paths = sorted(each.iterdir())
        random.Random(0).shuffle(paths)
        chosen = paths[:most]
        border = round(share * len(chosen))
        yield from (("train" if index < border else "val", path) for index, path in enumerate(chosen))
