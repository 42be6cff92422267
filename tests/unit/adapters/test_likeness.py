"""The perceptual hash."""

from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from chalicelib.adapters.likeness import perceptual_hash
from chalicelib.adapters.pictures import PillowInspector
from chalicelib.contract.likeness import BITS, MAX_DISTANCE


def _photograph(seed: int, size: tuple[int, int] = (240, 180)) -> Image.Image:
    """Soft blobs of light, as in a photograph out of focus."""
    cells = bytes((seed * (n + 3) ** 3 + n * n) % 251 for n in range(48))
    return Image.frombytes("L", (8, 6), cells).resize(size, Image.Resampling.BICUBIC).convert("RGB")


def _distance(one: Image.Image, other: Image.Image) -> int:
    return (int(perceptual_hash(one), 16) ^ int(perceptual_hash(other), 16)).bit_count()


def _encoded(image: Image.Image, kind: str = "JPEG", **options) -> bytes:
    target = BytesIO()
    image.save(target, kind, **options)
    return target.getvalue()


COPIES = {
    "smaller": lambda image: image.resize((101, 77)),
    "compressed": lambda image: Image.open(BytesIO(_encoded(image, quality=30))),
    "in grey": lambda image: image.convert("L"),
    "softer": lambda image: image.filter(ImageFilter.GaussianBlur(2)),
    "brighter": lambda image: image.point(lambda value: min(255, value + 5)),
}


@pytest.mark.parametrize("copy", COPIES)
@pytest.mark.parametrize("seed", [7, 31, 101])
def test_copies_are_near(copy, seed):
    """A copy of another size, quality, colour, sharpness or brightness differs in a few bits."""
    original = _photograph(seed)
    assert _distance(original, COPIES[copy](original)) <= MAX_DISTANCE


def test_different_pictures_are_far_apart():
    """Different pictures differ in far more bits than copies do."""
    pictures = [_photograph(seed) for seed in (7, 31, 101)]
    for place, one in enumerate(pictures):
        for other in [*pictures[:place], one.transpose(Image.Transpose.FLIP_LEFT_RIGHT)]:
            assert _distance(one, other) > 3 * MAX_DISTANCE


@given(st.binary(min_size=48 * 36, max_size=48 * 36))
def test_faint_noise_on_a_flat_area_is_nothing(noise):
    """Where neighbours differ by a few grey levels at most, no bit is set."""
    flat = Image.frombytes("L", (48, 36), bytes(128 + value % 4 for value in noise))
    assert int(perceptual_hash(flat), 16) == 0


@given(st.integers(1, 40), st.integers(1, 40), st.binary(min_size=1600, max_size=1600))
def test_an_image_of_any_size_has_a_hash(width, height, pixels):
    """Even a single row has 128 bits, as 32 hexadecimal digits."""
    found = perceptual_hash(Image.frombytes("L", (width, height), pixels[: width * height]))
    assert len(found) == BITS // 4
    assert 0 <= int(found, 16) < 2**BITS


def test_each_direction_has_its_bits():
    """Light that falls to the right sets the rows' half, light that falls downwards the columns'."""
    falling = Image.frombytes("L", (64, 64), bytes(255 - 4 * x for _ in range(64) for x in range(64)))
    rows, columns = 2**64 - 1, (2**64 - 1) << 64
    assert int(perceptual_hash(falling), 16) == rows
    assert int(perceptual_hash(falling.transpose(Image.Transpose.TRANSPOSE)), 16) == columns


def test_the_inspector_hashes_the_upright_image():
    """A photograph that is stored lying, with its orientation noted, has the hash of the upright one."""
    upright = _photograph(31)
    lying = upright.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn right by 90 degrees to see it upright
    found = PillowInspector().inspect(_encoded(lying, "PNG", exif=exif)).perceptual_hash
    assert found == PillowInspector().inspect(_encoded(upright, "PNG")).perceptual_hash
    assert found != PillowInspector().inspect(_encoded(lying, "PNG")).perceptual_hash
