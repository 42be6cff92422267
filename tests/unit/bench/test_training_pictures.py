"""The images that the training is measured on."""

import numpy as np
import pytest
from PIL import Image

from bench.training.pictures import CLASSES, Pictures, make, take

FEW = Pictures(train=20, val=10, height=32, width=40)


def test_images_are_the_same_every_time(tmp_path):
    """Two folders that were made apart hold the same pixels: every class, in both splits."""
    first, second = make(FEW, tmp_path / "a"), make(FEW, tmp_path / "b")
    files = sorted(path.relative_to(first) for path in first.glob("*/*/*"))
    assert len(files) == 30
    assert {path.parts[:2] for path in files} == {
        (split, name) for split in ("train", "val") for name in CLASSES
    }
    assert all((first / each).read_bytes() == (second / each).read_bytes() for each in files)
    with Image.open(first / files[0]) as image:
        assert image.size == (40, 32)


def test_images_that_are_there_stay(tmp_path):
    """What was made is used again, and is not made twice."""
    folder = make(FEW, tmp_path)
    marked = next(folder.glob("train/*/*"))
    marked.write_bytes(b"kept")
    assert make(FEW, tmp_path) == folder
    assert marked.read_bytes() == b"kept"


def test_classes_can_be_learnt(tmp_path):
    """The colours alone tell the warm classes from the cool ones far better than chance would."""
    folder = make(Pictures(train=200, val=10, height=32, width=32), tmp_path)
    right = [_is_warm(path) == ("warm" in path.parent.name) for path in folder.glob("train/*/*")]
    assert np.mean(right) > 0.7


def _is_warm(path) -> bool:
    with Image.open(path) as image:
        pixels = np.asarray(image, np.float64)
    return pixels[..., 0].std() > pixels[..., 2].std()


def test_photographs_of_a_folder_are_divided(tmp_path):
    """From a folder as many are drawn of each class as are wanted, and none is on both sides."""
    for name in ("cat", "dog"):
        (tmp_path / "source" / name).mkdir(parents=True)
        for index in range(12):
            (tmp_path / "source" / name / f"{index}.jpg").write_bytes(f"{name}{index}".encode())
    folder = take(tmp_path / "source", Pictures(train=16, val=4, height=1, width=1), tmp_path)
    contents = {
        split: {path.read_bytes() for path in folder.glob(f"{split}/*/*")} for split in ("train", "val")
    }
    assert (len(contents["train"]), len(contents["val"])) == (16, 4)
    assert not contents["train"] & contents["val"]


@pytest.mark.parametrize("name", CLASSES)
def test_the_file_of_a_class_is_a_jpeg_of_colours(tmp_path, name):
    """Each class's image decodes to three colours that differ."""
    folder = make(Pictures(train=10, val=10, height=32, width=32), tmp_path)
    with Image.open(next((folder / "train" / name).iterdir())) as image:
        pixels = np.asarray(image)
    assert pixels.shape == (32, 32, 3)
    assert (pixels[..., 0] != pixels[..., 2]).any()
