"""Imports and exports in DynamoDB: they share the Images table, behind the images."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from ..contract.attributes import attribute_name, from_item, to_item
from ..contract.datasets import Transfer, TransferKind, TransferStatus, transfer_row
from ..contract.ids import LAST, ulid_at
from ..contract.records import Project
from ..contract.tables import IMAGES, PROJECTS
from .dynamodb import Tables
from .images import image_row

_ATTRIBUTES = {each.name: attribute_name(each) for each in fields(Transfer)}


class DynamoTransfers:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def add(self, transfer: Transfer) -> None:
        self._tables.put(IMAGES, to_item(transfer), "attribute_not_exists(#ImageID)")

    def get(self, project_id: str, kind: TransferKind, transfer_id: str) -> Transfer | None:
        item = self._tables.get(IMAGES, image_row(project_id, transfer_row(kind, transfer_id)))
        return from_item(Transfer, item) if item else None

    def list(self, project_id: str, kind: TransferKind, limit: int, before: str | None) -> Sequence[Transfer]:
        last = ulid_at(before, -1) if before else LAST
        values = {"project": project_id, "first": transfer_row(kind, ""), "last": transfer_row(kind, last)}
        condition = "#ProjectID = :project AND #ImageID BETWEEN :first AND :last"
        found = self._tables.query(IMAGES, condition, values, descending=True, limit=limit)
        return [from_item(Transfer, each) for each in found]

    def change(
        self,
        transfer: Transfer,
        changes: Mapping[str, Any],
        since: Sequence[TransferStatus],
        attempt: int | None = None,
    ) -> bool:
        condition = f"#Status IN ({', '.join(f':since{place}' for place in range(len(since)))})"
        values: dict[str, Any] = {f"since{place}": each for place, each in enumerate(since)}
        if attempt is not None:
            condition, values = f"{condition} AND #Attempt = :attempt", values | {"attempt": attempt}
        return self._set(transfer, changes, condition, values)

    def claim(self, transfer: Transfer, attempt: int, at: str) -> bool:
        return self._set(
            transfer,
            {"status": TransferStatus.RUNNING, "attempt": attempt, "heartbeat_at": at},
            "#Status IN (:queued, :running) AND #Attempt < :attempt",
            {"queued": TransferStatus.QUEUED, "running": TransferStatus.RUNNING, "attempt": attempt},
        )

    def _set(
        self, transfer: Transfer, changes: Mapping[str, Any], condition: str, values: Mapping[str, Any]
    ) -> bool:
        new = {_ATTRIBUTES[name]: value for name, value in changes.items() if value is not None}
        return self._tables.update(
            IMAGES,
            image_row(transfer.project_id, transfer.image_id),
            "SET " + ", ".join(f"#{name} = :new{name}" for name in new),
            condition,
            {f"new{name}": value for name, value in new.items()} | dict(values),
        )


class DynamoProjectReader:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def live(self, project_id: str) -> Project | None:
        item = self._tables.get(PROJECTS, {"ProjectID": project_id})
        project = from_item(Project, item) if item else None
        return None if project is None or project.deleted_at else project
