"""Files that are meant to do harm, made by hand or by Pillow."""

import io
import struct
import zlib
from collections.abc import Mapping
from functools import cache
from zipfile import ZipFile

from PIL import Image, PngImagePlugin

from chalicelib.contract.pictures import MAX_PIXELS

#: What no file that is served as a picture may be taken for.
SCRIPT = b"<script>alert(document.domain)</script>"
#: What must not be in a thumbnail.
SECRET = b"52.5200N 13.4050E at home"


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def png_claim(width: int, height: int) -> bytes:
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + _chunk(b"IDAT", zlib.compress(bytes(99))) + _chunk(b"IEND", b"")


def tiff_claim(width: int, height: int, tile: int = 0) -> bytes:
    """An uncompressed TIFF of grey pixels; with `tile` one of tiles with that many pixels a side."""
    tags = [(256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1), (277, 3, 1)]
    if tile:
        tags = [*tags[:3], (259, 3, 8), *tags[4:]]  # deflate, which libtiff decodes
        tags += [(322, 4, tile), (323, 4, tile), (324, 4, 8), (325, 4, 64)]
    else:
        tags += [(273, 4, 8), (278, 4, height), (279, 4, width * height & 0xFFFFFFFF)]
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in sorted(tags))
    pixels = zlib.compress(bytes(99)).ljust(64, b"\0")
    return struct.pack("<2sHI", b"II", 42, 72) + pixels + struct.pack("<H", len(tags)) + entries + bytes(4)


def bmp_claim(width: int, height: int) -> bytes:
    information = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + information + bytes(99)


def gif_claim(width: int, height: int, screen: int | None = None) -> bytes:
    """A GIF of one frame; with `screen` on a smaller screen than its frame."""
    sides = struct.pack("<HH", screen or width, screen or height)
    frame = b"," + struct.pack("<HHHHB", 0, 0, width, height, 0)
    palette = bytes(range(6))
    return b"GIF89a" + sides + b"\x80\0\0" + palette + frame + b"\x02\x02\x4c\x01\0;"


def webp_claim(width: int, height: int) -> bytes:
    """Lossless, of at most 16,384 pixels a side; a frame on a canvas that claims the same."""
    bits = (width - 1) | (height - 1) << 14
    frame = b"VP8L" + struct.pack("<I", 30) + b"\x2f" + struct.pack("<I", bits) + bytes(25)
    return b"RIFF" + struct.pack("<I", 4 + len(frame)) + b"WEBP" + frame


def webp_of_one_colour(width: int, height: int) -> bytes:
    """A whole lossless WebP: one of one colour has the same bytes behind its size, whatever that is."""
    content = bytearray(encoded(Image.new("RGB", (16, 16)), "webp", lossless=True))
    struct.pack_into("<I", content, content.index(b"VP8L") + 9, (width - 1) | (height - 1) << 14)
    return bytes(content)


def webp_canvas(width: int, height: int) -> bytes:
    """An extended WebP whose canvas, of up to 2^24 pixels a side, has nothing on it."""
    sides = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    canvas = b"VP8X" + struct.pack("<I", 10) + b"\2\0\0\0" + sides
    loop = b"ANIM" + struct.pack("<I", 6) + bytes(6)
    return b"RIFF" + struct.pack("<I", 4 + len(canvas + loop)) + b"WEBP" + canvas + loop


def jpeg_claim(width: int, height: int) -> bytes:
    frame = struct.pack(">BHHB", 8, height, width, 1) + b"\1\x11\0"
    return b"\xff\xd8" + _segment(0xDB, b"\0" + bytes([1] * 64)) + _segment(0xC0, frame) + b"\xff\xd9"


def jpeg_of_scans(scans: int, width: int = 8000, height: int = 5000) -> bytes:
    """A valid progressive JPEG of so many scans, about 100 bytes each; each is a pass over all pixels."""
    blocks = (width // 8) * (height // 8)
    tables = _segment(0xDB, b"\0" + bytes([1] * 64))
    tables += _segment(0xC2, struct.pack(">BHHB", 8, height, width, 1) + b"\1\x11\0")
    # Two Huffman tables of one code, "0": a difference of nothing, and 16,384 and more empty blocks.
    tables += _segment(0xC4, b"\0\1" + bytes(15) + b"\0") + _segment(0xC4, b"\x10\1" + bytes(15) + b"\xe0")
    first = _segment(0xDA, b"\1\1\0\0\0\0") + bytes(-(-blocks // 8))
    bits = ("0" + "1" * 14) * -(-blocks // 32767)
    bits += "1" * (-len(bits) % 8)
    runs = int(bits, 2).to_bytes(len(bits) // 8).replace(b"\xff", b"\xff\0")
    return b"\xff\xd8" + tables + first + (_segment(0xDA, b"\1\1\0\1\x3f\0") + runs) * scans + b"\xff\xd9"


@cache
def claims() -> Mapping[str, bytes]:
    """Headers that claim 1.2, 2 and 1,000 times the limit, or what their format has room for."""
    made = {}
    for times in (1.2, 2, 1000):
        width, height = 100_000, int(times * MAX_PIXELS / 100_000) + 1
        for kind, make in (("png", png_claim), ("tiff", tiff_claim), ("bmp", bmp_claim)):
            made[f"{times}-times.{kind}"] = make(width, height)
        side = min(int((times * MAX_PIXELS) ** 0.5) + 1, 65_535)
        made |= {f"{times}-times.gif": gif_claim(side, side), f"{times}-times.jpg": jpeg_claim(side, side)}
        made[f"{times}-times.webp"] = webp_claim(min(side, 16_384), min(side, 16_384))
        made[f"{times}-times-canvas.webp"] = webp_canvas(side, side)
    return made


@cache
def bombs() -> Mapping[str, bytes]:
    """Valid images of 1.2 and 2 times the limit, which really decompress; some KB each."""
    made = {}
    for times in (1.2, 2):
        size = (8000, int(times * MAX_PIXELS) // 8000)
        for kind, mode, options in (
            ("png", "1", {}),
            ("tiff", "1", {"compression": "tiff_deflate"}),
            ("jpeg", "L", {"quality": 1}),
        ):
            made[f"whole-{times}.{kind}"] = encoded(Image.new(mode, size), kind, **options)
        made[f"whole-{times}.webp"] = webp_of_one_colour(*size)
    return made


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    target = io.BytesIO()
    picture.save(target, kind, **options)
    return target.getvalue()


def small(number: int = 0, kind: str = "png", **options: object) -> bytes:
    return encoded(Image.new("RGB", (32, 24), (number % 256, number // 256, 77)), kind, **options)


def memory_hogs() -> Mapping[str, bytes]:
    """Small in pixels, and large in what decoding them would take."""
    text = _chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(20_000_000)))
    profile = _chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(20_000_000)))
    whole = small()
    return {
        "tile.tiff": tiff_claim(8, 8, tile=60_000),
        "screen.gif": gif_claim(65_535, 65_535, screen=1),
        "text.png": whole[:33] + text + whole[33:],
        "profile.png": whole[:33] + profile + whole[33:],
    }


def truncated() -> Mapping[str, bytes]:
    noise = Image.effect_noise((64, 48), 80)
    whole = {kind: encoded(noise, kind) for kind in ("png", "jpeg", "gif", "webp", "tiff", "bmp")}
    return {f"cut-{share}.{kind}": whole[kind][: int(len(whole[kind]) * share)]
            for kind in whole for share in (0.3, 0.6, 0.95)}  # fmt: skip


def no_images() -> Mapping[str, bytes]:
    """What isn't an image that is taken, whatever it is called."""
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)">' + SCRIPT + b"</svg>"
    return {
        "a.svg": svg,
        "svg.png": b'<?xml version="1.0"?>' + svg,
        "page.jpg": b"<!doctype html>" + SCRIPT,
        "pdf.jpg": b"%PDF-1.7\n" + small(kind="jpeg"),
        "script.gif": b"#!/bin/sh\nid\n",
        "program.bmp": b"MZ" + bytes(200),
        "elf.png": b"\x7fELF" + bytes(200),
        "post.tiff": b"%!PS-Adobe-3.0 EPSF-3.0\n(/etc/passwd) (r) file\n",
        "zip.png": _zip() + small(),
        "sound.webp": b"RIFF" + struct.pack("<I", 40) + b"WAVEfmt " + bytes(32),
        "magick.png": b"push graphic-context\nimage over 0,0 0,0 'url(http://169.254.169.254/)'\n",
        "icon.png": b"\0\0\1\0\1\0" + bytes(64),
    }


def polyglots() -> Mapping[str, bytes]:
    """Valid images that are something else as well."""
    comment = SCRIPT.decode()
    data = PngImagePlugin.PngInfo()
    data.add_text("Comment", comment)
    return {
        "zip.jpg": small(1, "jpeg") + _zip(),
        "comment.jpg": small(2, "jpeg", comment=SCRIPT),
        "page.gif": small(3, "gif", comment=SCRIPT),
        "script.gif": small(4, "gif") + b"*/=1;alert(1)//",
        "text.png": small(5, "png", pnginfo=data),
        "page.png": small(6, "png") + b"<html>" + SCRIPT,
        "page.bmp": small(7, "bmp") + SCRIPT,
        "page.tiff": small(8, "tiff", description=comment),
        "page.webp": small(9, "webp", xmp=SCRIPT),
    }


def located() -> Mapping[str, bytes]:
    """Photographs that say where they were taken, in every way that their formats have."""
    exif = Image.Exif()
    exif[0x010E] = SECRET.decode()  # ImageDescription
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.0), 29: SECRET.decode()})  # GPS
    text = PngImagePlugin.PngInfo()
    text.add_text("Location", SECRET.decode())
    text.add_itxt("XML:com.adobe.xmp", SECRET.decode())
    return {
        "at.jpg": small(11, "jpeg", exif=exif, comment=SECRET, xmp=SECRET, icc_profile=SECRET),
        "at.png": small(12, "png", exif=exif, pnginfo=text, icc_profile=SECRET),
        "at.webp": small(13, "webp", exif=exif, xmp=SECRET, icc_profile=SECRET),
        "at.tiff": small(14, "tiff", exif=exif, icc_profile=SECRET),
        "at.gif": small(15, "gif", comment=SECRET),
    }


def _zip() -> bytes:
    target = io.BytesIO()
    with ZipFile(target, "w") as archive:
        archive.writestr("index.html", SCRIPT)
    return target.getvalue()
