"""What is said of the data before anything is trained."""

from dataclasses import replace

import pytest
from tiny import make_entries

from chalicelib.contract.manifest import Entry
from chalicelib.contract.results import DataWarning
from training_job.checks import class_warnings, data_warnings, unreadable_images, usable_boxes
from training_job.split import Split, split_of


def figures(warnings: list[DataWarning]) -> list[tuple[str, int, list[str]]]:
    for each in warnings:
        assert each.message.startswith(f"{each.count} ")
    return [(each.code, each.count, each.examples) for each in warnings]


def boxed(entry: Entry, *boxes: list[float]) -> Entry:
    """An image of 8 x 8 pixels that shows cats."""
    return replace(entry, label=[{"label": "cat", "box": box} for box in boxes])


def test_classes_that_lack_images_are_named() -> None:
    """A single image, none to train on, none to validate with, few of both: each is its own warning."""
    labels = ["one", *["few"] * 3, *["many"] * 10]
    split = split_of(make_entries(*labels), share=0.2, seed=0)
    unknown = replace(make_entries("unknown")[0], split="test")
    assert figures(class_warnings(Split(split.train, split.val, (unknown,)))) == [
        ("single-image-classes", 2, ["one", "unknown"]),
        ("classes-not-trained", 1, ["unknown"]),
        ("classes-not-validated", 1, ["one"]),
        ("small-classes", 1, ["few"]),
    ]


def test_images_that_are_no_images_are_counted_and_ten_named() -> None:
    """The count is of all, the examples are file names."""
    assert unreadable_images([]) == []
    [found] = figures(unreadable_images(make_entries(*"a" * 12)))
    assert found == ("unreadable-images", 12, [f"{n}.png" for n in range(10)])


def test_good_data_are_not_warned_of() -> None:
    """Nothing is said of two classes with enough different images."""
    entries = [
        replace(
            each,
            sha256=f"{n:064x}",
            perceptual_hash=f"{(2 * n + 1) * 0x1F2E3D4C5B6A79880123456789ABCDEF % 2**128:032x}",
        )
        for n, each in enumerate(make_entries(*"ab" * 20))
    ]
    assert data_warnings(split_of(entries, share=0.3, seed=0)) == []


def test_copies_are_named() -> None:
    """Equal bytes, look-alikes, look-alikes across given splits, and look-alikes of two classes."""
    entries = make_entries(*"aaaabb" * 3)
    hashes = [f"{n * 0x0F1E2D3C4B5A69788796A5B4C3D2E1F0 % 2**128:032x}" for n in range(1, 19)]
    entries = [
        replace(each, sha256=f"{n:064x}", perceptual_hash=value)
        for n, (each, value) in enumerate(zip(entries, hashes, strict=True))
    ]
    entries[1] = replace(entries[1], sha256=entries[0].sha256, perceptual_hash=hashes[0])
    entries[3] = replace(entries[3], perceptual_hash=hashes[2], split="val")
    entries[2] = replace(entries[2], split="train")
    entries[4] = replace(entries[4], perceptual_hash=hashes[6])
    found = figures(data_warnings(split_of(entries, share=0.2, seed=0)))
    assert [each for each in found if "class" not in each[0]] == [
        ("duplicates", 2, ["0.png", "1.png"]),
        ("near-duplicates", 6, ["0.png", "1.png", "2.png", "3.png", "4.png", "6.png"]),
        ("duplicates-across-splits", 2, ["2.png", "3.png"]),
        ("label-conflicts", 2, ["4.png", "6.png"]),
    ]


@pytest.mark.parametrize(
    ("box", "usable"),
    [
        ([1, 2, 3, 4], [[1, 2, 3, 4]]),
        ([-2, 1, 6, 3], [[0, 1, 4, 3]]),
        ([6, 6, 4, 4], [[6, 6, 2, 2]]),
        ([9, 1, 2, 2], []),
        ([-3, 1, 2, 2], []),
        ([1, 1, 0, 3], []),
        ([1, 1, 3, -1], []),
    ],
)
def test_boxes_are_cut_at_the_border(box: list[float], usable: list[list[float]]) -> None:
    """What is inside of the image is kept; a box with nothing inside, or of no area, is left out."""
    [entry] = make_entries("x")
    assert usable_boxes(boxed(entry, box)) == [("cat", each) for each in usable]


def test_boxes_that_are_cut_or_left_out_are_counted() -> None:
    """Boxes are counted, images named; what a tool rounded by less than half a pixel is nothing."""
    entries = make_entries(*"abcd")
    train = (
        boxed(entries[0], [0, 0, 8.3, 8], [1, 1, 2, 2]),
        boxed(entries[1], [-2, 0, 4, 4], [6, 6, 9, 9], [1, 1, 0, 0]),
    )
    split = Split(train, (boxed(entries[2]), boxed(entries[3], [1, 1, 5, 0])))
    assert [each for each in figures(data_warnings(split)) if "boxes" in each[0]] == [
        ("boxes-outside", 2, ["1.png"]),
        ("boxes-without-area", 2, ["1.png", "3.png"]),
    ]
