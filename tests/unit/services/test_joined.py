"""Images beside their labels, and reading ahead."""

import threading
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.contract.ids import FIRST, ulid_at
from chalicelib.services.joined import joined, prefetched, rows
from tests.fakes import FakeImages, FakeLabels
from tests.support import make_image, make_label


def _id(number: int) -> str:
    return ulid_at(FIRST, number)


_NUMBERS = st.sets(st.integers(0, 12))


@given(_NUMBERS, _NUMBERS)
def test_each_image_has_its_own_label(with_image, with_label):
    """Whichever images and labels there are, each image comes once with its own label or none."""
    images = [make_image("P", image_id=_id(each)) for each in sorted(with_image)]
    labels = [make_label("P", _id(each), str(each)) for each in sorted(with_label)]
    found = [(image.image_id, label and label.label) for image, label in joined(images, labels)]
    assert found == [(_id(each), str(each) if each in with_label else None) for each in sorted(with_image)]


def test_rows_are_those_of_the_range():
    """After one id and up to another stand exactly the rows between them, with their labels."""
    labels = FakeLabels()
    images = FakeImages(labels)
    for number in range(6):
        images.accept(make_image("P", image_id=_id(number)))
        labels.put([make_label("P", _id(number), str(number))])
    with rows(images, labels, "P", after=_id(1), last=_id(4)) as found:
        assert [label.label for _, label in found] == ["2", "3", "4"]
    with rows(images, labels, "P") as found:
        assert len(list(found)) == 6


@pytest.mark.parametrize("length", [0, 1, 250, 251, 10_000])
def test_reading_ahead_changes_nothing(length):
    """All items come, in their order."""
    with prefetched(range(length)) as items:
        assert list(items) == list(range(length))


def test_reading_ahead_is_bounded_and_ends_with_its_block():
    """Of an endless stream a few thousand items are read at most, and no thread stays behind."""
    read, before = [], threading.active_count()
    with prefetched(read.append(number) or number for number in count()) as items:
        assert [next(items) for _ in range(3)] == [0, 1, 2]
    assert threading.active_count() == before
    assert len(read) < 10_000


def test_an_error_reaches_the_reader():
    """A stream that breaks breaks for its reader too, and no thread stays behind."""

    def broken():
        yield from range(300)
        raise OSError("gone")

    before = threading.active_count()
    with pytest.raises(OSError, match="gone"), prefetched(broken()) as items:
        list(items)
    assert threading.active_count() == before


def test_both_streams_are_asked_at_once():
    """Neither of two streams waits for the other's first item."""
    together = threading.Barrier(2, timeout=5)

    def stream():
        together.wait()
        yield 1

    with prefetched(stream()) as first, prefetched(stream()) as second:
        assert (next(first), next(second)) == (1, 1)
