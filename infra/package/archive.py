"""Zip files that are the same for the same content."""

from collections.abc import Iterable
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

#: The earliest that the format knows.
_MOMENT = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
#: A regular file that everybody may read and execute: Lambda runs it as a user of its own.
_MODE = 0o100755 << 16


def write(path: Path, files: Iterable[tuple[str, bytes]]) -> None:
    """Writes (name, content) pairs, in the order of their names."""
    with ZipFile(path, "w", ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in sorted(files):
            entry = ZipInfo(name, _MOMENT)
            entry.create_system, entry.external_attr, entry.compress_type = _UNIX, _MODE, ZIP_DEFLATED
            archive.writestr(entry, content)


def read(path: Path) -> list[tuple[str, bytes]]:
    """(name, content) of each file in a zip."""
    with ZipFile(path) as archive:
        return [(entry.filename, archive.read(entry)) for entry in archive.infolist() if not entry.is_dir()]
