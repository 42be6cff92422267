"""As much of the ELF format as tells what a shared object is for and which others it loads.

Source: https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html; 64 bits, little-endian.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_DYNAMIC = 6  # section type SHT_DYNAMIC
_NEEDED = 1  # tag DT_NEEDED
_SECTION = struct.Struct("<IIQQQQIIQQ")
_ENTRY = struct.Struct("<qQ")


@dataclass(frozen=True, slots=True)
class SharedObject:
    """Attributes:
    machine: number of the processor.
    needed: names of the shared objects that it loads.
    """

    machine: int
    needed: tuple[str, ...]

    @classmethod
    def read(cls, content: bytes) -> "SharedObject":
        """Raises:
        ValueError: it is no 64-bit little-endian ELF file, or is cut off.
        """
        if content[:6] != b"\x7fELF\x02\x01":
            raise ValueError("no 64-bit little-endian ELF file")
        try:
            [machine] = struct.unpack_from("<H", content, 18)
            return cls(machine, tuple(_needed(content)))
        except (struct.error, IndexError) as error:
            raise ValueError("an ELF file that is cut off") from error


def _needed(content: bytes) -> Iterator[str]:
    sections = list(_sections(content))
    for _, kind, _, _, offset, size, link, *_ in sections:
        if kind != _DYNAMIC:
            continue
        names = sections[link][4]  # offset of the string table
        for tag, value in _ENTRY.iter_unpack(content[offset : offset + size]):
            if tag == _NEEDED:
                start = names + value
                yield content[start : content.index(b"\0", start)].decode()


def _sections(content: bytes) -> Iterator[tuple[int, ...]]:
    [table] = struct.unpack_from("<Q", content, 40)
    size, count = struct.unpack_from("<HH", content, 58)
    for number in range(count):
        yield _SECTION.unpack_from(content, table + number * size)
