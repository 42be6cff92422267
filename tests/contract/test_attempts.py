"""Counts of attempts to log in, in the fake and in DynamoDB alike."""

from dataclasses import replace

import pytest

from chalicelib.contract.records import LoginAttempts
from tests.support import new_id

NOW = 1_769_000_000.125


def _count(failures: int = 1, **changes) -> LoginAttempts:
    own = {"user_id": new_id(), "failures": failures, "allowed_at": NOW, "counted_until": 1_769_086_400}
    return LoginAttempts(**(own | {"expires_at": 1_769_086_400} | changes))


def test_a_count_is_written_as_it_was_seen_only(ports):
    """A new count, and each next one, goes through from what is there, and from nothing else."""
    first = _count()
    second = replace(first, failures=2, allowed_at=NOW + 1)
    assert not ports.attempts.replace(first, second)
    assert ports.attempts.replace(None, first)
    assert not ports.attempts.replace(None, second)
    assert ports.attempts.replace(first, second)
    for stale in (first, replace(second, failures=1), replace(second, allowed_at=NOW)):
        assert not ports.attempts.replace(stale, first)
    assert ports.attempts.get([first.user_id]) == {first.user_id: second}


def test_counts_are_found_by_name(ports):
    """Of many names those are found that are there."""
    counts = [_count(n) for n in range(3)]
    for each in counts:
        ports.attempts.replace(None, each)
    names = [each.user_id for each in counts]
    assert ports.attempts.get([*names, new_id()]) == dict(zip(names, counts, strict=True))
    assert ports.attempts.get([new_id()]) == {}


def test_a_failure_is_taken_back_and_never_more_than_there_are(ports):
    """Forgiving ends at nought, and makes no count where none is."""
    count = _count(2)
    ports.attempts.replace(None, count)
    for left in (1, 0, 0):
        ports.attempts.forgive(count.user_id)
        assert ports.attempts.get([count.user_id])[count.user_id].failures == left
    nothing = new_id()
    ports.attempts.forgive(nothing)
    assert ports.attempts.get([nothing]) == {}


@pytest.mark.parametrize(("earlier", "wins"), [(None, True), (100, True), (200, True), (201, False)])
def test_an_address_is_remembered_unless_it_is_known_for_longer(ports, earlier, wins):
    """The later of two logins decides until when an address is known."""
    new = _count(0, known_until=200)
    if earlier is not None:
        ports.attempts.replace(None, replace(new, failures=3, known_until=earlier))
    ports.attempts.remember(new)
    assert (ports.attempts.get([new.user_id])[new.user_id] == new) is wins
