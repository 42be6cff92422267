import threading
from collections.abc import Iterator

import pytest
import torch
from tiny import CPU, make_dataset

from training_job.feed import Feed, one_ahead


def test_on_a_cpu_nothing_is_copied() -> None:
    """The images are the cache itself, and the rows are those that were asked for."""
    images = make_dataset(4).images
    feed = Feed.of(images, CPU)
    taken, rows = feed.take(torch.tensor([2, 0]))
    assert taken.data_ptr() == images.data_ptr()
    assert rows.tolist() == [2, 0]
    assert not feed.copies


def test_another_device_gets_the_rows_alone() -> None:
    """Where the cache stays behind, the device gets as many images as were asked for, numbered from 0."""
    feed = Feed.of(make_dataset(4).images, torch.device("meta"))
    taken, rows = feed.take(torch.tensor([2, 0]))
    assert feed.copies
    assert (taken.device.type, taken.shape) == ("meta", (2, 32, 32, 3))
    assert (rows.device.type, rows.shape) == ("meta", (2,))


def test_one_is_made_ahead_in_another_thread() -> None:
    """While an item is used the next one is being made, no more than one, and all come in order."""
    made, makers, second = [], set(), threading.Event()

    def items() -> Iterator[int]:
        for number in range(4):
            made.append(number)
            makers.add(threading.get_ident())
            if number == 1:
                second.set()
            yield number

    stream = one_ahead(items())
    assert next(stream) == 0
    assert second.wait(5)
    assert made == [0, 1]
    assert list(stream) == [1, 2, 3]
    assert threading.get_ident() not in makers


def test_what_fails_ahead_fails_here() -> None:
    """An error in the thread reaches whoever takes the item that it was for."""

    def items() -> Iterator[int]:
        yield 1
        raise MemoryError

    stream = one_ahead(items())
    assert next(stream) == 1
    with pytest.raises(MemoryError):
        next(stream)


def test_abandoned_stream_leaves_no_thread() -> None:
    """A run that stops in the middle of an epoch isn't held up by what was made ahead."""
    before = threading.active_count()
    stream = one_ahead(iter(range(100)))
    next(stream)
    stream.close()
    assert threading.active_count() == before
