"""Shared objects as small as the format allows."""

import struct


def shared_object(*needed: str, machine: int = 62) -> bytes:
    """An ELF file of two sections: the names of what it loads, and the entries that point at them."""
    names = b"\0" + b"".join(name.encode() + b"\0" for name in needed)
    starts = [names.index(name.encode() + b"\0") for name in needed]
    dynamic = b"".join(struct.pack("<qQ", 1, start) for start in starts) + struct.pack("<qQ", 0, 0)
    sections = [_section(3, 64, len(names), 0), _section(6, 64 + len(names), len(dynamic), 0)]
    table = 64 + len(names) + len(dynamic)
    head = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + struct.pack("<HHI", 3, machine, 1)
    head += struct.pack("<QQQ", 0, 0, table) + struct.pack("<IHHHHHH", 0, 64, 0, 0, 64, len(sections), 0)
    return head + names + dynamic + b"".join(sections)


def _section(kind: int, offset: int, size: int, link: int) -> bytes:
    return struct.pack("<IIQQQQIIQQ", 0, kind, 0, 0, offset, size, link, 0, 1, 0)
