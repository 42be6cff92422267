"""Opening images that may hold anything, with Pillow: in the decoders' processes (isolation.py)."""

import warnings
from collections.abc import Callable
from contextlib import closing
from io import BytesIO
from typing import TYPE_CHECKING

from ..contract.errors import RejectedImageError
from ..contract.pictures import DAMAGED, FORMATS, MAX_PIXELS, SIGNATURES
from ..services.ports import Picture
from .likeness import perceptual_hash

if TYPE_CHECKING:
    from PIL.Image import Image

#: By Pillow's name of what it found; a JPEG with further pictures behind it is MPO there.
CONTENT_TYPES = {**{each: f"image/{each.lower()}" for each in FORMATS}, "MPO": "image/jpeg"}
#: Images with more than that are decoded one at a time: at 4 bytes a pixel, some copies.
SMALL_PIXELS = 1_000_000
THUMBNAIL_SIDE = 256


class PillowInspector:
    """Decodes in this process, for one thread at a time.

    Args:
        before_large: called before a large image is decoded.
    """

    def __init__(self, before_large: Callable[[], None] = lambda: None) -> None:
        self._before_large = before_large

    def inspect(self, content: bytes) -> Picture:
        """See `ImageInspector`; MemoryError passes through, which proves nothing about the file."""
        # Pillow costs a third of a second to import, and most functions never open an image.
        from PIL import Image, UnidentifiedImageError

        # Its own limit warns, or raises at twice that; ours is checked before anything is decoded.
        Image.MAX_IMAGE_PIXELS = None
        # What it warns of in damaged files would be further lines in the log.
        warnings.filterwarnings("ignore", module="PIL")
        try:
            with Image.open(BytesIO(content), formats=FORMATS) as image:
                _refuse_bomb(image)
                if image.width * image.height > SMALL_PIXELS:
                    self._before_large()
                return _picture(image)
        except UnidentifiedImageError as error:
            if content.startswith(SIGNATURES):
                raise RejectedImageError("the file is damaged or cut off", code="undecodable") from error
            raise RejectedImageError(
                f"the file is none of {', '.join(FORMATS)}", code="unsupported-format"
            ) from error
        except DAMAGED as error:
            raise RejectedImageError("the file is damaged or cut off", code="undecodable") from error


def _picture(image: "Image") -> Picture:
    from PIL import ImageOps

    with closing(image):  # its pixels go now, and not when the next image's are there
        upright = ImageOps.exif_transpose(image)
    content_type, small = CONTENT_TYPES[image.format or ""], _small(upright)
    return Picture(content_type, upright.width, upright.height, _jpeg(small), perceptual_hash(small))


def _refuse_bomb(image: "Image") -> None:
    if image.width * image.height > MAX_PIXELS:
        raise RejectedImageError(
            f"the image has {image.width} x {image.height} pixels; up to 40 megapixels are taken",
            code="too-many-pixels",
        )


def _small(image: "Image") -> "Image":
    if image.mode.startswith("I"):  # 16 bits a pixel: Pillow's own conversion would clip at 255
        image = image.convert("I").point(lambda value: value / 256).convert("L")
    small = image.convert("RGB")
    small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    return small


def _jpeg(image: "Image") -> bytes:
    target = BytesIO()
    image.info.clear()  # Pillow would write the comment of the file that was sent
    image.save(target, "JPEG", quality=80)
    return target.getvalue()
