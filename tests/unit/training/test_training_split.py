"""Which image trains, which validates, and which waits for the end."""

import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import make_entries

from chalicelib.contract.errors import TrainingError
from chalicelib.contract.manifest import Entry
from training_job.split import split_of

LABELS = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=60)
SPLITS = ("train", "val", "test", None)
GIVEN = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(SPLITS)), max_size=60)


def with_splits(pairs: Iterable[tuple[str, str | None]]) -> list[Entry]:
    """An entry for each label and split."""
    pairs = list(pairs)
    entries = make_entries(*(label for label, _ in pairs))
    return [replace(each, split=split) for each, (_, split) in zip(entries, pairs, strict=True)]  # type: ignore[arg-type]


def numbers(entries: Iterable[Entry]) -> list[int]:
    return [int(each.image_id) for each in entries]


@settings(deadline=None)
@given(LABELS, st.floats(0.01, 0.5), st.integers(0, 2**32 - 1))
def test_split_is_stratified(labels: list[str], share: float, seed: int) -> None:
    """Each image is in one split; each class of two or more is in both, with about its share."""
    entries = make_entries(*labels)
    split = split_of(entries, share=share, seed=seed)
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
    assert split_of(shuffled, share=0.3, seed=1) == split_of(entries, share=0.3, seed=1)


def test_split_changes_with_the_seed() -> None:
    """Another seed validates with other images."""
    entries = make_entries(*"ab" * 30)
    assert split_of(entries, share=0.3, seed=1) != split_of(entries, share=0.3, seed=2)


def test_split_of_known_bytes_and_seed_never_changes() -> None:
    """A later release validates with the same images, so that its figures can be compared."""
    entries = [replace(each, sha256=f"{n:064x}") for n, each in enumerate(make_entries(*"ab" * 10))]
    assert numbers(split_of(entries, share=0.2, seed=7).val) == [3, 11, 12, 16]


def test_split_of_the_same_data_is_the_same_in_another_project() -> None:
    """Images are told apart by their bytes: other ids, as after another upload, change nothing."""
    entries = [
        replace(entry, sha256=f"hash {index}") for index, entry in enumerate(make_entries(*"aabb" * 10))
    ]
    again = [replace(entry, image_id=f"9{entry.image_id[1:]}") for entry in reversed(entries)]
    splits = (split_of(each, share=0.2, seed=3) for each in (entries, again))
    first, second = ({entry.sha256 for entry in split.val} for split in splits)
    assert first == second


@settings(deadline=None)
@given(GIVEN)
def test_no_image_leaves_the_split_that_it_was_given(pairs: list[tuple[str, str | None]]) -> None:
    """Whatever splits were given, each image is in its own, and every image in exactly one."""
    split = split_of(with_splits(pairs), share=0.2, seed=0)
    parts = {"train": split.train, "val": split.val, "test": split.test}
    for name, entries in parts.items():
        assert {each.split for each in entries} <= {name, None}
        assert numbers(entries) == sorted(numbers(entries))
    assert sorted(numbers(split.train + split.val + split.test)) == list(range(len(pairs)))
    assert {each.split for each in split.test} <= {"test"}


def test_images_without_a_split_train_where_val_was_given() -> None:
    """Nothing is added to a validation split that the project has chosen."""
    split = split_of(with_splits([("a", "val"), ("a", None), ("b", None), ("b", "train")]), share=0.5, seed=0)
    assert (numbers(split.train), numbers(split.val)) == ([1, 2, 3], [0])


def test_validation_is_taken_from_images_without_a_split() -> None:
    """Where none is `val`, those that are `train` by hand stay, and the others give their share by class."""
    hand, free = [("a", "train"), ("b", "train")] * 5, [("a", None), ("b", None)] * 10
    split = split_of(with_splits(hand + free), share=0.2, seed=0)
    assert len(split.val) == 4
    assert sorted(str(each.label) for each in split.val) == ["a", "a", "b", "b"]
    assert set(numbers(split.train)) >= set(range(10))


def test_a_single_free_image_validates_a_class_that_is_trained_on() -> None:
    """A class with images of `train` needs no second free one."""
    entries = with_splits([("a", "train"), ("a", None), ("b", "train"), ("b", "train")])
    assert numbers(split_of(entries, share=0.2, seed=0).val) == [1]


def test_the_test_split_changes_no_other() -> None:
    """Without the images of `test` the same images train and validate."""
    rest = with_splits([("ab"[n % 2], None) for n in range(20)])
    held = [replace(each, image_id=f"9{each.image_id[1:]}", split="test") for each in rest[:6]]
    whole, alone = (split_of(each, share=0.3, seed=5) for each in (rest + held, rest))
    assert (whole.train, whole.val) == (alone.train, alone.val)
    assert whole.test == tuple(held)


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        ([], "left to train on"),
        ([("a", "test"), ("b", "val")], "left to train on"),
        ([("a", None)] * 3, "one class"),
        ([("a", "train"), ("b", "val"), ("b", "test")], "one class"),
        ([("a", None), ("b", None), ("c", None)], "don't look alike"),
        ([("a", "train"), ("b", "train")], "validate with"),
    ],
)
def test_untrainable_data_is_refused(pairs: list[tuple[str, str | None]], words: str) -> None:
    """Nothing to train on, one class, or nothing to validate with: each ends with its own sentence."""
    with pytest.raises(TrainingError, match=words) as caught:
        split_of(with_splits(pairs), share=0.2, seed=0).check()
    assert caught.value.code == "no-trainable-data"


def test_smallest_trainable_data() -> None:
    """Two classes of which one has two images can be trained on."""
    split_of(make_entries("a", "a", "b"), share=0.2, seed=0).check()


@given(LABELS, st.randoms())
def test_the_order_of_uploads_changes_nothing(labels: list[str], random: Random) -> None:
    """The same bytes under other ids come in the same order, so that they train alike."""
    entries = [replace(each, sha256=f"{number:064}") for number, each in enumerate(make_entries(*labels))]
    ids = [each.image_id for each in entries]
    random.shuffle(ids)
    again = [replace(each, image_id=image_id) for each, image_id in zip(entries, ids, strict=True)]
    one, two = (split_of(each, share=0.3, seed=1) for each in (entries, again))
    assert [e.sha256 for e in one.train + one.val] == [e.sha256 for e in two.train + two.val]


def test_one_class_of_boxes_is_enough_where_that_is_said() -> None:
    """A detector learns one class against the background; images without boxes alone are nothing."""
    boxed = [replace(each, label=[{"label": "a", "box": [0, 0, 4, 4]}]) for each in make_entries(*"abcd")]
    split = split_of(boxed, share=0.25, seed=0)
    split.check(min_classes=1)
    with pytest.raises(TrainingError, match="one class"):
        split.check()
    bare = tuple(replace(each, label=[]) for each in boxed)
    with pytest.raises(TrainingError, match="validate with"):
        replace(split, val=bare).check(min_classes=1)


@settings(deadline=None)
@given(
    st.lists(st.lists(st.sampled_from("abc"), max_size=3), max_size=40),
    st.floats(0.05, 0.5),
    st.integers(0, 9),
)
def test_images_of_several_classes_are_split_by_the_rarest(
    shown: list[list[str]], share: float, seed: int
) -> None:
    """Images with boxes, or with none, are each on one side, and the rarest class is on both."""
    boxed = [[{"label": name, "box": [0, 0, 1, 1]} for name in names] for names in shown]
    entries = [
        replace(each, label=label) for each, label in zip(make_entries(*"x" * len(shown)), boxed, strict=True)
    ]
    split = split_of(entries, share=share, seed=seed)
    assert sorted(numbers(split.train + split.val)) == list(range(len(entries)))
    counts = Counter(name for names in shown for name in set(names))
    rarest = min(counts, key=lambda name: (counts[name], name), default=None)
    if rarest and counts[rarest] > 1:
        assert all(any(rarest in each.classes for each in part) for part in (split.train, split.val))


def alike(entries: list[Entry], *groups: list[int]) -> list[Entry]:
    """The images of each group get hashes a bit apart, the others random ones."""
    generator = Random(1)
    hashes = [generator.getrandbits(128) for _ in entries]
    for group in groups:
        for place, each in enumerate(group):
            hashes[each] = hashes[group[0]] ^ (1 << place if place else 0)
    return [
        replace(each, perceptual_hash=f"{value:032x}") for each, value in zip(entries, hashes, strict=True)
    ]


@settings(deadline=None)
@given(st.permutations(range(30)), st.floats(0.05, 0.5), st.integers(0, 9))
def test_images_that_look_alike_stay_on_one_side(order: list[int], share: float, seed: int) -> None:
    """Whatever images make a group, of whatever classes, none of it validates what another was trained on."""
    groups = [order[:2], order[2:5], order[5:11]]
    split = split_of(alike(make_entries(*"abc" * 10), *groups), share=share, seed=seed)
    assert sorted(sorted(numbers(group)) for group in split.alike) == sorted(map(sorted, groups))
    train = set(numbers(split.train))
    assert all(len(train & set(group)) in (0, len(group)) for group in groups)
    assert sorted(numbers(split.train + split.val)) == list(range(30))


def test_a_class_of_pairs_is_validated_all_the_same() -> None:
    """Where every group is larger than the share, one validates, and the others train."""
    split = split_of(alike(make_entries(*"aaaa"), [0, 1], [2, 3]), share=0.1, seed=0)
    assert (len(split.train), len(split.val)) == (2, 2)


def test_equal_bytes_are_alike_without_a_hash() -> None:
    """Copies are kept together even where their picture has no features."""
    entries = [replace(each, sha256=f"{n % 5:064x}") for n, each in enumerate(make_entries(*"a" * 10))]
    split = split_of(entries, share=0.4, seed=0)
    assert not {each.sha256 for each in split.train} & {each.sha256 for each in split.val}
    assert len(split.val) == 4


def test_a_free_image_goes_with_the_one_it_looks_like() -> None:
    """An image without a split follows its group's, and one with a split stays where it was put."""
    entries = with_splits(
        [("a", "val"), ("a", None), ("a", "test"), ("a", None), ("b", "train"), ("b", "val")]
    )
    split = split_of(alike(entries, [0, 1], [2, 3], [4, 5]), share=0.2, seed=0)
    assert (numbers(split.train), numbers(split.val), numbers(split.test)) == ([4], [0, 1, 5], [2, 3])


def test_lost_images_are_taken_out_everywhere() -> None:
    """Without an image its split, and its group of two, are that much smaller."""
    entries = alike(make_entries(*"aaaabb"), [0, 1], [2, 3, 4])
    split = split_of(entries, share=0.4, seed=0)
    left = split.without([entries[0], entries[4]])
    assert sorted(numbers(left.train + left.val)) == [1, 2, 3, 5]
    assert [numbers(group) for group in left.alike] == [[2, 3]]
    assert split.without([]) is split


def test_many_images_are_split_in_steps_that_grow_with_their_number() -> None:
    """Five times the images, half of them copies of one, take less than six times the lines of Python."""

    def steps(count: int) -> int:
        entries = alike(make_entries(*"ab" * (count // 2)), *[[2 * n, 2 * n + 1] for n in range(count // 4)])
        entries += [replace(entries[0], image_id=f"9{n:025d}") for n in range(count)]
        done = 0

        def trace(_frame: object, event: str, _: object) -> Any:
            nonlocal done
            done += event == "line"
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            split = split_of(entries, share=0.2, seed=0)
        finally:
            sys.settrace(before)
        assert len(split.alike) == count // 4
        return done

    few = steps(1000)
    assert few > 1000
    assert steps(5000) < 6 * few
