"""Finds the image that a document of the archive means."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from chalicelib.contract.records import SplitName
from chalicelib.services.names import composed

from ..archive import Archive
from .checks import RefusedError, safe_name, shown
from .splits import split_of_document

#: From another machine, so that only its end can mean something here: a URI, an absolute path, ../
_ANCHORED = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+://[^/]*/|/|[A-Za-z]:|\.\./)")

_MANY = 8


@dataclass(frozen=True, slots=True)
class Image:
    path: str | None  # None: it isn't in the archive
    name: str  # by which the project keeps it


class References:
    """By the longest end that a reference has in common with a path; 250,000 paths take about 40 MB."""

    def __init__(self, archive: Archive) -> None:
        self._by_last: dict[str, list[str]] = {}
        for path, _ in archive.images():
            self._by_last.setdefault(path.rpartition("/")[2], []).append(path)
        # 50,000 images called <id>/image.jpg are told apart by their folders at once.
        self._by_two: dict[str, list[str]] = {}
        for paths in self._by_last.values():
            for path in paths if len(paths) > _MANY else ():
                self._by_two.setdefault("/".join(path.split("/")[-2:]), []).append(path)

    def find(self, reference: str, document: str) -> Image:
        """The image, and as its name the end that reference and path have in common.

        Of several that fit, it is the one in the document's own folder or in its mirror image
        (Annotations/a, JPEGImages/a), then the one in a folder of the document's split, then the
        one that lies highest.

        Raises:
            RefusedError: two fit equally, or the name isn't one that is taken.
        """
        path, name = self._find(reference, document)
        return Image(path, safe_name(name))

    def path(self, reference: str, document: str) -> str | None:
        """Where the image lies, as `find`; its name is said elsewhere."""
        return self._find(reference, document)[0]

    def _find(self, reference: str, document: str) -> tuple[str | None, str]:
        text = composed(reference.strip()).replace("\\", "/")
        anchored = _ANCHORED.match(text)
        parts = [each for each in text.split("/") if each not in ("", ".", "..")]
        if anchored and "://" in anchored[0]:
            parts = parts[2:]
        if not parts:
            raise RefusedError("file-name-missing", "the name of the image is missing: add it")
        fitting = self._fitting(parts, bool(anchored))
        if not fitting:
            return None, parts[-1] if anchored else "/".join(parts)
        path = _best(fitting, parts, document, text)
        return path, "/".join(parts[-common(parts, path.split("/")) :])

    def beside(self, document: str) -> Image | None:
        """The image of the same name as the document but for the extension."""
        stem = PurePosixPath(document).stem
        for extension in (".jpg", ".jpeg", ".png", ".JPG", ".bmp", ".webp", ".JPEG", ".PNG", ".tif", ".gif"):
            if stem + extension in self._by_last:
                return self.find(stem + extension, document)
        return None

    def _fitting(self, parts: list[str], anchored: bool) -> list[str]:
        near = self._by_two.get("/".join(parts[-2:]), []) if len(parts) > 1 else []
        return [
            path
            for path in near or self._by_last.get(parts[-1], [])
            if anchored or common(parts, path.split("/")) == min(len(parts), path.count("/") + 1)
        ]


def common(one: list[str], other: list[str]) -> int:
    """How many parts the ends of two paths share."""
    count = 0
    for ours, theirs in zip(reversed(one), reversed(other), strict=False):
        if ours != theirs:
            break
        count += 1
    return count


def _best(paths: list[str], parts: list[str], document: str, reference: str) -> str:
    if len(paths) == 1:
        return paths[0]
    folder, split = document.split("/")[:-1], split_of_document(document)
    scored = sorted((_score(path.split("/"), parts, folder, split), path) for path in paths)
    if scored[-1][0] == scored[-2][0]:
        raise RefusedError(
            "ambiguous-image",
            f"{shown(reference)} may be {shown(scored[-1][1])} or {shown(scored[-2][1])}: name its folder",
        )
    return scored[-1][1]


def _score(path: list[str], parts: list[str], folder: list[str], split: SplitName | None) -> tuple[int, ...]:
    same_split = split is not None and split_of_document("/".join(path[:-1])) == split
    return common(parts, path), common(folder, path[:-1]), same_split, -len(path)
