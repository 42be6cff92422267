"""The states of a session."""

from itertools import product

import pytest

from chalicelib.contract.states import ACTIVE, TERMINAL, Status, may_move, origins

LEGAL = {
    ("queued", "provisioning"), ("queued", "running"), ("queued", "failed"), ("queued", "stopped"),
    ("provisioning", "running"), ("provisioning", "failed"), ("provisioning", "stopped"),
    ("running", "running"), ("running", "completed"), ("running", "failed"), ("running", "stopped"),
}  # fmt: skip


@pytest.mark.parametrize(("origin", "target"), list(product(Status, Status)))
def test_moves_are_those_of_the_design(origin, target):
    """Each of the 36 moves is legal exactly where the design says so."""
    assert may_move(origin, target) == ((origin, target) in LEGAL)
    assert (origin in origins(target)) == may_move(origin, target)


def test_every_state_is_active_or_over():
    """A session is either active or over, and never leaves a state in which it is over."""
    assert {*ACTIVE, *TERMINAL} == set(Status)
    assert not set(ACTIVE) & set(TERMINAL)
    assert not any(may_move(origin, target) for origin, target in product(TERMINAL, Status))
