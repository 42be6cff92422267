"""ULIDs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.contract.ids import FIRST, LAST, is_ulid, ulid, ulid_at, ulid_distance

MOMENTS = st.integers(0, 2**48 - 1)
RANDOMNESS = st.integers(0, 2**80 - 1)


@given(MOMENTS, RANDOMNESS, MOMENTS, RANDOMNESS)
def test_ids_sort_by_time_then_randomness(time, randomness, other_time, other_randomness):
    """The text of two ids sorts as their moments do, and as their randomness within one moment."""
    numbers, others = (time, randomness), (other_time, other_randomness)
    assert (ulid(*numbers) < ulid(*others)) == (numbers < others)


@given(MOMENTS, RANDOMNESS)
def test_every_id_is_one(time, randomness):
    """What `ulid` makes, `is_ulid` takes, and it lies between the first and the last."""
    made = ulid(time, randomness)
    assert is_ulid(made)
    assert FIRST <= made <= LAST


@given(MOMENTS, st.integers(0, 2**79), st.integers(0, 10_000))
def test_distance_undoes_offset(time, randomness, offset):
    """An id at an offset stands at that distance, behind its base."""
    base = ulid(time, randomness)
    assert ulid_distance(base, ulid_at(base, offset)) == offset
    assert (ulid_at(base, offset) > base) == (offset > 0)


def test_a_known_id():
    """The example of the specification: 1469918176385 ms is 01ARYZ6S41."""
    assert ulid(1469918176385, 0) == "01ARYZ6S41" + "0" * 16


def test_randomness_is_drawn():
    """Two ids of one moment differ."""
    assert ulid(0) != ulid(0)


@pytest.mark.parametrize(
    "text",
    ["", "0" * 25, "0" * 27, "8" + "0" * 25, "0" * 25 + "I", "0" * 25 + "a", "0" * 26 + "\n", "٠" * 26],
)
def test_what_is_no_id(text):
    """Wrong lengths, overflow, letters outside the alphabet, lower case and foreign digits are no ids."""
    assert not is_ulid(text)
