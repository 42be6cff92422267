"""A folder as Pascal VOC has it: `images/`, and an XML file for each in `annotations/`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from xml.etree import ElementTree

from PIL import Image

from chalicelib.contract.manifest import Entry

_CORNERS = ("xmin", "ymin", "xmax", "ymax")


@dataclass(frozen=True, slots=True)
class VocFolder:
    """Images by id, with their boxes: an `ImageSource`."""

    paths: Mapping[str, Path]
    entries: tuple[Entry, ...]

    @classmethod
    def read(cls, folder: Path) -> Self:
        annotations = sorted((folder / "annotations").glob("*.xml"))
        roots = [ElementTree.parse(path).getroot() for path in annotations]  # noqa: S314 - one's own files
        paths = [folder / "images" / (root.findtext("filename") or "") for root in roots]
        entries = tuple(_entry(*pair) for pair in zip(paths, roots, strict=True))
        return cls({entry.image_id: path for entry, path in zip(entries, paths, strict=True)}, entries)

    def get(self, image_id: str) -> bytes:
        return self.paths[image_id].read_bytes()


def _entry(path: Path, root: ElementTree.Element) -> Entry:
    with Image.open(path) as image:  # the annotation's own size is wrong where somebody resized
        width, height = image.size
    objects = [{"label": each.findtext("name") or "", "box": _box(each)} for each in root.iter("object")]
    return Entry(
        image_id=path.stem,
        file_name=path.name,
        label=objects,
        sha256="",
        size_bytes=path.stat().st_size,
        width=width,
        height=height,
    )


def _box(element: ElementTree.Element) -> list[float]:
    left, top, right, bottom = (float(element.findtext(f"bndbox/{name}") or 0) for name in _CORNERS)
    return [left, top, right - left, bottom - top]
