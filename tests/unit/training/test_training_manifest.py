"""The manifest as a run reads it."""

from dataclasses import dataclass, replace

import pytest
from tiny import make_entries

from chalicelib.contract.errors import TrainingError
from chalicelib.contract.manifest import Entry, pack
from chalicelib.contract.objects import version_key
from training_job.manifest import ManifestRepository, class_of

BOXES = [{"label": "cat", "box": [0, 0, 1, 1]}]


@dataclass(frozen=True)
class FakeObjects:
    """A bucket in a dictionary."""

    bodies: dict[str, bytes]

    def find(self, key: str) -> bytes | None:
        return self.bodies.get(key)


def stored(entries: list[Entry], *, under: str | None = None) -> tuple[ManifestRepository, str]:
    """A bucket with a manifest, under its own hash unless another is given."""
    packed = pack(entries)
    dataset_hash = under or packed.dataset_hash
    objects = FakeObjects({version_key("P", dataset_hash): packed.content})
    return ManifestRepository(objects, "P"), dataset_hash  # type: ignore[arg-type]


def test_a_manifest_is_read_by_its_hash() -> None:
    """Every entry comes back in order, with the hash that the session names."""
    entries = make_entries("b", "é", "b")
    manifests, dataset_hash = stored(entries)
    manifest = manifests.get(dataset_hash)
    assert (list(manifest.entries), manifest.dataset_hash) == (entries, dataset_hash)
    assert manifest.class_names == ["b", "é"]


def test_each_task_gets_what_it_can_use() -> None:
    """A class an image is for classification, a list of boxes, though it is empty, for detection."""
    plain, boxed, bare = make_entries("a", "b", "c")
    boxed, bare = replace(boxed, label=BOXES), replace(bare, label=[])
    manifests, dataset_hash = stored([plain, boxed, bare])
    assert manifests.get(dataset_hash).entries == (plain,)
    detection = manifests.get(dataset_hash, "detection")
    assert (detection.entries, detection.class_names) == ((boxed, bare), ["cat"])
    with pytest.raises(TypeError, match=boxed.image_id):
        class_of(boxed)


@pytest.mark.parametrize("wanted", ["0" * 64, None])
def test_a_session_without_its_manifest_says_so(wanted: str | None) -> None:
    """No hash in the session, or no object of that hash: each has its code."""
    manifests, _ = stored(make_entries("a"))
    with pytest.raises(TrainingError, match="Start again") as caught:
        manifests.get(wanted)
    assert caught.value.code == ("missing-object" if wanted else "no-dataset")


def test_another_manifest_than_the_sessions_is_refused() -> None:
    """An object whose lines have another hash than its key is never trained on."""
    manifests, dataset_hash = stored(make_entries("a"), under="1" * 64)
    with pytest.raises(TrainingError, match="has the hash") as caught:
        manifests.get(dataset_hash)
    assert caught.value.code == "corrupt-manifest"
