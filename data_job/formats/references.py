"""Finds the image that a document of the archive means."""

import re
from bisect import bisect_left
from dataclasses import dataclass
from pathlib import PurePosixPath

from chalicelib.contract.records import SplitName
from chalicelib.services.names import composed

from ..archive import Archive
from .checks import RefusedError, safe_name, shown
from .splits import split_of_document

#: From another machine, so that only its end can mean something here: a URI, an absolute path, ../
_ANCHORED = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+://[^/]*/|/|[A-Za-z]:|\.\./)")

#: So many parts of a path are compared, and so many paths that fit alike.
_DEEPEST, _MANY = 64, 200


@dataclass(frozen=True, slots=True)
class Image:
    path: str | None  # None: it isn't in the archive
    name: str  # by which the project keeps it


class References:
    """By the longest end that a reference has in common with a path.

    The paths are sorted from their ends on, so a look-up costs its depth, however many share a name;
    250,000 paths take about 40 MB.
    """

    def __init__(self, archive: Archive) -> None:
        self._turned = sorted(_turned(path.split("/")) for path, _ in archive.images())

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
        parts = parts[-_DEEPEST:]
        fitting, shared = self._fitting(parts, bool(anchored))
        if not fitting:
            return None, parts[-1] if anchored else "/".join(parts)
        name = parts[-shared:]
        nearest = self._nearest(fitting, name, document.split("/")[:-1])
        return self._best(nearest, document, text), "/".join(name)

    def beside(self, document: str) -> Image | None:
        """The image of the same name as the document but for the extension."""
        stem = PurePosixPath(document).stem
        for extension in (".jpg", ".jpeg", ".png", ".JPG", ".bmp", ".webp", ".JPEG", ".PNG", ".tif", ".gif"):
            if self._below(f"{stem}{extension}/"):
                return self.find(stem + extension, document)
        return None

    def _fitting(self, parts: list[str], anchored: bool) -> tuple[range, int]:
        """The places of the paths that share the longest end with a reference, and how long that is.

        Only what comes from another machine may have more before that end on both sides.
        """
        turned, fitting, shared = "", range(0), 0
        for count, part in enumerate(reversed(parts), 1):
            turned += f"{part}/"
            found = self._below(turned)
            if not found:
                break
            if anchored or count == len(parts):
                fitting, shared = found, count
            elif self._turned[found[0]] == turned:  # the path as a whole
                fitting, shared = found[:1], count
        return fitting, shared

    def _nearest(self, fitting: range, name: list[str], folder: list[str]) -> range:
        """Of paths that end with a name, those whose folder shares the longest end with the document's."""
        inner, turned = name[:-1], _turned(name)
        above = len(folder) - len(inner)
        if len(fitting) == 1 or above < 0 or folder[above:] != inner:
            return fitting  # their folders are equally far
        for part in reversed(folder[max(above - _DEEPEST, 0) : above]):
            turned += f"{part}/"
            found = self._below(turned)
            if not found:
                break
            fitting = found
        return fitting

    def _best(self, fitting: range, document: str, reference: str) -> str:
        paths = ["/".join(self._turned[place].split("/")[-2::-1]) for place in fitting[:_MANY]]
        if len(paths) == 1:
            return paths[0]
        split = split_of_document(document)
        scored = sorted((_score(path, split), path) for path in paths)
        if len(fitting) > _MANY or scored[-1][0] == scored[-2][0]:
            either = f"{shown(scored[-1][1])} or {shown(scored[-2][1])}"
            raise RefusedError("ambiguous-image", f"{shown(reference)} may be {either}: name its folder")
        return scored[-1][1]

    def _below(self, turned: str) -> range:
        """The places of the paths that begin, from their ends, with some parts; each part has its slash."""
        after = turned[:-1] + chr(ord("/") + 1)
        first = bisect_left(self._turned, turned)
        return range(first, bisect_left(self._turned, after, first))


def _turned(parts: list[str]) -> str:
    return "".join(f"{part}/" for part in reversed(parts))


def _score(path: str, split: SplitName | None) -> tuple[bool, int]:
    same_split = split is not None and split_of_document(path.rpartition("/")[0]) == split
    return same_split, -path.count("/")
