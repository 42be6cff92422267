"""Images beside their labels: two streams sorted by id become one, in memory that doesn't grow."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from queue import Queue
from threading import Event
from typing import TypeVar

from ..contract.ids import FIRST, LAST, ulid_at
from ..contract.records import Image, Label
from .data_ports import Images, Labels

T = TypeVar("T")
_BATCH = 250
_BATCHES_AHEAD = 8


def joined(images: Iterable[Image], labels: Iterable[Label]) -> Iterator[tuple[Image, Label | None]]:
    """Each image with its label, where it has one; both sorted by id.

    A label without an image is passed over: it was stored while its image was being deleted.
    """
    rest = iter(labels)
    label = next(rest, None)
    for image in images:
        while label is not None and label.image_id < image.image_id:
            label = next(rest, None)
        yield image, label if label is not None and label.image_id == image.image_id else None


@contextmanager
def rows(
    images: Images, labels: Labels, project_id: str, after: str | None = None, last: str = LAST
) -> Iterator[Iterator[tuple[Image, Label | None]]]:
    """Every image of a project, whatever its status, with its label; both are read at the same time.

    Args:
        images: where they are kept.
        labels: where they are kept.
        project_id: whose they are.
        after: only images with ids after this one; less than `last`.
        last: only images with ids up to this one.
    """
    first = ulid_at(after, 1) if after else FIRST
    with (
        prefetched(images.between(project_id, first, last)) as some_images,
        prefetched(labels.all(project_id, first, last)) as some_labels,
    ):
        yield joined(some_images, some_labels)


@contextmanager
def prefetched(items: Iterable[T]) -> Iterator[Iterator[T]]:
    """Reads ahead in a thread, a few pages at most, while the reader works on what there is.

    Begins at once. An error of `items` reaches the reader in its place. When the block is left the
    thread has ended, however much was read.
    """
    queue: Queue[list[T] | None] = Queue(_BATCHES_AHEAD)
    stopped = Event()

    def fill() -> None:
        source = iter(items)
        try:
            while not stopped.is_set() and (batch := list(islice(source, _BATCH))):
                queue.put(batch)
        finally:
            queue.put(None)

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(fill)
        batches = iter(queue.get, None)

        def read() -> Iterator[T]:
            for batch in batches:
                yield from batch
            done.result()

        try:
            yield read()
        finally:
            stopped.set()
            for _ in batches:  # the thread may be waiting for room
                pass
