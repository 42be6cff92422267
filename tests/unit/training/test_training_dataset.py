import hashlib
from dataclasses import dataclass, replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from tiny import make_entries

from chalicelib.contract.errors import TrainingError
from chalicelib.contract.manifest import Entry
from training_job.dataset import decode, load_dataset, load_splits
from training_job.split import Split, split_of

[ENTRY] = make_entries("a")


@dataclass(frozen=True)
class FakeImages:
    """Images in a dictionary, by id."""

    bodies: dict[str, bytes]

    def get(self, image_id: str) -> bytes:
        return self.bodies[image_id]


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def pixel(image: Image.Image, kind: str = "PNG", **options: object) -> list[int]:
    return decode(encoded(image, kind, **options), 4, ENTRY)[2, 2].tolist()


@pytest.mark.parametrize(
    ("image", "colour"),
    [
        (Image.new("RGB", (9, 5), (10, 20, 30)), [10, 20, 30]),
        (Image.new("L", (9, 5), 77), [77] * 3),
        (Image.new("RGBA", (9, 5), (0, 0, 0, 0)), [255] * 3),
        (Image.fromarray(np.full((5, 9), 0x8000, np.uint16)), [128] * 3),
        (Image.new("1", (9, 5), 1), [255] * 3),
    ],
    ids=["rgb", "grey", "transparent-on-white", "16-bit", "bitmap"],
)
def test_every_mode_becomes_rgb(image: Image.Image, colour: list[int]) -> None:
    """Images of any mode come out with the colours that a person sees."""
    assert pixel(image) == colour


def test_image_is_turned_upright() -> None:
    """The EXIF orientation is applied: what was stored on its side stands upright."""
    image = Image.new("RGB", (40, 40), "white")
    image.paste("black", (0, 0, 40, 20))  # the upper half
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise: the upper half becomes the right one
    array = decode(encoded(image, exif=exif), 8, ENTRY)
    assert array[4, 1].mean() > 200 > 50 > array[4, 6].mean()


def test_large_jpeg_keeps_its_colours() -> None:
    """A JPEG that is decoded at a fraction of its size looks the same."""
    assert pixel(Image.new("RGB", (1024, 512), (200, 100, 50)), "JPEG") == pytest.approx(
        [200, 100, 50], abs=3
    )


@pytest.mark.parametrize("body", [b"", b"text", encoded(Image.effect_noise((64, 64), 90))[:900]])
def test_unreadable_image_is_named(body: bytes) -> None:
    """A file that can't be decoded ends the run with the image's name."""
    with pytest.raises(TrainingError, match=r"0\.png") as caught:
        decode(body, 8, ENTRY)
    assert caught.value.code == "unreadable-image"


def stored(count: int) -> tuple[FakeImages, list[Entry]]:
    """Images of one grey level each, which counts up."""
    entries = make_entries(*("ab"[index % 2] for index in range(count)))
    bodies = {e.image_id: encoded(Image.new("L", (8, 8), index)) for index, e in enumerate(entries)}
    return FakeImages(bodies), [
        replace(e, sha256=hashlib.sha256(bodies[e.image_id]).hexdigest()) for e in entries
    ]


def test_each_image_lands_in_its_own_row() -> None:
    """However the downloads overtake one another, image and label stay together."""
    objects, entries = stored(40)
    dataset = load_dataset(objects, entries, ["a", "b"], 4, lambda: None)  # type: ignore[arg-type]
    assert dataset.images[:, 0, 0, 0].tolist() == list(range(40))
    assert dataset.labels.tolist() == [0, 1] * 20


def test_changed_object_is_refused() -> None:
    """Bytes other than those that were uploaded are not trained on."""
    objects, entries = stored(3)
    objects.bodies[entries[1].image_id] = objects.bodies[entries[2].image_id]
    with pytest.raises(TrainingError, match=r"1\.png") as caught:
        load_dataset(objects, entries, ["a", "b"], 4, lambda: None)  # type: ignore[arg-type]
    assert caught.value.code == "changed-object"


def test_progress_of_all_splits_counts_up_to_one() -> None:
    """Progress is told after each image, over the three splits, each of its own size."""
    objects, entries = stored(4)
    shares: list[float] = []
    split = Split(tuple(entries[:2]), tuple(entries[2:3]), tuple(entries[3:]))
    parts = load_splits(objects, split, ["a", "b"], (5, 4), shares.append)  # type: ignore[arg-type]
    assert shares == [0.25, 0.5, 0.75, 1.0]
    assert [part.images.shape for part in parts] == [(2, 5, 5, 3), (1, 4, 4, 3), (1, 4, 4, 3)]


def test_no_image_of_the_test_split_is_trained_on_or_validated_with() -> None:
    """The pixels of images that are kept for `test` are in the third data set alone."""
    objects, entries = stored(30)
    given = [replace(e, split="test" if index % 5 == 2 else None) for index, e in enumerate(entries)]
    split = split_of(given, share=0.3, seed=0)
    train, val, test = load_splits(
        objects,  # type: ignore[arg-type]
        split,
        ["a", "b"],
        (4, 4),
        lambda _: None,
    )
    greys = [set(part.images[:, 0, 0, 0].tolist()) for part in (train, val, test)]
    assert greys[2] == set(range(2, 30, 5))
    assert greys[0] | greys[1] == set(range(30)) - greys[2]


def test_failing_callback_ends_the_download() -> None:
    """A wish to stop, raised by the callback, comes through."""
    objects, entries = stored(40)

    def stop() -> None:
        raise KeyError("stop")

    with pytest.raises(KeyError, match="stop"):
        load_dataset(objects, entries, ["a", "b"], 4, stop)  # type: ignore[arg-type]
