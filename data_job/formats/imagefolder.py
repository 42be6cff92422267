"""ImageFolder: the folder is the class, as torchvision and Ultralytics read it; train/, val/, test/ above.

A class that can't be a folder's name (`cat/dog`, `train`, `.x`) gets a folder that can, and
`darkroom-folders.json` says of each folder which class it is.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from itertools import takewhile
from posixpath import commonpath

from chalicelib.contract.errors import RejectedImageError

from ..annotations import Found, Problem, Where
from ..archive import Archive
from ..names import Named, is_safe_part
from .checks import Reading, RefusedError, class_name, safe_name
from .splits import split_named

MARKER = "darkroom-folders.json"
_MAX_MARKER_BYTES = 16_000_000
_MAX_FOLDER_BYTES = 200  # a disk's names have up to 255


def read(archive: Archive) -> Reading:
    marker = next((path for path in archive.names() if path.split("/")[-1] == MARKER), None)
    if marker is None:
        folders: dict[str, str] = {}
        base, tops = _layout(archive)
    else:
        # Ours: no class has a split's name there.
        base, tops = marker[: -len(MARKER)], None
        try:
            folders = _folders(archive.read(marker, _MAX_MARKER_BYTES))
        except (RejectedImageError, RefusedError) as error:
            yield Problem(Where(marker), error.code, str(error))
            return
    for path, _ in archive.images():
        yield from _image(path, path.removeprefix(base).split("/"), folders, tops)


def folder_of(name: str) -> str:
    """The folder of a class: its name, where every disk takes it and no reader means something else by it."""
    plain = (
        is_safe_part(name)
        and split_named(name) is None
        and len(name.encode()) <= _MAX_FOLDER_BYTES
        and not re.search("-[0-9a-f]{12}$", name)
    )
    if plain:
        return name
    readable = re.sub(r"[^\w-]+", "_", name)[:40]
    return f"{readable}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def image_path(named: Named) -> str:
    label = named.entry.label
    folder = folder_of(label) if isinstance(label, str) else "unlabelled"
    return "/".join([*([named.entry.split] if named.entry.split else []), folder, named.name])


def documents(classes: Sequence[str]) -> Iterator[tuple[str, Iterator[bytes]]]:
    folders = {folder_of(each): each for each in classes}
    document = {"format": "darkroom-folders", "version": 1, "folders": folders}
    yield MARKER, iter([json.dumps(document, ensure_ascii=False, indent=1).encode()])


def _image(path: str, parts: list[str], folders: dict[str, str], splits: frozenset[str] | None) -> Reading:
    where = Where(path)
    split = split_named(parts[0]) if len(parts) > 1 and (splits is None or parts[0] in splits) else None
    below = parts[1:] if split else parts
    label = None
    try:
        name = safe_name("/".join(below[1:] or below))
    except RefusedError as error:
        yield error.at(where)
        return
    try:
        label = class_name(folders.get(below[0], below[0])) if len(below) > 1 else None
    except RefusedError as error:
        yield error.at(where)
    yield Found(name, path, label, None, split, where)


def _folders(content: bytes) -> dict[str, str]:
    try:
        document = json.loads(content)
        if document["version"] == 1:
            return {str(folder): class_name(name) for folder, name in document["folders"].items()}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        pass
    raise RefusedError("bad-folders", f"{MARKER} can't be read: export again, or remove it")


def _layout(archive: Archive) -> tuple[str, frozenset[str]]:
    """The root folder, with its slash, and which folders at the top are splits."""
    root = _root(archive)
    depths: dict[str, set[int]] = {}
    for path, _ in archive.images():
        first, *rest = path.removeprefix(root).split("/")
        depths.setdefault(first if rest else "", set()).add(min(len(rest), 2))
    return root, _splits(depths)


def _root(archive: Archive) -> str:
    """The folders around all, with their slash: above the splits, and such that a class is left below."""
    folders = {path.rpartition("/")[0] for path, _ in archive.images()}
    shared = commonpath(folders or {""})
    # What images lie in directly is their class.
    around = shared.rpartition("/")[0] if shared in folders else shared
    parts = takewhile(lambda part: part and not split_named(part), around.split("/"))
    return "".join(f"{part}/" for part in parts)


def _splits(depths: dict[str, set[int]]) -> frozenset[str]:
    """Of the folders at the top those that are a split, not a class called `train` or `test`.

    Args:
        depths: folder -> how deep below it images lie: 1 in itself, 2 deeper.
    """
    named = {top for top in depths if split_named(top)}
    only_splits = named == depths.keys() - {""} and any(2 in depths[top] for top in named)
    return frozenset(top for top in named if only_splits or depths[top] == {2})
