"""From manifest entries to tensors: parallel download, one decode an image, a cache of bytes.

The cache is uint8 of shape (N, side, side, 3): what the loader slices, in the order in which
channels_last convolutions read it.
"""

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import nullcontext
from dataclasses import dataclass
from io import BytesIO
from itertools import count
from threading import Lock

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from chalicelib.contract.errors import TrainingError
from chalicelib.contract.manifest import Entry

from .aws import CONNECTIONS
from .manifest import class_of
from .memory import check_memory, memory_errors
from .objects import ImageObjects
from .split import Split

#: Opened by content, whatever the file's name says; the formats that uploads are accepted in.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")

#: An image of 40 megapixels takes up to 760 MB while it is decoded: larger ones than this go one by one.
_LARGE_PIXELS = 4_000_000
_ONE_LARGE = Lock()


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


def load_splits(
    images: ImageObjects,
    split: Split,
    class_names: Sequence[str],
    sides: tuple[int, int],
    on_progress: Callable[[float], None],
) -> tuple[Dataset, Dataset, Dataset]:
    """The training, the validation and the test split; see `load_dataset`.

    Args:
        sides: of the images to train on, and of those to evaluate with.
        on_progress: called with the share that is done, 0 to 1.
    """
    parts = (split.train, sides[0]), (split.val, sides[1]), (split.test, sides[1])
    total, done = sum(len(entries) for entries, _ in parts), count(1)
    train, val, test = (
        load_dataset(images, entries, class_names, side, lambda: on_progress(next(done) / total))
        for entries, side in parts
    )
    return train, val, test


@memory_errors()
def load_dataset(
    images: ImageObjects,
    entries: Sequence[Entry],
    class_names: Sequence[str],
    side: int,
    on_image: Callable[[], None],
) -> Dataset:
    """Downloads and decodes all entries; `on_image` is called in this thread after each.

    Raises:
        TrainingError: `missing-object`, `changed-object`, `unreadable-image`; or what `on_image` raises.
    """
    check_memory(len(entries) * side * side * 3)
    cache = np.empty((len(entries), side, side, 3), np.uint8)

    def load(index: int) -> None:
        entry = entries[index]
        cache[index] = decode(verified(images.get(entry.image_id), entry), side, entry)

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        _await_all([pool.submit(load, index) for index in range(len(entries))], pool, on_image)
    indices = {name: index for index, name in enumerate(class_names)}
    return Dataset(torch.from_numpy(cache), torch.tensor([indices[class_of(entry)] for entry in entries]))


def _await_all(futures: list[Future[None]], pool: ThreadPoolExecutor, on_image: Callable[[], None]) -> None:
    try:
        for future in as_completed(futures):
            future.result()
            on_image()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


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


def decode(body: bytes, side: int, entry: Entry) -> NDArray[np.uint8]:
    """An image file as uint8 (side, side, 3): upright, RGB, on white, stretched to the square.

    Stretching loses nothing at the borders, where a centre crop would, and is one plain resize to
    repeat when the model is used.

    Raises:
        TrainingError: `unreadable-image`.
    """
    try:
        with Image.open(BytesIO(body), formats=FORMATS) as image:
            image.draft("RGB", (side, side))  # JPEG: lets libjpeg decode at half size and less
            is_large = image.width * image.height > _LARGE_PIXELS
            with _ONE_LARGE if is_large else nullcontext():
                upright = _rgb(ImageOps.exif_transpose(image))
                return np.asarray(upright.resize((side, side), Image.Resampling.BILINEAR))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise TrainingError(
            f"The image {entry.file_name} ({entry.image_id}) can't be decoded. Delete it and start again.",
            code="unreadable-image",
        ) from error


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits a pixel: Pillow's own conversion would clip at 255
        image = Image.fromarray((np.asarray(image).clip(0, 65535) >> 8).astype(np.uint8))
    if not image.has_transparency_data:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
