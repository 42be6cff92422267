"""Counts of attempts to log in, in memory."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from threading import Lock

from chalicelib.contract.records import LoginAttempts


class FakePseudonyms:
    """By the keys "2" and "1"."""

    def of(self, text: str) -> Sequence[str]:
        return [f"{text} by {key}" for key in "21"]


class FakeAttempts:
    def __init__(self) -> None:
        self.rows: dict[str, LoginAttempts] = {}
        self._lock = Lock()

    def get(self, names: Sequence[str]) -> Mapping[str, LoginAttempts]:
        return {name: self.rows[name] for name in names if name in self.rows}

    def replace(self, seen: LoginAttempts | None, new: LoginAttempts) -> bool:
        with self._lock:
            row = self.rows.get(new.user_id)
            holds = _counted(row) == _counted(seen)
            if holds:
                self.rows[new.user_id] = new
            return holds

    def forgive(self, name: str) -> None:
        with self._lock:
            row = self.rows.get(name)
            if row and row.failures > 0:
                self.rows[name] = replace(row, failures=row.failures - 1)

    def remember(self, new: LoginAttempts) -> None:
        with self._lock:
            row = self.rows.get(new.user_id)
            if row is None or row.known_until <= new.known_until:
                self.rows[new.user_id] = new


def _counted(row: LoginAttempts | None) -> tuple[int, float] | None:
    return (row.failures, row.allowed_at) if row else None
