"""Which images are meant, and finding them a page at a time while the data changes."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from ..contract.ids import FIRST, LAST, ulid_at
from ..contract.records import Image, ImageStatus, Label, SplitName
from .classes import classes_of
from .data_ports import Images, Labels
from .joined import joined
from .names import composed

#: Files that one upload announces, and that one import, which is an upload too, may have.
MAX_UPLOAD_FILES, MAX_IMPORT_FILES = 10_000, 250_000
#: Rows that one page looks at, at most: a page may be short, or empty, and yet not the last.
MAX_EXAMINED = 20_000
_LARGEST_CHUNK = 4000

Row = tuple[Image, Label | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Filter:
    """What an image must be; None is any. Only an accepted image has a label or a split."""

    status: ImageStatus | None = None  # None is all but the deleted
    label: str | None = None  # a class; for detection, that of an object at least
    labelled: bool | None = None
    split: SplitName | Literal["none"] | None = None
    upload_id: str | None = None

    def matches(self, image: Image, label: Label | None) -> bool:
        return (
            (image.status == self.status if self.status else image.status != ImageStatus.DELETED)
            and self.upload_id in (None, image.upload_id)
            and (not self._is_of_data or image.status == ImageStatus.ACCEPTED)
            and self.split in (None, image.split or "none")
            and self.labelled in (None, label is not None)
            and (
                self.label is None or (label is not None and composed(self.label) in classes_of(label.label))
            )
        )

    def bounds(self) -> tuple[str, str]:
        """The ids between which such images stand; an upload's images have consecutive ids."""
        if self.upload_id is None:
            return FIRST, LAST
        return ulid_at(self.upload_id, 1), ulid_at(self.upload_id, MAX_IMPORT_FILES)

    @property
    def _is_of_data(self) -> bool:
        return any(each is not None for each in (self.label, self.labelled, self.split))


@dataclass(frozen=True, slots=True)
class Found:
    """`cursor` is the id of the last row that was looked at; None: there are no more."""

    rows: list[Row]
    cursor: str | None


class Finder:
    def __init__(self, images: Images, labels: Labels) -> None:
        self._images = images
        self._labels = labels

    def find(self, project_id: str, wanted: Filter, limit: int, after: str | None) -> Found:
        """Images with ids after `after`, by id; `limit` of them, or those among 20,000 rows.

        Whatever is added or deleted meanwhile, an image that matches throughout is in one page.
        """
        found: list[Row] = []
        examined, last = 0, None
        for image, label in islice(self._rows(project_id, wanted, limit, after), MAX_EXAMINED):
            examined, last = examined + 1, image.image_id
            if wanted.matches(image, label):
                found.append((image, label))
                if len(found) == limit:
                    return Found(found, last)
        return Found(found, last if examined == MAX_EXAMINED else None)

    def _rows(self, project_id: str, wanted: Filter, limit: int, after: str | None) -> Iterator[Row]:
        first, last = wanted.bounds()
        if after and after >= first:
            first = ulid_at(after, 1)
        size, full = limit, True
        while full and first <= last <= LAST:
            chunk = self._chunk(project_id, first, last, size)
            yield from chunk
            full = len(chunk) == size
            if full:
                first, size = ulid_at(chunk[-1][0].image_id, 1), min(4 * size, _LARGEST_CHUNK)

    def _chunk(self, project_id: str, first: str, last: str, size: int) -> list[Row]:
        """The first rows of a range, images and labels asked for at the same time."""
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(lambda: list(self._labels.all(project_id, first, last, size)))
            images = list(self._images.between(project_id, first, last, size))
            labels = asked.result()
        if images and len(labels) == size and labels[-1].image_id < images[-1].image_id:
            # Labels whose images are gone took the room of others.
            labels += self._labels.all(project_id, ulid_at(labels[-1].image_id, 1), images[-1].image_id)
        return list(joined(images, labels))
