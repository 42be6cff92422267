"""What the use-cases need of a project's data: images, uploads, labels."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..contract.records import Image, ImageStatus, Label, Upload


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

    def record(self, image: Image) -> None:
        """Adds what became of a file that wasn't accepted; a file that has a row keeps it."""

    def add_alias(self, project_id: str, image_id: str, file_name: str) -> None:
        """Notes a further name of an image's bytes, unless it has that name."""

    def find_by_sha256(self, project_id: str, hashes: Sequence[str]) -> Mapping[str, Original]:
        """hash -> image, of those that the project has."""

    def list(
        self, project_id: str, limit: int, after: str | None, status: ImageStatus | None
    ) -> Sequence[Image]:
        """Oldest first, ids after `after`; without `status` all but the deleted."""

    def between(self, project_id: str, first: str, last: str) -> Iterator[Image]:
        """Every row of an image with an id in that range, whatever its status."""

    def known(self, project_id: str) -> Iterator[Known]:
        """Every accepted image, a page of the query at a time."""

    def delete(self, image: Image, expires_at: int) -> bool:
        """Removes an image, its mark as known bytes and its label, and leaves a tombstone.

        Holds while the row is in the image's status; else it changes nothing.
        """


class Uploads(Protocol):
    def add(self, upload: Upload, name_parts: Sequence[bytes], refused: Sequence[Image]) -> None:
        """Adds an upload, with the rows of those of its files that are refused at once."""

    def get(self, project_id: str, upload_id: str) -> Upload | None: ...

    def names(self, upload: Upload, part: int) -> bytes:
        """One of the parts that `add` was given."""


class Labels(Protocol):
    def put(self, labels: Sequence[Label]) -> None:
        """ceil(n / 25) writes, in parallel; a repeat changes nothing."""

    def between(self, project_id: str, first: str, last: str) -> Mapping[str, Label]:
        """image id -> label, of the images with ids in that range."""

    def all(self, project_id: str) -> Iterator[Label]:
        """A page of the query at a time."""

    def page(self, project_id: str, limit: int, after: str | None) -> Sequence[Label]: ...
