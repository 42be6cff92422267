"""The file names of an export: each once, and such that every disk takes them."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from itertools import count
from pathlib import PurePosixPath

from chalicelib.contract.datasets import FormatName
from chalicelib.contract.manifest import Entry
from chalicelib.services.names import MAX_FILE_NAME, composed, folded

from .archive_checks import ARCHIVE_EXTENSIONS, DOCUMENT_EXTENSIONS, extension, is_junk

#: Their annotations are files called after the image, less its extension.
_BY_STEM: frozenset[FormatName] = frozenset(("yolo", "voc"))
#: Where exports put images: a.jpg and images/a.jpg would look alike in what refers to them.
_IMAGE_FOLDERS = frozenset(("images", "jpegimages"))
_FORBIDDEN = re.compile(r'[<>:"|?*\\]')  # by Windows
_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Named:
    entry: Entry
    name: str


def named(entries: Iterable[Entry], format: FormatName) -> Iterator[Named]:
    """Names images: the first that asks for a name keeps it, later ones get `stem-<imageId>.ext`.

    Names that differ only in case count as the same, and as different from what is a folder. The
    same entries get the same names. It keeps about 100 bytes an image, whatever the names are.
    """
    taken = _Taken(format in _BY_STEM)
    for entry in entries:
        yield Named(entry, next(name for name in _candidates(entry) if taken.add(name)))


def is_safe_part(part: str) -> bool:
    """Whether every disk takes it as the name of a file, and every reader of archives sees it."""
    return part == _safe_part(part) and "/" not in part


def _candidates(entry: Entry) -> Iterator[str]:
    name = _safe(entry.file_name)
    if name == entry.file_name:
        yield name
    yield _with(name, entry.image_id)
    # Where a folder of it is a file elsewhere; and where somebody chose such names on purpose.
    for number in count(1):
        yield _with(name.replace("/", "_"), f"{entry.image_id}-{number}")


def _with(name: str, mark: str) -> str:
    path = PurePosixPath(name)
    stem = name.removesuffix(path.suffix)
    room = MAX_FILE_NAME - len(f"-{mark}{path.suffix}".encode())
    if room < 1:  # an extension as long as that is none
        stem, room, suffix = name, MAX_FILE_NAME - len(mark) - 1, ""
    else:
        suffix = path.suffix
    cut = stem.encode()[:room].decode(errors="ignore")
    return composed(f"{cut}-{mark}{suffix}")


def _safe(name: str) -> str:
    parts = [_safe_part(part) for part in name.replace("\\", "/").split("/")]
    safe = composed("/".join(parts))
    if extension(safe) in DOCUMENT_EXTENSIONS | ARCHIVE_EXTENSIONS:
        stem, _, last = safe.rpartition(".")
        return f"{stem}_{last}"
    return safe


def _safe_part(part: str) -> str:
    part = composed(_FORBIDDEN.sub("_", part).strip().rstrip(". "))
    return f"_{part}" if not part or is_junk(part) or _DEVICE.match(part) else part


class _Taken:
    """The names given so far, as hashes."""

    def __init__(self, by_stem: bool) -> None:
        self._by_stem = by_stem
        self._marks: set[bytes] = set()

    def add(self, name: str) -> bool:
        """Takes a name, unless it is taken or in the way of one that is."""
        path = PurePosixPath(_looked_up(name))
        parents = [str(each) for each in path.parents]
        stem = str(path.with_suffix("")) if self._by_stem else str(path)
        if not self._marks.isdisjoint(
            [_mark("file", stem), _mark("folder", str(path)), *(_mark("file", each) for each in parents)]
        ):
            return False
        self._marks.update([_mark("file", stem), *(_mark("folder", each) for each in parents)])
        return True


def _looked_up(name: str) -> str:
    parts = folded(name).split("/")
    while len(parts) > 1 and parts[0] in _IMAGE_FOLDERS:
        parts = parts[1:]
    return "/".join(parts)


def _mark(kind: str, name: str) -> bytes:
    return blake2b(f"{kind}:{name}".encode(), digest_size=8).digest()
