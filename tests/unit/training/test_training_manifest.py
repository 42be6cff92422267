import hashlib
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import make_entries

from chalicelib.contract.errors import TrainingError
from training_job.manifest import Manifest
from training_job.split import split_warnings, stratified_split

LABELS = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=60)


@given(LABELS, st.randoms())
def test_hash_does_not_depend_on_order(labels: list[str], random: Random) -> None:
    """The same images have the same hash in whatever order the tables gave them."""
    entries = make_entries(*labels)
    shuffled = random.sample(entries, len(entries))
    assert Manifest.of(shuffled).dataset_hash == Manifest.of(entries).dataset_hash


def test_hash_changes_with_a_label() -> None:
    """Another label of one image is another data set."""
    assert (
        Manifest.of(make_entries("a", "b")).dataset_hash != Manifest.of(make_entries("a", "c")).dataset_hash
    )


def test_stored_manifest_is_the_same() -> None:
    """A later attempt reads back what the first one stored, and its hash is that of the bytes."""
    manifest = Manifest.of(make_entries("a", "é", "a"))
    assert Manifest.from_bytes(manifest.to_bytes()) == manifest
    assert manifest.dataset_hash == hashlib.sha256(manifest.to_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("labels", "words"), [("", "no labelled image"), ("aaa", "one class"), ("abc", "one image only")]
)
def test_untrainable_data_is_refused(labels: str, words: str) -> None:
    """No label, one class, or nothing to validate with: each ends with its own sentence."""
    with pytest.raises(TrainingError, match=words) as caught:
        Manifest.of(make_entries(*labels)).check()
    assert caught.value.code == "no-trainable-data"


def test_smallest_trainable_data() -> None:
    """Two classes of which one has two images can be trained on."""
    Manifest.of(make_entries("a", "a", "b")).check()


@settings(deadline=None)
@given(LABELS, st.floats(0.01, 0.5), st.integers(0, 2**32 - 1))
def test_split_is_stratified(labels: list[str], share: float, seed: int) -> None:
    """Each image is in one split; each class of two or more is in both, with about its share."""
    entries = make_entries(*labels)
    split = stratified_split(entries, share=share, seed=seed)
    assert sorted(e.image_id for e in split.train + split.val) == [e.image_id for e in entries]
    for name in set(labels):
        total, kept = labels.count(name), sum(entry.label == name for entry in split.val)
        assert kept == 0 if total == 1 else 1 <= kept < total
        assert abs(kept - total * share) <= 1


@given(LABELS, st.randoms())
def test_split_depends_on_seed_and_ids_only(labels: list[str], random: Random) -> None:
    """The order in which the images come changes nothing."""
    entries = make_entries(*labels)
    shuffled = random.sample(entries, len(entries))
    assert stratified_split(shuffled, share=0.3, seed=1) == stratified_split(entries, share=0.3, seed=1)


def test_split_changes_with_the_seed() -> None:
    """Another seed validates with other images."""
    entries = make_entries(*"ab" * 30)
    assert stratified_split(entries, share=0.3, seed=1) != stratified_split(entries, share=0.3, seed=2)


def test_small_classes_are_warned_of() -> None:
    """Classes of one image and of a few are named, others are not."""
    single, few = split_warnings(make_entries("one", *["few"] * 3, *["many"] * 10))
    assert "one image only: one" in single
    assert "rough: few" in few


def test_split_of_the_same_data_is_the_same_in_another_project() -> None:
    """Images are told apart by their bytes: other ids, as after another upload, change nothing."""
    entries = [
        replace(entry, sha256=f"hash {index}") for index, entry in enumerate(make_entries(*"aabb" * 10))
    ]
    again = [replace(entry, image_id=f"9{entry.image_id[1:]}") for entry in reversed(entries)]
    splits = (stratified_split(each, share=0.2, seed=3) for each in (entries, again))
    first, second = ({entry.sha256 for entry in split.val} for split in splits)
    assert first == second
