"""Which models the predictor keeps, and what it never loads."""

import json
import os
from collections import Counter
from hashlib import sha256
from pathlib import Path

import pytest

from chalicelib.contract.errors import ConflictError
from predictor.models import Models
from tests import models as tiny


class Bucket:
    """Objects by key; counts what is fetched."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.fetched: Counter[str] = Counter()

    def add(self, name: str) -> str:
        """A model of its own bytes; returns the key of its results."""
        objects = tiny.boxes([[0.5, 0, 0]], [[0, 0, 1, 1]], name=name)
        # A comment, so that no two files are the same.
        objects["model.onnx"] += b"2" + bytes([len(name)]) + name.encode()
        self.objects |= {f"{name}/{key}": body for key, body in objects.items()}
        self.objects[f"{name}/results.json"] = json.dumps(tiny.results(objects, f"{name}/")).encode()
        return f"{name}/results.json"

    def size(self, key: str) -> int:
        return len(self.objects[key.replace("results.json", "model.onnx")])

    def read(self, key: str, max_bytes: int) -> bytes | None:
        return self.objects.get(key)

    def download(self, key: str, path: Path) -> str | None:
        self.fetched[key] += 1
        if key not in self.objects:
            return None
        path.write_bytes(self.objects[key])
        return sha256(self.objects[key]).hexdigest()


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


def test_a_model_is_loaded_once(bucket, tmp_path):
    """The same run again is the same session, and nothing is fetched."""
    key, models = bucket.add("a"), Models(bucket, tmp_path)
    assert models.get(key) is models.get(key)
    assert bucket.fetched == {"a/model.onnx": 1}


@pytest.mark.parametrize("bounds", [{"loaded": 2}, {"loaded_bytes": 2}], ids=["by count", "by size"])
def test_few_models_are_kept_in_memory(bucket, tmp_path, bounds):
    """The one that was used longest ago goes; its file is still there, and needs no second fetch."""
    keys = [bucket.add(name) for name in ("a", "b", "c")]
    if "loaded_bytes" in bounds:
        bounds = {"loaded_bytes": 2 * bucket.size(keys[0])}
    models = Models(bucket, tmp_path, **bounds)
    first, second = models.get(keys[0]), models.get(keys[1])
    assert models.get(keys[0]) is first
    models.get(keys[2])
    assert models.get(keys[0]) is first
    assert models.get(keys[1]) is not second
    assert set(bucket.fetched.values()) == {1}


def test_few_files_are_kept_on_the_disk(bucket, tmp_path):
    """The file that was used longest ago goes, and is fetched again when it is asked for."""
    keys = [bucket.add(name) for name in ("a", "b", "c")]
    models = Models(bucket, tmp_path, loaded=1, disk_bytes=2 * bucket.size(keys[0]))
    for moment, key in enumerate((keys[0], keys[1], keys[0])):
        models.get(key)
        for path in tmp_path.iterdir():  # file systems' clocks are coarse
            if path.stat().st_mtime > 10:
                os.utime(path, (moment, moment))
    models.get(keys[2])
    assert len(list(tmp_path.iterdir())) == 2
    models.get(keys[0])
    models.get(keys[1])
    assert bucket.fetched == {"a/model.onnx": 1, "b/model.onnx": 2, "c/model.onnx": 1}


def test_another_file_than_the_run_left_is_not_loaded(bucket, tmp_path):
    """A hash that differs is told, and nothing of the file stays."""
    key = bucket.add("a")
    bucket.objects["a/model.onnx"] += b" "
    with pytest.raises(ConflictError) as caught:
        Models(bucket, tmp_path).get(key)
    assert caught.value.code == "model-changed"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["results.json", "model.json", "model.onnx"])
def test_what_was_deleted_is_told(bucket, tmp_path, name):
    """Whichever of the three files is gone, the answer is that the results were deleted."""
    key = bucket.add("a")
    del bucket.objects[f"a/{name}"]
    with pytest.raises(ConflictError) as caught:
        Models(bucket, tmp_path).get(key)
    assert caught.value.code == "results-gone"
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_has_no_room_is_told(bucket, tmp_path):
    """A file larger than the disk's share isn't begun."""
    key = bucket.add("a")
    with pytest.raises(ConflictError) as caught:
        Models(bucket, tmp_path, disk_bytes=10).get(key)
    assert caught.value.code == "model-too-large"
    assert not bucket.fetched
