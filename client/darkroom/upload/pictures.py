"""The images of a folder: told by their content, hashed here."""

import hashlib
import os
import unicodedata
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..errors import UploadError
from ..progress import OnProgress, tell
from .report import FileProblem

#: By what a file begins with; what decides in the end is whether the server can decode it.
_SIGNATURES = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
)
_SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"))
_HEAD_BYTES = 12
_MAX_NAME_BYTES = 255
FORMATS = "JPEG, PNG, WebP, BMP, GIF and TIFF"


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """An image file.

    Args:
        path: where it lies.
        name: its path in the folder, with slashes.
        content_type: seen from its content.
        size_bytes: when it was looked at.
        changed_ns: its modification time then, in nanoseconds.
        sha256: of its bytes.
    """

    path: Path
    name: str
    content_type: str
    size_bytes: int
    changed_ns: int
    sha256: str = ""


@dataclass(slots=True)
class Found:
    """What a folder has: images, files that should be images and aren't, and how many others."""

    pictures: list[Picture] = field(default_factory=list)
    problems: list[FileProblem] = field(default_factory=list)
    ignored: int = 0
    names: set[str] = field(default_factory=set)


def search(folder: Path, on_progress: OnProgress = None) -> Found:
    """Finds and hashes the images below a folder, in the order of their names; or one image.

    What is hidden is passed over, and links to folders aren't followed.

    Raises:
        UploadError: there is no such folder, or no image in it.
    """
    if not folder.exists():
        raise UploadError(f"there is no {folder}", code="no-such-folder")
    found = Found()
    base = folder if folder.is_dir() else folder.parent
    for path in sorted(_files(folder)) if folder.is_dir() else [folder]:
        _look(path, path.relative_to(base), found)
    if not found.pictures:
        others = len(found.problems) + found.ignored
        raise UploadError(
            f"no image in {folder}, where {others} other files are" if others else f"{folder} is empty",
            code="no-images",
            hint=f"{FORMATS} are taken, told by their content.",
        )
    found.pictures = _hashed(found, on_progress)
    return found


def _files(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders[:] = [each for each in folders if not each.startswith(".") and each != "__MACOSX"]
        paths = (Path(parent, name) for name in names if not name.startswith("."))
        yield from (each for each in paths if each.is_file())  # a pipe would never end


def _look(path: Path, relative: Path, found: Found) -> None:
    name = _name(relative)
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
            stat = os.fstat(file.fileno())
    except OSError as error:
        found.problems.append(FileProblem(name, "unreadable", error.strerror or str(error)))
        return
    content_type = content_type_of(head)
    if content_type and name in found.names:
        found.problems.append(FileProblem(name, "ambiguous-name", "another file of the folder is called so"))
        return
    if content_type is None:
        if path.suffix.lower() in _SUFFIXES:
            message = "the file is empty" if not head else f"it is called {path.suffix}, and is no image"
            found.problems.append(FileProblem(name, "not-an-image", message))
        else:
            found.ignored += 1
        return
    found.names.add(name)
    found.pictures.append(
        Picture(
            path=path,
            name=name,
            content_type=content_type,
            size_bytes=stat.st_size,
            changed_ns=stat.st_mtime_ns,
        )
    )


def content_type_of(head: bytes) -> str | None:
    """The content type of an image by its first twelve bytes; None where it is no image we know."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for signature, kind in _SIGNATURES if head.startswith(signature)), None)


def _name(relative: Path) -> str:
    """The path as the server keeps names: composed, in UTF-8, and not too long."""
    name = unicodedata.normalize("NFC", relative.as_posix()).encode(errors="replace").decode()
    return name if len(name.encode()) <= _MAX_NAME_BYTES else name.rpartition("/")[2]


def _hashed(found: Found, on_progress: OnProgress) -> list[Picture]:
    hashed, total = [], len(found.pictures)
    with ThreadPoolExecutor() as pool:
        for done, (picture, digest) in enumerate(
            zip(found.pictures, pool.map(_digest, found.pictures), strict=True), 1
        ):
            if digest is None:
                found.problems.append(FileProblem(picture.name, "unreadable", "it can't be read"))
            else:
                hashed.append(replace(picture, sha256=digest))
            tell(on_progress, "hashing", done, total, "files")
    return hashed


def _digest(picture: Picture) -> str | None:
    try:
        with picture.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
