"""What the use-cases need of a project's data: images, uploads, labels."""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Protocol

from ..contract.datasets import DatasetVersion
from ..contract.ids import FIRST, LAST
from ..contract.records import Image, Label, SplitName, Upload

#: Further names that are noted of one image: black frames of a video may come under thousands, and a
#: row has 400 KB.
MAX_ALIASES = 1000


@dataclass(frozen=True, slots=True)
class Known:
    """What labels need to know of an accepted image."""

    image_id: str
    file_names: tuple[str, ...]
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Original:
    """The image that a project has of some bytes, and the name under which they came first."""

    image_id: str
    file_name: str


class Images(Protocol):
    def get(self, project_id: str, image_id: str) -> Image | None: ...

    def accept(self, image: Image) -> str | None:
        """Adds an image unless the project has its bytes already.

        Returns the id of the image that has them, which is the image's own when this is a repeat,
        or None when it was added.
        """

    def record(self, image: Image) -> bool:
        """Adds what became of a file that wasn't accepted; a file that has a row keeps it: False."""

    def add_alias(self, project_id: str, image_id: str, file_name: str) -> None:
        """Notes a further name of an image's bytes, unless it has that name, or very many."""

    def find_by_sha256(self, project_id: str, hashes: Sequence[str]) -> Mapping[str, Original]:
        """hash -> image, of those that the project has."""

    def get_many(self, project_id: str, image_ids: Sequence[str]) -> Mapping[str, Image]:
        """id -> row, of those that there are; ceil(n / 100) reads."""

    def between(self, project_id: str, first: str, last: str, limit: int | None = None) -> Iterator[Image]:
        """Every row of an image with an id in that range, whatever its status, sorted by id."""

    def known(self, project_id: str, keys: Set[str] | None = None) -> Iterator[Known]:
        """Accepted images, a page of the query at a time: with `keys` those of such an id or name."""

    def set_splits(self, project_id: str, splits: Mapping[str, SplitName | None]) -> Sequence[bool]:
        """Keeps images for a part of the data set, or for none: image id -> split, 100 a call.

        For each whether it held: it does while the image is accepted.
        """

    def delete_many(self, images: Sequence[Image], expires_at: int) -> Sequence[bool]:
        """`delete` of many, 33 a call and more: for each whether it held."""

    def delete(self, image: Image, expires_at: int) -> bool:
        """Removes an image, its mark as known bytes and its label, and leaves a tombstone.

        Holds while the row is in the image's status; else it changes nothing.
        """


@dataclass(frozen=True, slots=True)
class Arrival:
    """What one read found of a file that landed: its row, if it has one already."""

    row: Image | None


class Arrivals(Protocol):
    def read(self, project_id: str, image_id: str) -> Arrival | None:
        """The project and the row in one round trip; None where the project is gone or deleted."""


class Uploads(Protocol):
    def add(self, upload: Upload, name_parts: Sequence[bytes], refused: Sequence[Image]) -> None:
        """Adds an upload, with the rows of those of its files that are refused at once."""

    def get(self, project_id: str, upload_id: str) -> Upload | None: ...

    def extend(self, upload: Upload, closes_at: str) -> bool:
        """Moves on when it closes; holds while it is kept, and closes no later already."""

    def names(self, upload: Upload, part: int) -> bytes:
        """One of the parts that `add` was given."""


class Labels(Protocol):
    def put(self, labels: Sequence[Label]) -> None:
        """ceil(n / 25) writes, in parallel; a repeat changes nothing."""

    def between(self, project_id: str, first: str, last: str) -> Mapping[str, Label]:
        """image id -> label, of the images with ids in that range."""

    def all(
        self, project_id: str, first: str = FIRST, last: str = LAST, limit: int | None = None
    ) -> Iterator[Label]:
        """Of the images with ids in that range, sorted by id; a page of the query at a time."""

    def replace(self, changes: Sequence[tuple[Label, Label]]) -> Sequence[bool]:
        """Puts the second of each pair, where the first is what is there still; 100 a call."""


class Versions(Protocol):
    def add(self, version: DatasetVersion) -> bool:
        """Adds a version; holds while no other of the project's has its name, compared case-folded."""

    def get(self, project_id: str, version_id: str) -> DatasetVersion | None: ...

    def list(
        self, project_id: str, limit: int, before: str | None, named: bool = False
    ) -> Sequence[DatasetVersion]:
        """Newest first, with ids before `before`; with `named` those alone that have a name."""
