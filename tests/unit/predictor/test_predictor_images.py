"""Files that users send, as the model sees them."""

import random

import pytest
from PIL import Image

from chalicelib.adapters.pictures import PillowInspector
from chalicelib.contract.errors import RejectedImageError
from predictor.images import read
from tests.images import coloured, image, png_bomb


def test_the_size_is_that_of_the_upright_image(tmp_path):
    """An image that lies on its side by EXIF has its width and height the other way round."""
    exif = Image.Exif()
    for orientation, size in ((1, (20, 40)), (3, (20, 40)), (6, (40, 20)), (8, (40, 20))):
        exif[0x0112] = orientation
        Image.new("RGB", (20, 40)).save(tmp_path / "a.jpg", exif=exif)
        picture = read((tmp_path / "a.jpg").read_bytes(), 8)
        assert (picture.width, picture.height) == size
        assert picture.pixels.shape == (8, 8, 3)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "empty-file"),
        (b"no image", "unsupported-format"),
        (image(kind="ICO"), "unsupported-format"),
        (coloured((1, 2, 3), (30, 30))[:70], "undecodable"),
        (png_bomb(7000), "too-many-pixels"),
    ],
)
def test_what_is_refused_is_refused_as_an_upload_is(body, code):
    """The code is that of uploads, where the file reaches the decoder there."""
    with pytest.raises(RejectedImageError) as caught:
        read(body, 8)
    assert caught.value.code == code
    if body:
        with pytest.raises(RejectedImageError) as uploaded:
            PillowInspector().inspect(body)
        assert uploaded.value.code == code


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP"])
def test_damage_anywhere_is_no_failure(kind):
    """Of 60 files with bytes changed at random, each is decoded or refused; nothing else is raised."""
    draw, whole = random.Random(kind), image(7, side=24, kind=kind)
    outcomes = set()
    for _ in range(60):
        body = bytearray(whole)
        for _ in range(draw.randrange(1, 6)):
            body[draw.randrange(len(body))] = draw.randrange(256)
        try:
            read(bytes(body), 8)
            outcomes.add("read")
        except RejectedImageError as error:
            outcomes.add(error.code)
    assert outcomes <= {"read", "undecodable", "unsupported-format", "too-many-pixels"}
    assert len(outcomes) > 1
