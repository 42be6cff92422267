"""What the readers of the formats find, and what they find wrong."""

import math
from dataclasses import dataclass

from chalicelib.contract.records import Box, SplitName

#: Pixels by which a box may stand out of its image and is cut off: what rounding adds to a good box.
OVERHANG = 1.0


@dataclass(frozen=True, slots=True)
class Where:
    """A place in an archive."""

    file: str
    line: int | None = None  # from 1
    key: str | None = None  # of JSON, YAML and XML, such as annotations[17].bbox


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that isn't imported; the rest is."""

    where: Where
    code: str  # kebab-case
    message: str  # a sentence that says what to do


@dataclass(frozen=True, slots=True)
class FoundBox:
    label: str
    box: tuple[float, float, float, float]  # left, top, width, height; the sides more than 0
    relative: bool = False  # in fractions of the image's sides, not in pixels

    def in_pixels(self, width: int, height: int) -> Box:
        """The box in pixels of an image of that size, less what rounding made stand out of it.

        One that stands out further is returned as it is: the check of labels refuses it.
        """
        across, down = (width, height) if self.relative else (1, 1)
        left, top, wide, high = self.box
        if self.relative:
            left, wide = _rounded(left * across), _rounded(wide * across)
            top, high = _rounded(top * down), _rounded(high * down)
        left, wide = _within(left, wide, width)
        top, high = _within(top, high, height)
        return [left, top, wide, high]


@dataclass(frozen=True, slots=True)
class Found:
    """What an archive says of one image. The same image may be found more than once."""

    name: str  # the file name by which the project keeps it
    path: str | None  # in the archive; None: the label is for an image that the project has
    label: str | None  # the class of the whole image
    boxes: tuple[FoundBox, ...] | None  # () is an image without objects; None says nothing of objects
    split: SplitName | None
    where: Where


def _rounded(pixels: float) -> float:
    """To a hundredth: fractions are written with six digits, which makes 81 of 80.99975 again."""
    return round(pixels, 2) or pixels


def _within(start: float, length: float, side: int) -> tuple[float, float]:
    end = start + length
    if start < -OVERHANG or end > side + OVERHANG or end <= 0 or start >= side:
        return start, length
    start, end = max(start, 0.0), min(end, float(side))
    length = min(length, end - start)
    while start + length > side:  # by the last bit
        length = math.nextafter(length, 0)
    return start, length
