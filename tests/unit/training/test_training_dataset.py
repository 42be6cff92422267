import hashlib
from dataclasses import dataclass, replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from tiny import make_entries

from chalicelib.contract.errors import TrainingError
from training_job.dataset import decode, load_dataset, load_splits
from training_job.manifest import Entry
from training_job.split import Split

[ENTRY] = make_entries("a")


@dataclass(frozen=True)
class FakeObjects:
    """A bucket in a dictionary."""

    bodies: dict[str, bytes]

    def get(self, key: str) -> bytes:
        return self.bodies[key]


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


def stored(count: int) -> tuple[FakeObjects, list[Entry]]:
    bodies = {f"k{index}": encoded(Image.new("L", (8, 8), index)) for index in range(count)}
    entries = make_entries(*("ab"[index % 2] for index in range(count)))
    return FakeObjects(bodies), [
        replace(e, sha256=hashlib.sha256(bodies[e.key]).hexdigest()) for e in entries
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
    objects.bodies["k1"] = objects.bodies["k2"]
    with pytest.raises(TrainingError, match=r"1\.png") as caught:
        load_dataset(objects, entries, ["a", "b"], 4, lambda: None)  # type: ignore[arg-type]
    assert caught.value.code == "changed-object"


def test_progress_of_both_splits_counts_up_to_one() -> None:
    """Progress is told after each image, over both splits, each of its own size."""
    objects, entries = stored(4)
    shares: list[float] = []
    split = Split(tuple(entries[:3]), tuple(entries[3:]))
    train, val = load_splits(objects, split, ["a", "b"], (5, 4), shares.append)  # type: ignore[arg-type]
    assert shares == [0.25, 0.5, 0.75, 1.0]
    assert (train.images.shape, val.images.shape) == ((3, 5, 5, 3), (1, 4, 4, 3))


def test_failing_callback_ends_the_download() -> None:
    """A wish to stop, raised by the callback, comes through."""
    objects, entries = stored(40)

    def stop() -> None:
        raise KeyError("stop")

    with pytest.raises(KeyError, match="stop"):
        load_dataset(objects, entries, ["a", "b"], 4, stop)  # type: ignore[arg-type]
