"""A hash by which images that look alike are found: equal, or different in few of its 128 bits.

The difference hash (dHash: Neal Krawetz, "Kind of Like That", 2013,
https://www.hackerfactor.com/blog/index.php?/archives/529-Kind-of-Like-That.html), along rows and
columns: whether the brightness falls from each cell of a coarse grid to the next. Where it falls by a
few grey levels only, noise and compression would decide, so that counts as even.
"""

from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

_CELLS = 8
#: Grey levels, of 255.
_EVEN = 4


def perceptual_hash(image: "Image") -> str:
    """The hash of an upright image of any size, without transparency: 32 hexadecimal digits."""
    from PIL.Image import Resampling

    grey = image.convert("L")
    across = grey.resize((_CELLS + 1, _CELLS), Resampling.BILINEAR).tobytes()
    down = grey.resize((_CELLS, _CELLS + 1), Resampling.BILINEAR).tobytes()
    rows = [across[start : start + _CELLS + 1] for start in range(0, len(across), _CELLS + 1)]
    falls = [left - right > _EVEN for row in rows for left, right in pairwise(row)]
    falls += [above - below > _EVEN for above, below in zip(down, down[_CELLS:], strict=False)]
    return f"{sum(bit << place for place, bit in enumerate(falls)):032x}"
