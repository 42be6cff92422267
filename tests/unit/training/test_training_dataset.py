"""From entries to tensors: every image once, each in its row, what is no image left out."""

import hashlib
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
from PIL import Image
from tiny import encoded, make_entries

from chalicelib.contract.errors import TrainingError
from chalicelib.contract.manifest import Entry
from training_job.dataset import Loaded, load_images, load_splits
from training_job.split import Split, split_of


@dataclass(frozen=True)
class FakeImages:
    """Images in a dictionary, by id; `asked` is for which so far."""

    bodies: dict[str, bytes]
    seconds: float = 0
    asked: list[str] = field(default_factory=list)

    def get(self, image_id: str) -> bytes:
        self.asked.append(image_id)
        time.sleep(self.seconds)
        return self.bodies[image_id]


def stored(count: int) -> tuple[FakeImages, list[Entry]]:
    """Images of one grey level each, which counts up."""
    entries = make_entries(*("ab"[index % 2] for index in range(count)))
    bodies = {e.image_id: encoded(Image.new("L", (8, 8), index)) for index, e in enumerate(entries)}
    return FakeImages(bodies), [
        replace(e, sha256=hashlib.sha256(bodies[e.image_id]).hexdigest()) for e in entries
    ]


def loaded(images: FakeImages, *parts: Sequence[Entry], gigabytes: float = 1) -> Loaded:
    return load_images(images, [(each, 4) for each in parts], lambda _: None, cache_gigabytes=gigabytes)


def spoil(images: FakeImages, entry: Entry) -> Entry:
    """Makes an image of it that can't be decoded, and was no other when it was uploaded."""
    images.bodies[entry.image_id] = b"no image"
    return replace(entry, sha256=hashlib.sha256(b"no image").hexdigest())


@pytest.mark.parametrize("gigabytes", [1, 0], ids=["memory", "disk"])
def test_each_image_lands_in_its_own_row(gigabytes: float) -> None:
    """However the downloads overtake one another, each image is in its part and its row."""
    images, entries = stored(40)
    found = loaded(images, entries[:30], entries[30:], gigabytes=gigabytes)
    greys = [part.pixels[:, 0, 0, 0].tolist() for part in found.parts]
    assert greys == [list(range(30)), list(range(30, 40))]
    assert (found.cache.bytes, found.cache.place) == (40 * 4 * 4 * 3, "memory" if gigabytes else "disk")
    assert sorted(images.asked) == [each.image_id for each in entries]


def test_what_is_no_image_is_left_out() -> None:
    """The others stay together with their entries, in their order; the lost ones are named."""
    images, entries = stored(20)
    entries = [spoil(images, each) if n in (0, 7, 8, 19) else each for n, each in enumerate(entries)]
    found = loaded(images, entries[:10], entries[10:])
    for part in found.parts:
        assert part.pixels[:, 0, 0, 0].tolist() == [int(each.image_id) for each in part.entries]
    assert [len(part.entries) for part in found.parts] == [7, 9]
    assert found.unreadable == [entries[n] for n in (0, 7, 8, 19)]


def test_a_class_that_is_lost_is_missed() -> None:
    """When none of a class can be decoded, what is left says itself that it can't be trained on."""
    images, entries = stored(8)
    entries = [spoil(images, each) if each.label == "b" else each for each in entries]
    split = split_of(entries, share=0.5, seed=0)
    split.check()
    data = load_splits(images, split, ["a", "b"], (4, 4), lambda _: None, cache_gigabytes=1)
    assert [(each.code, each.count) for each in data.warnings if "unreadable" in each.code] == [
        ("unreadable-images", 4)
    ]
    with pytest.raises(TrainingError, match="one class, 'a'"):
        data.split.check()


def test_a_changed_object_ends_the_run() -> None:
    """One image with other bytes than the manifest's is enough."""
    images, entries = stored(3)
    images.bodies[entries[1].image_id] = images.bodies[entries[2].image_id]
    with pytest.raises(TrainingError, match=r"1\.png") as caught:
        loaded(images, entries)
    assert caught.value.code == "changed-object"


def test_progress_of_all_splits_counts_up_to_one() -> None:
    """Progress is told after each image, over the three splits, each of its own size and with its classes."""
    images, entries = stored(4)
    shares: list[float] = []
    split = Split(tuple(entries[:2]), tuple(entries[2:3]), tuple(entries[3:]))
    data = load_splits(images, split, ["a", "b"], (5, 4), shares.append, cache_gigabytes=1)
    assert [each for each in shares if each] == [0.25, 0.5, 0.75, 1.0]
    parts = (data.train, data.val, data.test)
    assert [part.images.shape for part in parts] == [(2, 5, 5, 3), (1, 4, 4, 3), (1, 4, 4, 3)]
    assert [part.labels.tolist() for part in parts] == [[0, 1], [0], [1]]
    assert data.split is split


def test_no_image_of_the_test_split_is_trained_on_or_validated_with() -> None:
    """The pixels of images that are kept for `test` are in the third data set alone."""
    images, entries = stored(30)
    given = [replace(e, split="test" if index % 5 == 2 else None) for index, e in enumerate(entries)]
    split = split_of(given, share=0.3, seed=0)
    data = load_splits(images, split, ["a", "b"], (4, 4), lambda _: None, cache_gigabytes=1)
    greys = [set(part.images[:, 0, 0, 0].tolist()) for part in (data.train, data.val, data.test)]
    assert greys[2] == set(range(2, 30, 5))
    assert greys[0] | greys[1] == set(range(30)) - greys[2]


def test_a_wish_to_stop_ends_the_download() -> None:
    """What the callback raises comes through at once; most images are never asked for."""
    images, entries = stored(400)

    def stop(_: float) -> None:
        raise KeyError("stop")

    with pytest.raises(KeyError, match="stop"):
        load_images(replace(images, seconds=0.02), [(entries, 4)], stop, cache_gigabytes=1)
    assert len(images.asked) < 100


def test_a_download_that_stands_still_is_heard_of() -> None:
    """While no image arrives the callback is called all the same: for the heartbeat, and for a stop."""
    images, entries = stored(1)
    held = threading.Event()

    @dataclass(frozen=True)
    class Stuck:
        def get(self, image_id: str) -> bytes:
            held.wait(10)
            return images.get(image_id)

    shares: list[float] = []

    def on_progress(share: float) -> None:
        shares.append(share)
        held.set()

    load_images(Stuck(), [(entries, 4)], on_progress, cache_gigabytes=1)
    assert shares == [0.0, 1.0]
