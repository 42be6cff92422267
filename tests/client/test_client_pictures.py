"""What is found in a folder, and what is said of it."""

import os
from hashlib import sha256
from pathlib import Path

import pytest
from darkroom.errors import ConfigurationError, UploadError
from darkroom.progress import Progress
from darkroom.upload.labels import read_labels, wanted_of
from darkroom.upload.pictures import Picture, content_type_of, search

from tests.images import image

PNG = image()


def put(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def pictures(*names: str) -> list[Picture]:
    return [
        Picture(path=Path(each), name=each, content_type="image/png", size_bytes=1, changed_ns=0, sha256=each)
        for each in names
    ]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"])
def test_each_format_is_told_by_its_content(kind: str) -> None:
    """As the server does; a name says nothing."""
    assert content_type_of(image(kind=kind)[:12]) == f"image/{kind.lower()}"


@pytest.mark.parametrize("head", [b"", b"hello world!", b"%PDF-1.7", b"RIFF....WAVE", b"\x89PNG"])
def test_what_is_no_image_is_none(head: bytes) -> None:
    """Nor what only begins like one."""
    assert content_type_of(head) is None


def test_images_are_found_below_a_folder(tmp_path: Path) -> None:
    """In the order of their names, with their hash; hidden files and folders are passed over."""
    put(tmp_path, dict.fromkeys(["cat/b.dat", "a.png", ".hidden", ".git/x.png", "__MACOSX/y.png"], PNG))
    told: list[Progress] = []
    found = search(tmp_path, told.append)
    assert [each.name for each in found.pictures] == ["a.png", "cat/b.dat"]
    assert {each.sha256 for each in found.pictures} == {sha256(PNG).hexdigest()}
    assert told[-1] == Progress("hashing", 2, 2, "files")


def test_a_lie_is_a_problem_and_another_file_is_not(tmp_path: Path) -> None:
    """What is called an image and is none is reported; a text beside the images is only counted."""
    put(tmp_path, {"a.png": PNG, "b.jpg": b"text", "c.png": b"", "labels.csv": b"a,b"})
    found = search(tmp_path)
    assert {each.file_name: each.message for each in found.problems} == {
        "b.jpg": "it is called .jpg, and is no image",
        "c.png": "the file is empty",
    }
    assert found.ignored == 1


def test_one_image_is_a_folder_of_one(tmp_path: Path) -> None:
    """Then its name is its own."""
    put(tmp_path, {"cat/a.png": PNG})
    assert [each.name for each in search(tmp_path / "cat" / "a.png").pictures] == ["a.png"]


@pytest.mark.parametrize(
    ("files", "about"),
    [({}, "is empty"), ({"a.txt": b"x", "b.png": b"y"}, r"no image in .* 2 other files")],
)
def test_a_folder_without_images_is_refused(tmp_path: Path, files: dict[str, bytes], about: str) -> None:
    """With what is taken."""
    with pytest.raises(UploadError, match=about) as caught:
        search(put(tmp_path, files))
    assert "JPEG" in str(caught.value.hint)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """By its path."""
    with pytest.raises(UploadError, match=r"there is no .*pets"):
        search(tmp_path / "pets")


def test_what_is_no_file_is_passed_over(tmp_path: Path) -> None:
    """A pipe would never end, and a link to the folder itself neither."""
    put(tmp_path, {"a.png": PNG})
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "around").symlink_to(tmp_path)
    (tmp_path / "broken.png").symlink_to(tmp_path / "nowhere")
    assert [each.name for each in search(tmp_path).pictures] == ["a.png"]


def test_names_are_composed_and_told_apart(tmp_path: Path) -> None:
    """é typed in two ways is one name, and the second file with it a problem."""
    put(tmp_path, {"é.png": PNG, "e\u0301.png": image(9)})
    found = search(tmp_path)
    assert [each.name for each in found.pictures] == ["é.png"]
    assert [each.code for each in found.problems] == ["ambiguous-name"]


def test_a_name_in_bytes_that_are_no_text_can_be_sent(tmp_path: Path) -> None:
    """Linux takes any bytes for a name; what is sent is UTF-8."""
    (tmp_path / "\udcff.png").write_bytes(PNG)
    [found] = search(tmp_path).pictures
    assert found.name == "?.png"


def test_the_subfolder_is_the_class() -> None:
    """The first one; what lies in none has no label."""
    wanted = wanted_of("folders", pictures("a.png", "cat/b.png", "dog/garden/c.png"))
    assert wanted.labels == {"cat/b.png": "cat", "dog/garden/c.png": "dog"}
    assert not wanted.splits


def test_train_val_and_test_above_the_classes_are_splits() -> None:
    """As ImageFolder has them."""
    wanted = wanted_of("folders", pictures("train/cat/a.png", "Valid/cat/b.png", "test/dog/x/c.png"))
    assert set(wanted.labels.values()) == {"cat", "dog"}
    assert wanted.splits == {"train/cat/a.png": "train", "Valid/cat/b.png": "val", "test/dog/x/c.png": "test"}


@pytest.mark.parametrize("names", [("train/a.png", "test/b.png"), ("train/a/b.png", "bus/c.png")])
def test_a_class_may_be_called_train(names: tuple[str, ...]) -> None:
    """Where images lie in it directly, or other classes beside it."""
    wanted = wanted_of("folders", pictures(*names))
    assert set(wanted.labels.values()) == {each.split("/")[0] for each in names}
    assert not wanted.splits


@pytest.mark.parametrize(
    "text",
    [
        "a.png,cat\ncat/b.png,dog,val\n",
        "file;class;split\na.png;cat;\nb.png;dog;validation\n",
        "\ufeffLabel\tFilename\tsplit\ncat\ta.png\ndog\t.\\cat\\b.png\tval\n",
    ],
)
def test_labels_of_a_csv(tmp_path: Path, text: str) -> None:
    """With or without a header, by the path or the name alone, with whatever delimiter."""
    path = tmp_path / "labels.csv"
    path.write_text(text, encoding="utf-8")
    wanted = wanted_of(path, pictures("a.png", "cat/b.png"))
    assert wanted.labels == {"a.png": "cat", "cat/b.png": "dog"}
    assert wanted.splits == {"cat/b.png": "val"}
    assert not wanted.problems


def test_labels_of_a_json(tmp_path: Path) -> None:
    """As the API takes them, or without the member around them; boxes too."""
    boxes = [{"label": "cat", "box": [1, 2, 3, 4]}]
    path = tmp_path / "labels.json"
    for text in ('{"labels": {"a.png": %s}}', '{"a.png": %s}'):
        path.write_text(text % '[{"label": "cat", "box": [1, 2, 3, 4]}]')
        assert wanted_of(path, pictures("a.png")).labels == {"a.png": boxes}


@pytest.mark.parametrize(
    ("name", "text", "about"),
    [
        ("x.json", "{", "no JSON"),
        ("x.json", "[]", "isn't of the form"),
        ("x.json", '{"a.png": 5}', "isn't of the form"),
        ("x.csv", "a.png\n", "line 1: a row has a file and a class"),
        ("x.csv", "file,class\na.png,cat\n,dog\n", "line 3"),
        ("x.csv", "a.png,cat,holdout", "'holdout' is none of train, val and test"),
        ("x.csv", "\xff", "cannot read"),
    ],
)
def test_a_file_of_labels_that_is_wrong_is_named(tmp_path: Path, name: str, text: str, about: str) -> None:
    """With the line, or what was expected."""
    (tmp_path / name).write_text(text, encoding="latin-1")
    with pytest.raises(ConfigurationError, match=about):
        read_labels(tmp_path / name)


def test_a_label_of_nothing_is_a_problem() -> None:
    """Also one that could be meant for several images."""
    wanted = wanted_of({"x.png": "cat", "b.png": "dog"}, pictures("1/b.png", "2/b.png"))
    assert [(each.file_name, each.code) for each in wanted.problems] == [
        ("x.png", "no-such-file"),
        ("b.png", "ambiguous-name"),
    ]
    assert not wanted.labels
