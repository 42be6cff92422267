"""From bytes to pixels."""

import hashlib
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from tiny import encoded, make_entries

from chalicelib.contract.errors import TrainingError
from training_job.pictures import UnreadableImageError, decode, verified


def pixel(image: Image.Image, kind: str = "PNG", **options: object) -> list[int]:
    return decode(encoded(image, kind, **options), 4)[2, 2].tolist()


@pytest.mark.parametrize(
    ("image", "colour"),
    [
        (Image.new("RGB", (9, 5), (10, 20, 30)), [10, 20, 30]),
        (Image.new("L", (9, 5), 77), [77] * 3),
        (Image.new("RGBA", (9, 5), (0, 0, 0, 0)), [255] * 3),
        (Image.fromarray(np.full((5, 9), 0x8000, np.uint16)), [128] * 3),
        (Image.new("1", (9, 5), 1), [255] * 3),
    ],
    ids=["rgb", "grey", "transparent-on-white", "16-bit", "bitmap"],
)
def test_every_mode_becomes_rgb(image: Image.Image, colour: list[int]) -> None:
    """Images of any mode come out with the colours that a person sees."""
    assert pixel(image) == colour


def test_image_is_turned_upright() -> None:
    """The EXIF orientation is applied: what was stored on its side stands upright."""
    image = Image.new("RGB", (40, 40), "white")
    image.paste("black", (0, 0, 40, 20))  # the upper half
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise: the upper half becomes the right one
    array = decode(encoded(image, exif=exif), 8)
    assert array[4, 1].mean() > 200 > 50 > array[4, 6].mean()


def test_large_jpeg_keeps_its_colours() -> None:
    """A JPEG that is decoded at a fraction of its size looks the same."""
    assert pixel(Image.new("RGB", (1024, 512), (200, 100, 50)), "JPEG") == pytest.approx(
        [200, 100, 50], abs=3
    )


@pytest.mark.parametrize(("width", "height"), [(900, 700), (533, 400)])
def test_scaled_decoding_changes_little(width: int, height: int) -> None:
    """A JPEG that is decoded at a fraction of its size differs from a full decode by a grey level or two."""
    waves = np.sin(np.arange(width) / 17)[None] * np.cos(np.arange(height) / 23)[:, None]
    body = encoded(Image.fromarray((127 + 100 * waves).astype(np.uint8)).convert("RGB"), "JPEG", quality=90)
    whole = Image.open(BytesIO(body)).convert("RGB").resize((64, 64), Image.Resampling.BILINEAR)
    assert np.abs(decode(body, 64) - np.asarray(whole, np.float32)).mean() < 1.5


@pytest.mark.parametrize("body", [b"", b"text", encoded(Image.effect_noise((64, 64), 90))[:900]])
def test_what_is_no_image_is_told_apart(body: bytes) -> None:
    """A file that isn't an image, and one that breaks off, raise the error for which an image is left out."""
    with pytest.raises(UnreadableImageError):
        decode(body, 8)


def test_changed_bytes_are_refused_by_name() -> None:
    """Bytes other than those that were uploaded are not trained on; the sentence names the image."""
    entry = replace(make_entries("a")[0], sha256=hashlib.sha256(b"as uploaded").hexdigest())
    assert verified(b"as uploaded", entry) == b"as uploaded"
    with pytest.raises(TrainingError, match=r"0\.png") as caught:
        verified(b"another", entry)
    assert caught.value.code == "changed-object"
