"""Finding images: what a filter means, and pages over data that changes."""

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.contract.ids import LAST, ulid_at
from chalicelib.contract.records import ImageStatus
from chalicelib.services import filters
from chalicelib.services.filters import Filter, Finder
from data_job.archive_checks import Limits
from tests.fakes import FakeImages, FakeLabels
from tests.support import make_image
from tests.unit.services.data_world import PROJECT, DataWorld, image_id

BOXES = [{"label": "cat", "box": [0, 0, 1, 1]}, {"label": "dog", "box": [0, 0, 2, 2]}]
UPLOAD = ulid_at(image_id(0), 4)


def _all(finder: Finder, wanted: Filter, limit: int = 3) -> list[str]:
    found, cursor = [], None
    while True:
        page = finder.find(PROJECT, wanted, limit, cursor)
        assert len(page.rows) <= limit
        found += [image.image_id for image, _ in page.rows]
        cursor = page.cursor
        if cursor is None:
            return found


@pytest.fixture
def world() -> DataWorld:
    """0 cat, 1 dog in train, 2 without a label, 3 boxes; 5 and 6 of an upload; 7 refused; 8 deleted."""
    world = DataWorld()
    world.image(0, "cat")
    world.image(1, "dog", split="train")
    world.image(2)
    world.image(3, BOXES)
    world.image(5, [], upload_id=UPLOAD)
    world.image(6, upload_id=UPLOAD, split="val")
    refused = make_image(PROJECT, image_id=image_id(7), status=ImageStatus.REJECTED)
    world.ports.images.record(refused)
    world.ports.images.delete(world.image(8, "cat"), 0)
    world.label(8, "cat")  # stored in the moment of the deletion
    return world


def test_the_last_image_of_a_large_import_is_of_its_upload():
    """An import may have 25 times as many files as an upload: the filter finds all of them."""
    world = DataWorld()
    last = world.image(Limits().members, upload_id=image_id(0))
    finder = Finder(world.ports.images, world.ports.labels)
    assert _all(finder, Filter(upload_id=image_id(0))) == [last.image_id]


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (Filter(), [0, 1, 2, 3, 5, 6, 7]),
        (Filter(status=ImageStatus.ACCEPTED), [0, 1, 2, 3, 5, 6]),
        (Filter(status=ImageStatus.REJECTED), [7]),
        (Filter(status=ImageStatus.DELETED), [8]),
        (Filter(label="cat"), [0, 3]),
        (Filter(label="ca"), []),
        (Filter(labelled=True), [0, 1, 3, 5]),
        (Filter(labelled=False), [2, 6]),
        (Filter(split="train"), [1]),
        (Filter(split="none"), [0, 2, 3, 5]),
        (Filter(upload_id=UPLOAD), [5, 6]),
        (Filter(upload_id=UPLOAD, labelled=False), [6]),
        (Filter(status=ImageStatus.REJECTED, labelled=False), []),
    ],
)
@pytest.mark.parametrize("limit", [1, 3, 100])
def test_a_filter_finds_what_fits_all_its_members(world, wanted, numbers, limit):
    """Each member narrows the list, on pages of any size; only accepted images have labels and splits."""
    assert _all(Finder(world.ports.images, world.ports.labels), wanted, limit) == list(map(image_id, numbers))


def test_a_class_is_found_however_its_accent_is_typed(world):
    """A filter's class matches in composed and in decomposed form."""
    world.image(9, "\u00e9")
    finder = Finder(world.ports.images, world.ports.labels)
    assert _all(finder, Filter(label="e\u0301")) == [image_id(9)]


def test_labels_without_images_hide_nobody_s_label():
    """However many labels have no image, every image is shown with its own."""
    world = DataWorld()
    for number in range(40):
        world.label(number, "ghost")
        if number % 10 == 9:
            world.image(number, str(number))
    page = Finder(world.ports.images, world.ports.labels).find(PROJECT, Filter(), 2, None)
    assert [label.label for _, label in page.rows] == ["9", "19"]


def test_images_and_labels_are_asked_for_at_the_same_time():
    """Neither read waits for the other's answer: the first page takes the time of one."""
    together = threading.Barrier(2, timeout=5)

    class MeetingLabels(FakeLabels):
        def all(self, *args):
            together.wait()
            return super().all(*args)

    class MeetingImages(FakeImages):
        def between(self, *args):
            together.wait()
            return super().between(*args)

    labels = MeetingLabels()
    assert Finder(MeetingImages(labels), labels).find(PROJECT, Filter(), 5, None).rows == []


def test_a_page_examines_a_bounded_number_of_rows(world, monkeypatch):
    """Where nothing matches, a page is empty, has a cursor, and the next goes on from there."""
    monkeypatch.setattr(filters, "MAX_EXAMINED", 3)
    finder = Finder(world.ports.images, world.ports.labels)
    first = finder.find(PROJECT, Filter(upload_id=None, split="val"), 10, None)
    assert (first.rows, first.cursor) == ([], image_id(2))
    assert _all(finder, Filter(split="val")) == [image_id(6)]


@pytest.mark.parametrize("wanted", [Filter(), Filter(upload_id=LAST), Filter(upload_id=UPLOAD)])
def test_a_cursor_at_the_very_end_has_nothing_after_it(world, wanted):
    """The largest id there can be is a valid cursor, and a valid upload."""
    found = Finder(world.ports.images, world.ports.labels).find(PROJECT, wanted, 5, LAST)
    assert (found.rows, found.cursor) == ([], None)


_CHANGES = st.lists(
    st.tuples(st.sampled_from(["add", "delete", "label", "unlabel"]), st.integers(0, 30)), max_size=8
)


@settings(deadline=None, max_examples=50)  # each page starts a thread
@given(
    start=st.dictionaries(st.integers(0, 30), st.booleans(), max_size=20),
    changes=st.lists(_CHANGES, max_size=12),
    limit=st.integers(1, 6),
    labelled=st.sampled_from([None, True, False]),
)
def test_pages_neither_skip_nor_repeat_while_data_changes(start, changes, limit, labelled):
    """Whatever happens between the pages: who matched throughout is seen once, and nobody twice."""
    world = DataWorld()
    for number, has_label in start.items():
        world.image(number, "cat" if has_label else None)
    finder, wanted = Finder(world.ports.images, world.ports.labels), Filter(labelled=labelled)

    def matching() -> set[str]:
        labels = world.labels()
        rows = world.ports.images.between(PROJECT, "", "~")
        accepted = (each.image_id for each in rows if each.status == ImageStatus.ACCEPTED)
        return {each for each in accepted if labelled in (None, each in labels)}

    throughout, seen, cursor, rounds = matching(), [], None, iter(changes)
    while True:
        page = finder.find(PROJECT, wanted, limit, cursor)
        seen += [image.image_id for image, _ in page.rows]
        cursor = page.cursor
        if cursor is None:
            break
        for kind, number in next(rounds, ()):
            _change(world, kind, number)
            throughout &= matching()
    assert len(seen) == len(set(seen))
    assert throughout <= set(seen)
    assert seen == sorted(seen)


def _change(world: DataWorld, kind: str, number: int) -> None:
    row = world.ports.images.get(PROJECT, image_id(number))
    if kind == "add" and row is None:
        world.image(number)
    elif kind == "delete" and row is not None and row.status == ImageStatus.ACCEPTED:
        world.ports.images.delete(row, 0)
    elif kind == "label":
        world.label(number, "cat")
    elif kind == "unlabel":
        world.ports.labels.rows.pop((PROJECT, image_id(number)), None)
