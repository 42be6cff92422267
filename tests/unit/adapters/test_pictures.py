"""Opening images that may hold anything."""

import struct
import zlib
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from chalicelib.adapters.pictures import PillowInspector
from chalicelib.contract.errors import RejectedImageError
from chalicelib.contract.pictures import FORMATS

#: Pillow warns of damage that it gets along with, and the damage is our own here.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")
WIDTH, HEIGHT = 40, 30
TYPES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "BMP": "image/bmp",
    "GIF": "image/gif",
    "TIFF": "image/tiff",
}


def _picture(mode: str = "RGB") -> Image.Image:
    picture = Image.new("RGB", (WIDTH, HEIGHT))
    picture.putdata([(x * 6, y * 8, (x * y) % 256) for y in range(HEIGHT) for x in range(WIDTH)])
    return picture.convert(mode)


def _encoded(kind: str, mode: str = "RGB", **options) -> bytes:
    target = BytesIO()
    _picture(mode).save(target, kind, **options)
    return target.getvalue()


GOOD = {kind: _encoded(kind) for kind in TYPES}


def _inspect(content: bytes):
    return PillowInspector().inspect(content)


def _refusal(content: bytes) -> str:
    with pytest.raises(RejectedImageError) as refused:
        _inspect(content)
    return refused.value.code


def _png(width: int, height: int, rows: bytes) -> bytes:
    """A PNG of one bit a pixel by hand: `rows` are its compressed lines."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def _bomb(side: int) -> bytes:
    """A black PNG of `side` squared pixels, compressed a line at a time: its pixels never exist."""
    packer = zlib.compressobj(9)
    line = bytes(1 + -(-side // 8))
    return _png(side, side, b"".join([*(packer.compress(line) for _ in range(side)), packer.flush()]))


def test_the_formats_are_those_of_the_documentation():
    """Exactly the formats that are promised are opened."""
    assert set(FORMATS) == set(TYPES)


@pytest.mark.parametrize("kind", TYPES)
def test_each_format_is_taken(kind):
    """A picture of each format has its type, its size and a JPEG thumbnail."""
    picture = _inspect(GOOD[kind])
    assert (picture.content_type, picture.width, picture.height) == (TYPES[kind], WIDTH, HEIGHT)
    with Image.open(BytesIO(picture.thumbnail)) as thumbnail:
        assert (thumbnail.format, thumbnail.size) == ("JPEG", (WIDTH, HEIGHT))


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        ("PNG", "1"), ("PNG", "L"), ("PNG", "LA"), ("PNG", "P"), ("PNG", "RGBA"), ("PNG", "I;16"),
        ("JPEG", "L"), ("JPEG", "CMYK"), ("GIF", "P"), ("WEBP", "RGBA"), ("BMP", "1"), ("BMP", "P"),
        ("TIFF", "F"), ("TIFF", "CMYK"), ("TIFF", "LAB"), ("TIFF", "I;16"), ("TIFF", "RGBA"),
    ],
)  # fmt: skip
def test_each_kind_of_pixel_is_taken(kind, mode):
    """Grey, palette, transparency, print colours and deep pixels all give a thumbnail."""
    picture = _picture("RGB").convert("L").convert(mode) if mode == "I;16" else None
    target = BytesIO()
    (picture or _lab_or(mode)).save(target, kind)
    assert _inspect(target.getvalue()).width == WIDTH


def _lab_or(mode: str) -> Image.Image:
    return Image.new("LAB", (WIDTH, HEIGHT), (50, 0, 0)) if mode == "LAB" else _picture(mode)


def test_the_thumbnail_of_a_large_picture_is_small():
    """A thumbnail has at most 256 pixels a side, in the picture's proportions."""
    target = BytesIO()
    Image.new("RGB", (1000, 500)).save(target, "PNG")
    with Image.open(BytesIO(_inspect(target.getvalue()).thumbnail)) as thumbnail:
        assert thumbnail.size == (256, 128)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_picture_is_measured_upright(orientation):
    """EXIF orientations 5 to 8 lie on their side: width and height are those of the upright picture."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = _inspect(_encoded("JPEG", exif=exif))
    upright = (WIDTH, HEIGHT) if orientation < 5 else (HEIGHT, WIDTH)
    assert (picture.width, picture.height) == upright


def test_an_animation_is_its_first_frame():
    """A GIF of two frames is taken, and its thumbnail shows the first."""
    frames = [Image.new("RGB", (WIDTH, HEIGHT), colour) for colour in ("white", "black")]
    target = BytesIO()
    frames[0].save(target, "GIF", save_all=True, append_images=frames[1:])
    with Image.open(BytesIO(_inspect(target.getvalue()).thumbnail)) as thumbnail:
        assert thumbnail.getpixel((5, 5)) == (255, 255, 255)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_truncated_file_is_refused(kind, share):
    """Half a file, and nine tenths of one, are no image in any format."""
    whole = GOOD[kind]
    assert _refusal(whole[: int(share * len(whole))]) in ("undecodable", "unsupported-format")


def test_a_truncated_jpeg_is_called_damaged():
    """A JPEG that lacks its last fifth opens, but does not decode."""
    assert _refusal(GOOD["JPEG"][: len(GOOD["JPEG"]) * 4 // 5]) == "undecodable"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"plain text in a .jpg",
        b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
        b"%PDF-1.7",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        b"P6 1 1 255 \x00\x00\x00",
        b"\x00" * 1000,
        b"GIF",
    ],
    ids=lambda content: repr(content[:8]),
)
def test_what_is_no_image_is_unsupported(content):
    """Text, SVG, PostScript and formats outside the list are refused, whatever the name says."""
    assert _refusal(content) == "unsupported-format"


def test_a_bomb_is_refused_without_being_decoded():
    """60,000 x 60,000 pixels in half a megabyte are refused by their number."""
    bomb = _bomb(60_000)
    assert len(bomb) < 1_000_000
    assert _refusal(bomb) == "too-many-pixels"


@pytest.mark.parametrize(("width", "height", "taken"), [(8000, 5000, True), (8000, 5001, False)])
def test_forty_megapixels_are_the_limit(width, height, taken):
    """Exactly 40 megapixels are taken, and one line more is not."""
    rows = zlib.compress(bytes((1 + width // 8) * height))
    content = _png(width, height, rows)
    assert (_inspect(content).width == width) if taken else (_refusal(content) == "too-many-pixels")


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(sorted(TYPES)),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=6),
    st.floats(0, 1),
)
def test_damage_is_refused_or_decoded(kind, flips, share):
    """Bytes changed and cut off at random give a picture, a refusal or a want of memory, and nothing else."""
    content = bytearray(GOOD[kind])
    for place, value in flips:
        content[int(place * len(content))] = value
    try:
        picture = _inspect(bytes(content[: int((0.2 + share) * len(content))]))
    except (RejectedImageError, MemoryError):
        return
    assert picture.width * picture.height <= 40_000_000


def test_thumbnails_of_16_bit_images_keep_their_greys():
    """Pillow's own conversion clips all but the darkest 256 greys to white."""
    target = BytesIO()
    Image.frombytes("I;16", (2, 1), (0x8000).to_bytes(2, "little") * 2).save(target, "PNG")
    thumbnail = Image.open(BytesIO(PillowInspector().inspect(target.getvalue()).thumbnail))
    assert abs(thumbnail.convert("L").getpixel((0, 0)) - 128) < 8
