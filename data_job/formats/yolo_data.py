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
#: Lists of classes without a data.yaml, by LabelImg and darknet.
_LISTS = ("classes.txt", "obj.names")
#: A folder of images that exports leave undivided.
UNSPLIT = "unsplit"


@dataclass(slots=True)
class Data:
    names: dict[int, str] = field(default_factory=dict)
    folders: dict[str, set[SplitName]] = field(default_factory=dict)
    listed: dict[str, set[SplitName]] = field(default_factory=dict)  # images that a .txt names
    problems: list[Problem] = field(default_factory=list)

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


def load(archive: Archive, path: str) -> Data:
    """Reads it.

    Raises:
        RefusedError: it can't be read.
        RejectedImageError: it is damaged or too large.
    """
    content = archive.read(path, _MAX_BYTES)
    data = Data()
    if extension(path) not in (".yaml", ".yml"):
        _take_names(data, path, content.decode(errors="surrogateescape").rstrip("\r\n").split("\n"))
        return data
    document = load_yaml(content)
    if not isinstance(document, dict):
        raise RefusedError("bad-yaml", "the file isn't a map with names, train and val: see docs/data.md")
    _take_names(data, path, document.get("names"))
    _Splits(archive, path, document, data).take()
    return data


def _height(path: str) -> tuple[int, str]:
    return path.count("/"), path


def _start(archive: Archive, path: str) -> bytes:
    try:
        return archive.read(path, _MAX_BYTES)
    except RejectedImageError:
        return b""


def _take_names(data: Data, file: str, names: Any) -> None:
    if not isinstance(names, list | dict):
        raise RefusedError("bad-names", "names isn't a list or a map of classes: see docs/data.md")
    for index, name in names.items() if isinstance(names, dict) else enumerate(names):
        key = f"names[{index}]"
        try:
            data.names[int(index)] = class_name(name, key)
        except ValueError:
            message = f"{shown(index)} isn't the number of a class: write 0, 1 and so on"
            data.problems.append(Problem(Where(file, key="names"), "bad-names", message))
        except RefusedError as error:
            data.problems.append(error.at(Where(file)))


@dataclass(frozen=True, slots=True)
class _Splits:
    """Reads which folders, or lists of images, are which split."""

    archive: Archive
    file: str
    document: dict[str, Any]
    data: Data

    def take(self) -> None:
        folders = {folder for path, _ in self.archive.images() for folder in _parents(path)}
        for split in (*SPLITS, UNSPLIT):
            value = self.document.get(split)
            for entry in value if isinstance(value, list) else [value]:
                if isinstance(entry, str) and entry.strip():
                    self._take_entry(split, entry.strip(), folders)

    def _take_entry(self, split: str, entry: str, folders: set[str]) -> None:
        known = folders | set(self.archive.names()) if entry.endswith(".txt") else folders
        found = next((path for path in self._meant(entry) if path in known), None)
        if found is None:
            message = f"no image of the archive is in {shown(entry)}: mend the path, or add the images"
            self.data.problems.append(Problem(Where(self.file, key=split), "folder-empty", message))
        elif found in folders:
            _add(self.data.folders, found, split)
        else:
            self._take_list(split, found)

    def _meant(self, entry: str) -> Iterator[str]:
        """Paths that an entry may mean: it is relative to the file, to `path`, or from another machine."""
        base, root = posixpath.dirname(self.file), self.document.get("path")
        entry = entry.replace("\\", "/")
        if isinstance(root, str):
            yield posixpath.normpath(posixpath.join(base, root, entry))
        parts = [part for part in entry.split("/") if part not in ("", ".", "..")]
        for start in range(max(len(parts) - 1, 1)):
            yield posixpath.normpath(posixpath.join(base, *parts[start:]))

    def _take_list(self, split: str, path: str) -> None:
        references = References(self.archive)
        with self.archive.open(path) as stream:
            for each in lines(path, stream):
                if isinstance(each, Problem):
                    self.data.problems.append(each)
                elif each[1].strip():
                    self._take_line(split, Where(path, each[0]), each[1], references)

    def _take_line(self, split: str, where: Where, line: str, references: References) -> None:
        try:
            image = references.find(line, where.file)
        except RefusedError as error:
            self.data.problems.append(error.at(where))
            return
        if image.path is None:
            message = f"{shown(line)} isn't in the archive: add the image, or remove the line"
            self.data.problems.append(Problem(where, "image-missing", message))
        else:
            _add(self.data.listed, image.path, split)


def _add(splits: dict[str, set[SplitName]], place: str, name: str) -> None:
    splits.setdefault(place, set()).update(each for each in SPLITS if each == name)


def _parents(path: str) -> Iterator[str]:
    """The folders that it is in, the nearest first."""
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path
