"""Grouping hashes that differ in few bits."""

import random
import time
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.contract.likeness import BITS, MAX_DISTANCE
from chalicelib.services.likeness import Likeness
from tests.unit.services.data_world import image_id


def _collected(hashes: list[int]) -> Likeness:
    likeness = Likeness()
    for number, value in enumerate(hashes):
        likeness.add(image_id(number), f"{value:032x}")
    return likeness


def _several(count: int, seed: int = 0) -> list[int]:
    generator = random.Random(seed)
    return [generator.getrandbits(BITS) for _ in range(count)]


def _changed(value: int, places: list[int]) -> int:
    for each in places:
        value ^= 1 << each
    return value


_PLACES = st.lists(st.integers(0, BITS - 1), min_size=1, max_size=MAX_DISTANCE, unique=True)


@given(st.lists(_PLACES, min_size=1, max_size=8))
def test_whatever_differs_in_few_bits_is_found(changes):
    """Wherever the bits are that differ, up to the limit, all the copies make one group."""
    original, *others = _several(50)
    found = _collected([original, *(_changed(original, each) for each in changes), *others]).near_duplicates()
    assert (found.groups, found.images) == (1, 1 + len(changes))
    assert found.examples == [[image_id(each) for each in range(1 + len(changes))]]


def test_one_bit_more_is_another_picture():
    """Beyond the limit nothing is grouped."""
    [original] = _several(1)
    changed = _changed(original, list(range(0, BITS, BITS // (MAX_DISTANCE + 1)))[: MAX_DISTANCE + 1])
    assert (original ^ changed).bit_count() == MAX_DISTANCE + 1
    assert _collected([original, changed]).near_duplicates().groups == 0


def test_pictures_without_features_are_not_compared():
    """Two pictures of one colour each aren't taken for copies of each other."""
    found = _collected([0, 0, 1, 3]).near_duplicates()
    assert (found.images, found.groups, found.examples) == (0, 0, [])


def test_the_largest_groups_are_shown_first():
    """Ten groups are shown at most, with ten images each, the largest first."""
    hashes = _several(12)
    found = _collected([*hashes, *hashes, *[hashes[7]] * 20]).near_duplicates()
    assert (found.groups, found.images) == (12, 44)
    assert [len(each) for each in found.examples] == [10] + [2] * 9
    assert found.examples[0][0] == image_id(7)


def test_ten_thousand_equal_images_are_no_quadratic_work():
    """Equal hashes, and hashes alike in one band, take time that grows with their number, not its square."""

    def seconds(count: int) -> float:
        started = time.process_time()
        alike = [_changed(hashes[0], [n % BITS, n // BITS % BITS]) for n in range(count // 2)]
        found = _collected([hashes[0]] * (count // 2) + alike).near_duplicates()
        assert (found.groups, found.images) == (1, count)
        return time.process_time() - started

    hashes = _several(1)
    few = seconds(2500)
    assert seconds(10_000) < 10 * few


def test_a_hash_takes_forty_bytes_at_most():
    """Collecting twenty thousand hashes keeps 40 bytes of each."""
    hashes = [f"{each:032x}" for each in _several(20_000)]
    ids = [image_id(number) for number in range(len(hashes))]
    tracemalloc.start()
    likeness = Likeness()
    for each, value in zip(ids, hashes, strict=True):
        likeness.add(each, value)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 40 * len(hashes)
