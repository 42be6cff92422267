"""A container's hold on its session in memory, with the conditions of training_job/sessions.py."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from chalicelib.contract.attributes import attribute_name
from chalicelib.contract.errors import LostClaimError
from chalicelib.contract.records import Session
from chalicelib.contract.states import Phase, Status, origins
from chalicelib.services.ports import Clock
from chalicelib.services.times import rfc3339
from tests.fake_tables import FakeSessions

_FIELDS = {attribute_name(each): each.name for each in fields(Session)}


@dataclass(frozen=True, kw_only=True)
class FakeContainer:
    """One attempt of one job; see `training_job.sessions.SessionRepository`."""

    sessions: FakeSessions
    clock: Clock
    project_id: str
    session_id: str
    generation: int
    attempt: int
    batch_job_id: str

    def claim(self) -> Session:
        row = self._row()
        is_free = (
            row.status in origins(Status.RUNNING)
            and row.generation == self.generation
            and row.batch_job_id in (None, self.batch_job_id)
            and row.attempt < self.attempt
        )
        own = {"batch_job_id": self.batch_job_id, "attempt": self.attempt, "phase": Phase.PREPARING}
        return self._change(is_free, status=Status.RUNNING, eta_seconds=None, **own)

    def update(self, values: Mapping[str, Any]) -> Session:
        return self._change(self._is_owner(), **_named(values))

    def end(self, status: Status, values: Mapping[str, Any]) -> None:
        final = {"status": status, "end_time": self._now(), "active": None, "checkpoint": None}
        self._change(self._is_owner(), eta_seconds=None, **final, **_named(values))

    def _is_owner(self) -> bool:
        row = self._row()
        own = (Status.RUNNING, self.generation, self.attempt, self.batch_job_id)
        return (row.status, row.generation, row.attempt, row.batch_job_id) == own

    def _row(self) -> Session:
        return self.sessions.rows[self.project_id, self.session_id]

    def _now(self) -> str:
        return rfc3339(self.clock.now())

    def _change(self, holds: bool, **changes: Any) -> Session:
        if not holds:
            raise LostClaimError(f"attempt {self.attempt} doesn't own the session")
        row = replace(self._row(), heartbeat_at=self._now(), **changes)
        self.sessions.rows[self.project_id, self.session_id] = row
        return row


def _named(values: Mapping[str, Any]) -> dict[str, Any]:
    return {_FIELDS[name]: each for name, each in values.items()}
