"""YOLO's data.yaml, as Ultralytics and Roboflow write it, or a bare list of classes."""

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from chalicelib.contract.errors import RejectedImageError
from chalicelib.contract.records import SplitName

from ..annotations import Problem, Where
from ..archive import Archive
from ..archive_checks import extension
from .checks import RefusedError, class_name, lines, shown
from .references import References
from .splits import SPLITS
from .yaml_file import load as load_yaml

_MAX_BYTES = 2_000_000
_MAX_ENTRY = 4096  # characters: a path of any system
#: Lists of classes without a data.yaml, by LabelImg and darknet.
_LISTS = ("classes.txt", "obj.names")
#: A folder of images that exports leave undivided.
UNSPLIT = "unsplit"


@dataclass(slots=True)
class Data:
    names: dict[int, str] = field(default_factory=dict)
    folders: dict[str, set[SplitName]] = field(default_factory=dict)
    listed: dict[str, set[SplitName]] = field(default_factory=dict)  # images that a .txt names

    def class_at(self, index: str) -> str:
        try:
            return self.names[int(index)]
        except (ValueError, LookupError) as error:
            raise RefusedError(
                "unknown-class", f"{shown(index)} is none of the {len(self.names)} classes: add it to names"
            ) from error

    def place(self, image: str) -> tuple[str, SplitName | None]:
        """An image's name, below the folder of its split, and that split.

        What is in more than one, as where train and val are one folder, is in none.
        """
        folders = [folder for folder in _parents(image) if folder in self.folders]
        splits = self.listed.get(image) or (self.folders[folders[0]] if folders else set())
        split = next(iter(splits)) if len(splits) == 1 else None
        if folders:
            return image[len(folders[0]) + 1 :], split
        _, found, below = f"/{image}".rpartition("/images/")
        return below if found else image, split


def find(archive: Archive) -> str | None:
    """The file that names the classes; the one that lies highest."""
    lists = (path for path in archive.names() if path.rpartition("/")[2] in _LISTS)
    return find_yaml(archive) or min(lists, key=_height, default=None)


def find_yaml(archive: Archive) -> str | None:
    paths = (path for path in archive.names() if extension(path) in (".yaml", ".yml"))
    return next((path for path in sorted(paths, key=_height) if b"names" in _start(archive, path)), None)


def load(archive: Archive, path: str, data: Data) -> Iterator[Problem]:
    """Reads it into `data`, which is complete when the problems are.

    Raises:
        RefusedError: it can't be read.
        RejectedImageError: it is damaged or too large.
    """
    content = archive.read(path, _MAX_BYTES)
    if extension(path) not in (".yaml", ".yml"):
        names = content.decode(errors="surrogateescape").rstrip("\r\n").split("\n")
        yield from _take_names(data, path, names)
        return
    document = load_yaml(content)
    if not isinstance(document, dict):
        raise RefusedError("bad-yaml", "the file isn't a map with names, train and val: see docs/data.md")
    yield from _take_names(data, path, document.get("names"))
    yield from _Splits(archive, path, document, data).take()


def _height(path: str) -> tuple[int, str]:
    return path.count("/"), path


def _start(archive: Archive, path: str) -> bytes:
    try:
        return archive.read(path, _MAX_BYTES)
    except RejectedImageError:
        return b""


def _take_names(data: Data, file: str, names: Any) -> Iterator[Problem]:
    if not isinstance(names, list | dict):
        raise RefusedError("bad-names", "names isn't a list or a map of classes: see docs/data.md")
    for index, name in names.items() if isinstance(names, dict) else enumerate(names):
        key = f"names[{index}]"
        try:
            data.names[int(index)] = class_name(name, key)
        except ValueError:
            message = f"{shown(index)} isn't the number of a class: write 0, 1 and so on"
            yield Problem(Where(file, key="names"), "bad-names", message)
        except RefusedError as error:
            yield error.at(Where(file))


class _Splits:
    """Reads which folders, or lists of images, are which split."""

    def __init__(self, archive: Archive, file: str, document: dict[str, Any], data: Data) -> None:
        self._archive, self._file, self._document, self._data = archive, file, document, data
        self._folders = {folder for path, _ in archive.images() for folder in _parents(path)}
        self._lists = {path for path in archive.names() if path.endswith(".txt")}
        self._references = References(archive)

    def take(self) -> Iterator[Problem]:
        for split in (*SPLITS, UNSPLIT):
            value = self._document.get(split)
            entries = value if isinstance(value, list) else [value]
            # Each once: there may be a million, of a list with a million lines.
            for entry in dict.fromkeys(each.strip() for each in entries if isinstance(each, str)):
                if entry:
                    yield from self._take_entry(split, entry)

    def _take_entry(self, split: str, entry: str) -> Iterator[Problem]:
        meant = self._meant(entry) if len(entry) <= _MAX_ENTRY else ()
        found = next((path for path in meant if path in self._folders or path in self._lists), None)
        if found is None:
            message = f"no image of the archive is in {shown(entry)}: mend the path, or add the images"
            yield Problem(Where(self._file, key=split), "folder-empty", message)
        elif found in self._folders:
            _add(self._data.folders, found, split)
        else:
            yield from self._take_list(split, found)

    def _meant(self, entry: str) -> Iterator[str]:
        """Paths that an entry may mean: it is relative to the file, to `path`, or from another machine."""
        base, root = posixpath.dirname(self._file), self._document.get("path")
        entry = entry.replace("\\", "/")
        if isinstance(root, str):
            yield posixpath.normpath(posixpath.join(base, root[:_MAX_ENTRY], entry))
        parts = [part for part in entry.split("/") if part not in ("", ".", "..")]
        for start in range(max(len(parts) - 1, 1)):
            yield posixpath.normpath(posixpath.join(base, *parts[start:]))

    def _take_list(self, split: str, path: str) -> Iterator[Problem]:
        with self._archive.open(path) as stream:
            for each in lines(path, stream):
                if isinstance(each, Problem):
                    yield each
                elif each[1].strip():
                    yield from self._take_line(split, Where(path, each[0]), each[1])

    def _take_line(self, split: str, where: Where, line: str) -> Iterator[Problem]:
        try:
            image = self._references.find(line, where.file)
        except RefusedError as error:
            yield error.at(where)
            return
        if image.path is None:
            message = f"{shown(line)} isn't in the archive: add the image, or remove the line"
            yield Problem(where, "image-missing", message)
        else:
            _add(self._data.listed, image.path, split)


def _add(splits: dict[str, set[SplitName]], place: str, name: str) -> None:
    splits.setdefault(place, set()).update(each for each in SPLITS if each == name)


def _parents(path: str) -> Iterator[str]:
    """The folders that it is in, the nearest first."""
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path
