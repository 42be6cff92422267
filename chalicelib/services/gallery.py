"""The images of a project, with their labels: listing, deleting, counting."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ..contract.errors import ConflictError, NotFoundError
from ..contract.ids import FIRST, LAST, is_ulid
from ..contract.objects import image_key, thumbnail_key
from ..contract.records import Image, ImageStatus, Label, LabelValue
from .data_ports import Images, Labels
from .ports import Clock, ObjectStore
from .uploads import UPLOAD_KEPT

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


@dataclass(frozen=True, slots=True)
class Summary:
    images: int
    labelled: int
    duplicates: int
    rejected: int
    size_bytes: int
    classes: dict[str, int]  # images a class; an image with boxes counts once for each of its classes
    warnings: list[str]


class Gallery:
    def __init__(self, images: Images, labels: Labels, store: ObjectStore, clock: Clock) -> None:
        self._images = images
        self._labels = labels
        self._store = store
        self._clock = clock

    def list(self, project_id: str, limit: int, after: str | None, status: ImageStatus | None) -> list[Shown]:
        images = self._images.list(project_id, limit, after, status)
        if not images:
            return []
        labels = self._labels.between(project_id, images[0].image_id, images[-1].image_id)
        return [self._show(each, labels.get(each.image_id)) for each in images]

    def get(self, project_id: str, image_id: str) -> Shown:
        image = self._find(project_id, image_id)
        return self._show(image, self._labels.between(project_id, image_id, image_id).get(image_id))

    def delete(self, project_id: str, image_id: str) -> None:
        """Removes an image with its label and its objects; the rows first: no row may lack its object.

        Raises:
            ConflictError: the image changed, or was deleted, at the same moment.
        """
        image = self._find(project_id, image_id)
        if not self._images.delete(image, int((self._clock.now() + UPLOAD_KEPT).timestamp())):
            raise ConflictError("the image has just changed", code="image-changed", hint="Try again.")
        self._store.delete([image_key(project_id, image_id), thumbnail_key(project_id, image_id)])

    def export(self, project_id: str, limit: int, after: str | None) -> Sequence[Labelled]:
        """A page of labels with the file names of their images."""
        labels = self._labels.page(project_id, limit, after)
        if not labels:
            return []
        images = self._images.between(project_id, labels[0].image_id, labels[-1].image_id)
        names = {each.image_id: each.file_name for each in images}
        return [Labelled(each, names.get(each.image_id)) for each in labels]

    def summary(self, project_id: str) -> Summary:
        states: Counter[str] = Counter()
        accepted: set[str] = set()
        size_bytes = 0
        for image in self._images.between(project_id, FIRST, LAST):
            states[image.status] += 1
            if image.status == ImageStatus.ACCEPTED:
                accepted.add(image.image_id)
                size_bytes += image.size_bytes or 0
        classes: Counter[str] = Counter()
        labelled = 0
        for label in self._labels.all(project_id):
            if label.image_id in accepted:
                labelled += 1
                classes.update(classes_of(label.label))
        return Summary(
            images=len(accepted),
            labelled=labelled,
            duplicates=states[ImageStatus.DUPLICATE],
            rejected=states[ImageStatus.REJECTED],
            size_bytes=size_bytes,
            classes=dict(sorted(classes.items())),
            warnings=_warnings(len(accepted), labelled, classes),
        )

    def _find(self, project_id: str, image_id: str) -> Image:
        image = self._images.get(project_id, image_id) if is_ulid(image_id) else None
        if image is None or image.status == ImageStatus.DELETED:
            raise NotFoundError("no such image", code="image-not-found")
        return image

    def _show(self, image: Image, label: Label | None) -> Shown:
        if image.status != ImageStatus.ACCEPTED:
            return Shown(image, None, None, None)
        return Shown(
            image,
            label.label if label else None,
            self._store.sign_get(image_key(image.project_id, image.image_id), URL_SECONDS, image.file_name),
            self._store.sign_get(thumbnail_key(image.project_id, image.image_id), URL_SECONDS),
        )


def classes_of(label: LabelValue) -> set[str]:
    """The classes that a label names."""
    return {label} if isinstance(label, str) else {each["label"] for each in label}


def _warnings(images: int, labelled: int, classes: Counter[str]) -> list[str]:
    found = []
    if labelled < images:
        found.append(f"{images - labelled} of {images} images have no label")
    single = sorted(name for name, count in classes.items() if count == 1)
    if single:
        found.append(f"classes with a single image can't be validated: {', '.join(single[:10])}")
    if classes and max(classes.values()) >= 10 * min(classes.values()):
        found.append("the largest class has ten times the images of the smallest: try classWeights balanced")
    return found
