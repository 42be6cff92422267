"""A project with images and labels, on fakes."""

from typing import Any

from chalicelib.bootstrap import assemble
from chalicelib.contract.ids import FIRST, ulid_at
from chalicelib.contract.records import Image
from tests.fakes import fake_ports
from tests.support import make_image, make_label

PROJECT = "P"


def image_id(number: int) -> str:
    return ulid_at(FIRST, 10_000 + number)


class DataWorld:
    def __init__(self, **overrides: Any) -> None:
        self.ports = fake_ports(**overrides)
        self.services = assemble(self.ports)

    def image(self, number: int, label: Any = None, **changes: Any) -> Image:
        """An image of that number with its two objects; labelled where there is a label."""
        image = make_image(PROJECT, image_id=image_id(number), **changes)
        assert self.ports.images.accept(image) is None
        for kind in ("images", "thumbnails"):
            self.ports.store.objects[f"projects/{PROJECT}/{kind}/{image.image_id}"] = b"pixels"
        if label is not None:
            self.label(number, label)
        return image

    def label(self, number: int, label: Any) -> None:
        """Stores a label, whether or not there is an image."""
        self.ports.labels.put([make_label(PROJECT, image_id(number), label)])

    def labels(self) -> dict[str, Any]:
        return {each.image_id: each.label for each in self.ports.labels.all(PROJECT)}
