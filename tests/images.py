"""Images that tests make."""

import struct
import zlib
from io import BytesIO

from PIL import Image


def image(number: int = 0, *, side: int = 8, kind: str = "PNG") -> bytes:
    """A small image; each number is another picture."""
    target = BytesIO()
    color = (number % 256, number // 256 % 256, 99)
    Image.new("RGB", (side, side), color).save(target, kind)
    return target.getvalue()


def coloured(colour: tuple[int, int, int], size: tuple[int, int]) -> bytes:
    """A PNG of one colour; `size` is width and height."""
    target = BytesIO()
    Image.new("RGB", size, colour).save(target, "PNG")
    return target.getvalue()


def png_bomb(side: int = 60_000) -> bytes:
    """A small valid PNG of side x side pixels, made without ever holding them."""
    packer = zlib.compressobj(9)
    row = bytes(1 + side // 8)
    data = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
