"""Which images are taken: at uploads, by the training, and where a model is tried out."""

import struct
import zlib

#: Opened by content, whatever a file's name says; Pillow's names.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
#: How files of these formats begin; WebP's RIFF may be a sound as well.
SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"II*\0", b"MM\0*")
MAX_PIXELS = 40_000_000
#: What Pillow's parsers have been seen to raise on hostile or damaged files.
DAMAGED = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    AssertionError,
    EOFError,
    struct.error,
    zlib.error,
)
