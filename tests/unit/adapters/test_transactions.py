"""Many conditional changes in few transactions."""

import pytest

from chalicelib.adapters import transactions
from chalicelib.adapters.transactions import carry_out
from chalicelib.contract.errors import UnavailableError


class Transactions:
    """Takes a transaction unless one of its actions is refused, or the first `busy` calls."""

    def __init__(self, refused: set[str] = frozenset(), busy: int = 0) -> None:
        self.calls: list[list[str]] = []
        self.tokens: list[str] = []
        self.stored: list[str] = []
        self._refused = refused
        self._busy = busy

    def transact(self, actions, token):
        self.tokens.append(token)
        self.calls.append(list(actions))
        if len(self.calls) <= self._busy:
            raise UnavailableError("busy")
        free = [each not in self._refused for each in actions]
        if all(free):
            self.stored += actions
        return free


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr(transactions, "_PAUSES", (0, 0, 0))


def _changes(count: int, actions: int = 1) -> list[list[str]]:
    return [[f"{number}.{part}" for part in range(actions)] for number in range(count)]


@pytest.mark.parametrize(
    ("count", "actions", "calls"), [(0, 1, 0), (100, 1, 1), (101, 1, 2), (33, 3, 1), (34, 3, 2)]
)
def test_a_call_takes_a_hundred_actions(count, actions, calls):
    """As few calls are made as the actions fit into, and a change is never divided."""
    tables = Transactions()
    assert carry_out(tables, _changes(count, actions)) == [True] * count
    assert len(tables.calls) == calls
    assert sorted(tables.stored) == sorted(each for change in _changes(count, actions) for each in change)


def test_a_refused_change_stops_no_other():
    """The changes with a refused action are left out whole, whichever action it is; the rest is stored."""
    tables = Transactions({"3.0", "5.1"})
    held = carry_out(tables, _changes(10, 2))
    assert [number for number, holds in enumerate(held) if not holds] == [3, 5]
    assert not {"3.0", "3.1", "5.0", "5.1"} & set(tables.stored)
    assert len(tables.stored) == 16


def test_a_busy_row_is_tried_again():
    """A transaction that met another one succeeds a moment later."""
    assert carry_out(Transactions(busy=2), _changes(3)) == [True] * 3


def test_a_try_without_an_answer_keeps_its_token():
    """The same actions go again under the same token, so that DynamoDB knows them; others get another."""
    unheard = Transactions(busy=1)
    assert carry_out(unheard, _changes(3)) == [True] * 3
    assert len(unheard.tokens) == 2
    assert len(set(unheard.tokens)) == 1
    refused = Transactions({"1.0"})
    carry_out(refused, _changes(3))
    assert len(set(refused.tokens)) == len(refused.calls) == 2


def test_rows_that_stay_busy_count_as_not_changed():
    """After a few tries the changes are given up, and nothing was stored."""
    tables = Transactions(busy=99)
    assert carry_out(tables, _changes(3)) == [False] * 3
    assert tables.stored == []


def test_large_changes_are_divided_by_their_size():
    """What would pass 4 MB goes in several calls, side by side, so in any order."""
    tables = Transactions()
    assert all(carry_out(tables, [["x" * 1_000_000]] * 10))
    assert sorted(len(call) for call in tables.calls) == [1, 3, 3, 3]
