"""The images of a project as they are shown, with their labels."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..contract.errors import NotFoundError
from ..contract.ids import FIRST, LAST, is_ulid, ulid_at
from ..contract.objects import image_key, thumbnail_key
from ..contract.records import Image, ImageStatus, Label, LabelValue
from .data_ports import Images, Labels
from .filters import Filter, Finder
from .ports import ANY_TYPE, ObjectStore

URL_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Shown:
    """An image as the API shows it; the URLs are signed, for an hour."""

    image: Image
    label: LabelValue | None
    url: str | None
    thumbnail_url: str | None


@dataclass(frozen=True, slots=True)
class Labelled:
    label: Label
    file_name: str | None


def sign_thumbnail(store: ObjectStore, project_id: str, image_id: str) -> str:
    """The URL of a thumbnail, for an hour; it can be shown."""
    return store.sign_get(thumbnail_key(project_id, image_id), URL_SECONDS, content_type="image/jpeg")


class Gallery:
    def __init__(self, images: Images, labels: Labels, store: ObjectStore) -> None:
        self._images = images
        self._labels = labels
        self._store = store

    def list(
        self, project_id: str, limit: int, after: str | None, wanted: Filter
    ) -> tuple[Sequence[Shown], str | None]:
        """A page of images, and the cursor of the next; see `Finder.find`."""
        found = Finder(self._images, self._labels).find(project_id, wanted, limit, after)
        return [self._show(image, label) for image, label in found.rows], found.cursor

    def get(self, project_id: str, image_id: str) -> Shown:
        image = self._images.get(project_id, image_id) if is_ulid(image_id) else None
        if image is None or image.status == ImageStatus.DELETED:
            raise NotFoundError("no such image", code="image-not-found")
        return self._show(image, self._labels.between(project_id, image_id, image_id).get(image_id))

    def export(self, project_id: str, limit: int, after: str | None) -> tuple[Sequence[Labelled], str | None]:
        """A page of labels with the file names of their images, and the cursor of the next."""
        first = ulid_at(after, 1) if after else FIRST
        labels = list(self._labels.all(project_id, first, LAST, limit)) if first <= LAST else []
        images = self._images.get_many(project_id, [each.image_id for each in labels])
        shown = [
            Labelled(each, images[each.image_id].file_name)
            for each in labels
            # A label that was stored while its image was being deleted is nobody's.
            if each.image_id in images and images[each.image_id].status == ImageStatus.ACCEPTED
        ]
        return shown, labels[-1].image_id if len(labels) == limit else None

    def _show(self, image: Image, label: Label | None) -> Shown:
        if image.status != ImageStatus.ACCEPTED:
            return Shown(image, None, None, None)
        key, kind = image_key(image.project_id, image.image_id), image.content_type or ANY_TYPE
        return Shown(
            image,
            label.label if label else None,
            self._store.sign_get(key, URL_SECONDS, image.file_name, kind),
            sign_thumbnail(self._store, image.project_id, image.image_id),
        )
