"""The transfer that this process carries out: claiming it, reporting to it, ending it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from chalicelib.contract.datasets import Transfer, TransferKind, TransferStatus
from chalicelib.contract.records import Failure, Project
from chalicelib.services.ports import Clock
from chalicelib.services.times import rfc3339
from chalicelib.services.transfer_ports import ProjectReader, Transfers

_REPORT_EVERY = timedelta(seconds=2)
_RUNNING = (TransferStatus.RUNNING,)


class NotOursError(Exception):
    """The transfer is over, or another attempt's; or its project is deleted: there is nothing to do."""


class Progress:
    """Every write holds only while the transfer is this attempt's.

    Args:
        transfers: where it is kept.
        projects: where its project is.
        clock: the time.
        attempt: of Batch, from 1.
    """

    def __init__(self, transfers: Transfers, projects: ProjectReader, clock: Clock, attempt: int) -> None:
        self._transfers = transfers
        self._projects = projects
        self._clock = clock
        self._attempt = attempt
        self._reported: datetime | None = None

    def claim(self, project_id: str, kind: TransferKind, transfer_id: str) -> tuple[Project, Transfer]:
        """Takes the transfer over from any earlier attempt.

        Raises:
            NotOursError: it is over, or a later attempt has it; or it is gone, or its project.
        """
        project = self._projects.live(project_id)
        transfer = self._transfers.get(project_id, kind, transfer_id)
        now = rfc3339(self._clock.now())
        if not (project and transfer and self._transfers.claim(transfer, self._attempt, now)):
            raise NotOursError(f"{kind} {transfer_id} can't be claimed by attempt {self._attempt}")
        return project, transfer

    def tick(self, transfer: Transfer, **changes: Any) -> None:
        """Reports, every few seconds however often it is called, that this process is alive, and how far.

        Raises:
            NotOursError: it must go no further.
        """
        now = self._clock.now()
        if self._reported is None or now - self._reported >= _REPORT_EVERY:
            self._reported = now
            self.check_project(transfer)
            self._change(transfer, changes | {"heartbeat_at": rfc3339(now)})

    def check_project(self, transfer: Transfer) -> None:
        """Raises `NotOursError` once the project is deleted: nothing more may be added to it."""
        if self._projects.live(transfer.project_id) is None:
            raise NotOursError(f"project {transfer.project_id} is deleted")

    def complete(self, transfer: Transfer, **changes: Any) -> None:
        self._end(transfer, TransferStatus.COMPLETED, changes | {"progress": 100})

    def fail(self, transfer: Transfer, failure: Failure, **changes: Any) -> None:
        self._end(transfer, TransferStatus.FAILED, {"failure_reason": failure.to_json()} | changes)

    def _end(self, transfer: Transfer, status: TransferStatus, changes: Mapping[str, Any]) -> None:
        ended = {"status": status, "ended_at": rfc3339(self._clock.now())}
        self._change(transfer, ended | dict(changes))

    def _change(self, transfer: Transfer, changes: Mapping[str, Any]) -> None:
        if not self._transfers.change(transfer, changes, _RUNNING, self._attempt):
            raise NotOursError(f"{transfer.kind} {transfer.transfer_id} is over, or another attempt's")
