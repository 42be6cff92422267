"""What is exported and imported again is the same, in every format."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.contract.errors import RejectedImageError
from chalicelib.services.names import class_name_problem, composed, file_name
from data_job.annotations import Found
from data_job.formats import NEEDS_IMAGES, SUPPORTED, detect
from data_job.names import is_safe_part, named

from .archives import Item, entries_of, exported, found_in, opened

#: Names that mean something to a reader, a disk or a syntax.
NASTY_CLASSES = (
    *("cat/dog", "a\\b", 'say "hi"', "it's", "100%", "%41", ".hidden", "..", "😀🐈", "train", "VAL", "007"),
    *(
        "a,b",
        "a;b",
        "a\tb".replace("\t", " "),
        "no",
        "null",
        "~",
        "- x",
        "a: b",
        "#1",
        "&x",
        "*x",
        "{a}",
        "<b>&",
    ),
    *(
        "images",
        "con",
        "é",
        "=1+1",
        "x" * 100,
        "🐈" * 100,
        "cat_dog-000000000000",
        "__MACOSX",
        "a.jpg",
        "\u2028",
    ),
)
NASTY_NAMES = (
    *("a.jpg", "A.JPG", "a.png", "a", "sub/a.jpg", "sub/deep/a.jpg", "images/a.jpg", "JPEGImages/a.jpg"),
    *("train/a.jpg", "val/test/a.jpg", "labels/a.txt", "labels.csv", "with space.jpg", " a.jpg", "a.jpg "),
    *(
        "a,b.jpg",
        "a;b.jpg",
        'a"b.jpg',
        "a'b.jpg",
        "100%.jpg",
        ".hidden.jpg",
        "ü.jpg",
        "猫.jpg",
        "😀.jpg",
        "a\\b.jpg",
    ),
    *(
        "con.jpg",
        "C:x.jpg",
        "a.zip",
        "a.jpg/b.jpg",
        "darkroom.json",
        "x" * 251 + ".jpg",
        "a.b.c.jpg",
        "-a.jpg",
    ),
    *("Annotations/a.jpg", "images/images/a.jpg", "#a.jpg", "a\u2028b.jpg", "a..jpg", "file", "Thumbs.db"),
)


def _is_class(name: str) -> bool:
    return class_name_problem(name) is None and not re.search("[\ufffe\uffff]", name)


def _is_name(name: str) -> bool:
    try:
        return file_name(name) == name
    except RejectedImageError:
        return False


CLASSES = st.sampled_from(NASTY_CLASSES) | st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Cn")), min_size=1, max_size=12
)
CLASSES = CLASSES.map(lambda text: composed(text.strip())).filter(_is_class)
NAMES = st.sampled_from(NASTY_NAMES) | st.text(
    st.sampled_from("ab.AB/ ,;%\"'é\u0301猫-_#") | st.characters(codec="utf-8"), min_size=1, max_size=14
)
NAMES = NAMES.map(composed).filter(_is_name)
SPLITS = st.sampled_from((None, "train", "val", "test"))
SIDES = st.integers(1, 20_000)


@st.composite
def boxes(draw, width: int, height: int, classes) -> list[dict]:
    def box():
        left = draw(st.floats(0, width, exclude_max=True, allow_subnormal=False))
        top = draw(st.floats(0, height, exclude_max=True, allow_subnormal=False))
        wide = draw(st.floats(0.001, 1)) * (width - left)
        high = draw(st.floats(0.001, 1)) * (height - top)
        return [left, top, min(wide, width - left), min(high, height - top)]

    drawn = [{"label": draw(classes), "box": box()} for _ in range(draw(st.integers(0, 4)))]
    # A box too thin for a float to hold its far side has no area left in formats that keep corners.
    return [each for each in drawn if min(each["box"][2:]) > 1e-6]


@st.composite
def items(draw, task_type: str) -> list[Item]:
    classes = st.sampled_from(draw(st.lists(CLASSES, min_size=1, max_size=4)))
    made = []
    for name in draw(st.lists(NAMES, min_size=1, max_size=6)):
        width, height = draw(SIDES), draw(SIDES)
        label = draw(classes if task_type == "classification" else boxes(width, height, classes))
        made.append(Item(name, label, draw(SPLITS), width, height))
    return made


def _compare(item: Item, found: Found) -> None:
    assert found.split == item.split
    if isinstance(item.label, str):
        assert found.label == item.label
        return
    assert found.label is None
    assert found.boxes is not None
    assert [each.label for each in found.boxes] == [each["label"] for each in item.label]
    for box, each in zip(found.boxes, item.label, strict=True):
        read = box.in_pixels(item.width, item.height)
        assert read == pytest.approx(each["box"], abs=0.5)
        assert read[0] >= 0
        assert read[1] >= 0
        assert read[0] + read[2] <= item.width
        assert read[1] + read[3] <= item.height


@pytest.mark.parametrize(("format", "task_type"), sorted(SUPPORTED))
def test_what_is_exported_comes_back(format, task_type):
    """Labels, names, splits and boxes survive, whatever they are called, and the format is recognised."""

    @settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
    @given(items(task_type))
    def survives(made):
        files, names = exported(format, task_type, made)
        with opened(files) as archive:
            as_folders = format == "yolo" and task_type == "classification"
            assert detect(archive) == ("imagefolder" if as_folders else format)
        found = found_in(format, files)
        assert len(found) == len(made)
        by_name = {each.name: each for each in found}
        for item, name in zip(made, names, strict=True):
            # Darkroom's own format keeps also names that no disk takes.
            kept = item.file_name if format == "darkroom" else name.name
            again = next(
                (each for each in found if each.name == kept and (each.path or "").endswith(name.name)), None
            )
            assert again is not None, (kept, sorted(by_name))
            assert again.path in files
            _compare(item, again)

    survives()


@pytest.mark.parametrize(("format", "task_type"), sorted(SUPPORTED))
def test_labels_alone_come_back(format, task_type):
    """Without images an export still says everything of them, but for formats whose folders say it."""

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(items(task_type))
    def survives(made):
        files, names = exported(format, task_type, made, with_images=False)
        found = found_in(format, files)
        assert [each.path for each in found] == [None] * len(made)
        kept = [
            item.file_name if format == "darkroom" else name.name
            for item, name in zip(made, names, strict=True)
        ]
        assert sorted(each.name for each in found) == sorted(kept)

    if format not in NEEDS_IMAGES:
        survives()
    else:
        files, _ = exported(format, task_type, [Item("a.jpg", "cat" if task_type[0] == "c" else [])], False)
        with opened(files) as archive:
            assert not list(archive.images())


@settings(max_examples=200, deadline=None)
@given(st.lists(NAMES, min_size=1, max_size=8), st.sampled_from(("csv", "voc")))
def test_names_are_safe_and_each_once(names, format):
    """Every name of an export is one that any disk takes, there once whatever the case, and repeatable."""
    entries = entries_of([Item(name, "x") for name in names])
    given_names = [each.name for each in named(entries, format)]
    assert given_names == [each.name for each in named(entries, format)]
    assert len({name.casefold() for name in given_names}) == len(names)
    for name in given_names:
        assert file_name(name) == name
        assert all(is_safe_part(part) for part in name.split("/"))


def test_a_good_name_is_kept():
    """The first of a name keeps it; later ones get their image's id, before the extension."""
    entries = entries_of([Item("a.jpg", "x"), Item("A.jpg", "x"), Item("b/a.jpg", "x"), Item("a.png", "x")])
    ids = [each.image_id for each in entries]
    assert [each.name for each in named(entries, "csv")] == ["a.jpg", f"A-{ids[1]}.jpg", "b/a.jpg", "a.png"]
    assert [each.name for each in named(entries, "yolo")][3] == f"a-{ids[3]}.png"


def test_a_folder_and_a_file_never_share_a_name():
    """An image called like the folder of another is moved aside, in either order."""
    for names in (["a.jpg", "a.jpg/b.jpg"], ["a.jpg/b.jpg", "a.jpg"]):
        first, second = [each.name for each in named(entries_of([Item(name, "x") for name in names]), "csv")]
        assert first == names[0]
        assert not second.startswith("a.jpg/")
        assert second != "a.jpg"
