"""How far apart the hashes of copies of a photograph are, and those of different photographs.

python -m bench.likeness FOLDER…   every JPEG and PNG below the folders; a table, and last a line of JSON
"""

import json
import sys
from collections.abc import Callable, Iterator
from io import BytesIO
from itertools import combinations
from pathlib import Path
from statistics import median

from PIL import Image, ImageOps

from chalicelib.adapters.likeness import perceptual_hash
from chalicelib.adapters.pictures import THUMBNAIL_SIDE
from chalicelib.contract.likeness import MAX_DISTANCE


def _as_jpeg(image: Image.Image, quality: int) -> Image.Image:
    target = BytesIO()
    image.save(target, "JPEG", quality=quality)
    return Image.open(target).convert("RGB")


def _scaled(image: Image.Image, factor: float) -> Image.Image:
    return image.resize((max(1, round(image.width * factor)), max(1, round(image.height * factor))))


def _cropped(image: Image.Image, share: float) -> Image.Image:
    x, y = round(image.width * share), round(image.height * share)
    return image.crop((x, y, image.width - x, image.height - y))


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "JPEG, quality 75": lambda image: _as_jpeg(image, 75),
    "JPEG, quality 30": lambda image: _as_jpeg(image, 30),
    "0.7 of the size": lambda image: _scaled(image, 0.7),
    "half the size": lambda image: _scaled(image, 0.5),
    "in grey": lambda image: image.convert("L").convert("RGB"),
    "10 % brighter": lambda image: image.point(lambda value: min(255, value * 1.1)),
    "1 % cut off each side": lambda image: _cropped(image, 0.01),
    "2.5 % cut off each side": lambda image: _cropped(image, 0.025),
    "5 % cut off each side": lambda image: _cropped(image, 0.05),
}


def _photographs(folders: list[str]) -> Iterator[Image.Image]:
    for folder in folders:
        for path in sorted(Path(folder).rglob("*")):
            if path.suffix.lower() in (".jpg", ".jpeg", ".png"):
                with Image.open(path) as image:
                    yield ImageOps.exif_transpose(image).convert("RGB")


def _hash(image: Image.Image) -> int:
    small = image.copy()
    small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    return int(perceptual_hash(small), 16)


def main(folders: list[str]) -> None:
    copies: dict[str, list[int]] = {name: [] for name in COPIES}
    originals = []
    for image in _photographs(folders):
        originals.append(_hash(image))
        for name, copy in COPIES.items():
            copies[name].append((originals[-1] ^ _hash(copy(image))).bit_count())
    different = [(one ^ other).bit_count() for one, other in combinations(originals, 2)]
    print(f"{'bits that differ, of 128':30} median  95 %   max  up to {MAX_DISTANCE}")
    for name, found in [*copies.items(), ("different photographs", different)]:
        ranked = sorted(found)
        near = sum(each <= MAX_DISTANCE for each in found) / len(found)
        last = ranked[int(len(ranked) * 0.95)]
        print(f"{name:30} {median(ranked):6} {last:5} {ranked[-1]:5} {near:8.2%}")
    figures = {
        "photographs": len(originals),
        "differentPairs": len(different),
        "nearestDifferent": min(different),
        "copiesFound": {
            name: round(sum(each <= MAX_DISTANCE for each in found) / len(found), 4)
            for name, found in copies.items()
        },
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main(sys.argv[1:])
