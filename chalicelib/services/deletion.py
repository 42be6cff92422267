"""Deleting images: the rows first, since no row may lack its object.

A crash in between leaves objects of deleted images. Their tombstones stay: deleting the same ids
again, or the images with the status `deleted`, removes those objects.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ..contract.errors import ConflictError, NotFoundError, UnprocessableError
from ..contract.ids import is_ulid
from ..contract.objects import image_key, thumbnail_key
from ..contract.records import Image, ImageStatus
from .data_ports import Images, Labels
from .filters import Filter, Finder
from .ports import Clock, ObjectStore
from .uploads import UPLOAD_KEPT

#: Images that one request deletes: the Images table takes their 20,000 writes within its 29 seconds.
MAX_DELETED = 5_000
#: With their thumbnails two calls of DeleteObjects: a crash leaves the objects of so many at most.
_IMAGES_A_STEP = 1000


@dataclass(frozen=True, slots=True)
class DeletionFailure:
    image_id: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Deleted:
    """How many of the images are gone now; with a cursor there are more."""

    deleted: int
    failures: list[DeletionFailure]
    cursor: str | None = None


class Deletion:
    def __init__(self, images: Images, labels: Labels, store: ObjectStore, clock: Clock) -> None:
        self._images = images
        self._finder = Finder(images, labels)
        self._store = store
        self._clock = clock

    def one(self, project_id: str, image_id: str) -> None:
        """Removes an image with its label and its objects.

        Raises:
            NotFoundError: there is none, or it was deleted before.
            ConflictError: the image changed at the same moment.
        """
        image = self._images.get(project_id, image_id) if is_ulid(image_id) else None
        if image is None:
            raise _not_found()
        if self._delete([image]):
            raise ConflictError("the image has just changed", code="image-changed", hint="Try again.")
        if image.status == ImageStatus.DELETED:
            raise _not_found()

    def by_ids(self, project_id: str, image_ids: Sequence[str]) -> Deleted:
        """Deletes these; an image that was deleted before is gone too, and whatever it left."""
        ids = list(dict.fromkeys(image_ids))
        failures: list[DeletionFailure] = []
        for start in range(0, len(ids), _IMAGES_A_STEP):
            step = ids[start : start + _IMAGES_A_STEP]
            rows = self._images.get_many(project_id, [each for each in step if is_ulid(each)])
            unknown = (each for each in step if each not in rows)
            failures += [DeletionFailure(each, "image-not-found", "no such image") for each in unknown]
            failures += self._delete(list(rows.values()))
        return Deleted(len(ids) - len(failures), failures)

    def by_filter(self, project_id: str, wanted: Filter, after: str | None = None) -> Deleted:
        """Deletes up to 5,000 of the images that match, those with ids after `after`.

        Raises:
            UnprocessableError: the filter says nothing.
        """
        if wanted == Filter():
            raise UnprocessableError(
                "an empty filter would delete every image",
                code="empty-filter",
                hint='If that is meant, send {"filter": {"status": "accepted"}}.',
            )
        found_images, failures, cursor = 0, list[DeletionFailure](), after
        for _ in range(MAX_DELETED // _IMAGES_A_STEP):
            found = self._finder.find(project_id, wanted, _IMAGES_A_STEP, cursor)
            failures += self._delete([image for image, _ in found.rows])
            found_images, cursor = found_images + len(found.rows), found.cursor
            if cursor is None:
                break
        return Deleted(found_images - len(failures), failures, cursor)

    def _delete(self, images: Sequence[Image]) -> list[DeletionFailure]:
        """Deletes at most a step's images, and returns those that had just changed."""
        expires_at = int((self._clock.now() + UPLOAD_KEPT).timestamp())
        present = [each for each in images if each.status != ImageStatus.DELETED]
        held = self._images.delete_many(present, expires_at)
        changed = {each.image_id for each, holds in zip(present, held, strict=True) if not holds}
        gone = [each for each in images if each.image_id not in changed]
        keys = (key(each.project_id, each.image_id) for each in gone for key in (image_key, thumbnail_key))
        self._store.delete(keys)
        return [
            DeletionFailure(each, "image-changed", "the image has just changed, or AWS is busy: try again")
            for each in sorted(changed)
        ]


def _not_found() -> NotFoundError:
    return NotFoundError("no such image", code="image-not-found")
