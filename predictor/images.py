"""Images that users send, which may hold anything, as the model takes them."""

import warnings
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from chalicelib.contract.errors import RejectedImageError
from chalicelib.contract.pictures import DAMAGED, FORMATS, MAX_PIXELS, SIGNATURES
from training_job.pictures import UnreadableImageError, decode

_ORIENTATION = 0x0112  # EXIF's
_ON_ITS_SIDE = (5, 6, 7, 8)


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded image.

    Attributes:
        pixels: uint8 (side, side, 3), as `training_job.pictures.decode` gives them.
        width, height: of the upright image, in pixels.
    """

    pixels: NDArray[np.uint8]
    width: int
    height: int


def read(body: bytes, side: int) -> Picture:
    """An image file, checked and decoded.

    Args:
        side: of the model's input in pixels.

    Raises:
        RejectedImageError: `empty-file`, `unsupported-format`, `too-many-pixels`, `undecodable`.
    """
    if not body:
        raise RejectedImageError("the file is empty", code="empty-file")
    # What Pillow warns of in damaged files would be further lines in the log.
    warnings.filterwarnings("ignore", module="PIL")
    try:
        width, height = _upright_size(body)
        return Picture(decode(body, side), width, height)
    except UnidentifiedImageError as error:
        if body.startswith(SIGNATURES):
            raise _damaged() from error
        raise RejectedImageError(
            f"the file is none of {', '.join(FORMATS)}", code="unsupported-format"
        ) from error
    except (UnreadableImageError, *DAMAGED) as error:
        raise _damaged() from error


def _upright_size(body: bytes) -> tuple[int, int]:
    """Width and height as a person sees them, from the head of the file alone."""
    with Image.open(BytesIO(body), formats=FORMATS) as image:
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise RejectedImageError(
                f"the image has {width} x {height} pixels; up to 40 megapixels are taken",
                code="too-many-pixels",
            )
        on_its_side = image.getexif().get(_ORIENTATION) in _ON_ITS_SIDE
    return (height, width) if on_its_side else (width, height)


def _damaged() -> RejectedImageError:
    return RejectedImageError("the file is damaged or cut off", code="undecodable")
