"""From the bytes of an image file to pixels."""

import hashlib
from contextlib import nullcontext
from io import BytesIO
from threading import Lock

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from chalicelib.contract.errors import TrainingError
from chalicelib.contract.manifest import Entry
from chalicelib.contract.pictures import FORMATS

#: An image of 40 megapixels takes up to 760 MB while it is decoded: larger ones than this go one by one.
_LARGE_PIXELS = 4_000_000
_ONE_LARGE = Lock()
_ORIENTATION = 0x0112  # EXIF's


class UnreadableImageError(Exception):
    """The bytes are no image, or a damaged one."""


def verified(body: bytes, entry: Entry) -> bytes:
    """The bytes, if they are those that the manifest names.

    Raises:
        TrainingError: `changed-object`.
    """
    if entry.sha256 and hashlib.sha256(body).hexdigest() != entry.sha256:
        raise TrainingError(
            f"The image {entry.file_name} ({entry.image_id}) has changed since it was uploaded. "
            "Delete it, upload it again, and start again.",
            code="changed-object",
        )
    return body


def decode(body: bytes, side: int) -> NDArray[np.uint8]:
    """An image file as uint8 (side, side, 3): upright, RGB, on white, stretched to the square.

    Stretching loses nothing at the borders, where a centre crop would, and is one plain resize to
    repeat when the model is used. The filter is Pillow's, which averages over what it leaves out.

    Raises:
        UnreadableImageError: it can't be decoded to its last pixel.
    """
    try:
        with Image.open(BytesIO(body), formats=FORMATS) as image:
            # JPEG: lets libjpeg decode at half size and less. Where the sides are no multiples, the last
            # row and column reach past the image, hence the box.
            _, box = image.draft("RGB", (side, side)) or (None, None)
            is_large = image.width * image.height > _LARGE_PIXELS
            with _ONE_LARGE if is_large else nullcontext():
                small = _rgb(image).resize((side, side), Image.Resampling.BILINEAR, box, reducing_gap=3)
            small.getexif()[_ORIENTATION] = image.getexif().get(_ORIENTATION, 1)
            return np.asarray(ImageOps.exif_transpose(small))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UnreadableImageError(str(error)) from error


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits a pixel: Pillow's own conversion would clip at 255
        image = Image.fromarray((np.asarray(image).clip(0, 65535) >> 8).astype(np.uint8))
    if not image.has_transparency_data:
        return image if image.mode == "RGB" else image.convert("RGB")
    layer = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
