"""Readers and writers take no more memory where there is more to read or to write."""

import io
import json
import tracemalloc
from collections import deque

import pytest

from data_job.archive import Archive
from data_job.formats import documents, read
from data_job.names import named

from .archives import Item, entries_of

IMAGES = 10_000
ALLOWED = 2_000_000
BOX = {"label": "x", "box": [1, 2, 3, 4]}


def _coco() -> bytes:
    images = [{"id": place, "file_name": f"{place}.jpg"} for place in range(IMAGES)]
    drawn = [{"image_id": place, "category_id": 1, "bbox": [1, 2, 3, 4]} for place in range(IMAGES)]
    return json.dumps(
        {"categories": [{"id": 1, "name": "x"}], "annotations": drawn, "images": images}
    ).encode()


def _own() -> bytes:
    images = [{"fileName": f"{place}.jpg", "label": [BOX]} for place in range(IMAGES)]
    return json.dumps({"format": "darkroom", "version": 1, "images": images}).encode()


def _manifest() -> bytes:
    return b"".join(
        json.dumps({"source-ref": f"s3://b/{place}.jpg"}).encode() + b"\n" for place in range(IMAGES)
    )


def _csv() -> bytes:
    return b"".join(b"%d.jpg,cat\n" % place for place in range(IMAGES))


def _peak(work) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("format", "name", "made"),
    [
        ("coco", "a.json", _coco),
        ("darkroom", "darkroom.json", _own),
        ("manifest", "a.manifest", _manifest),
        ("csv", "a.csv", _csv),
    ],
)
def test_reading_takes_no_more_for_more(format, name, made):
    """Ten thousand labels are read in the memory of a few."""
    file = io.BytesIO(made())
    with Archive(file, name) as archive:
        assert sum(1 for _ in read(format, archive)) == IMAGES
        assert _peak(lambda: deque(read(format, archive), maxlen=0)) < ALLOWED


@pytest.mark.parametrize("format", ["coco", "darkroom", "manifest", "voc", "yolo"])
def test_writing_takes_no_more_for_more(format):
    """An export's documents are written image by image; only marks of the names are kept."""
    few = entries_of([Item(f"{place}.jpg", [BOX]) for place in range(IMAGES // 10)])

    def write():
        for _, content in documents(format, lambda: named(few, format), "detection", ["x"]):
            deque(content, maxlen=0)

    marks = len(few) * 400
    assert _peak(write) < marks + 300_000
