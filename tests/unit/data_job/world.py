"""A world for the worker: fakes, a project, and transfers that are carried out in this process."""

import json
from dataclasses import fields
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import ZipFile

from chalicelib.bootstrap import Ports as ApiPorts
from chalicelib.contract.datasets import Transfer, TransferStatus, transfer_row
from chalicelib.contract.objects import transfer_key
from chalicelib.contract.records import Failure
from data_job.job import carry_out
from data_job.ports import Ports
from tests.fake_transfers import FakeProjectReader
from tests.fakes import fake_ports
from tests.support import NOW, make_project, new_id

BAD = b"no picture"


def picture(number: int | str) -> bytes:
    """A file that `FakeInspector` takes; each number is another one. It has 8 x 6 pixels."""
    return f"image {number}".encode()


def zipped(members: dict[str, bytes | str]) -> bytes:
    target = BytesIO()
    with ZipFile(target, "w") as archive:
        for path, content in members.items():
            archive.writestr(path, content)
    return target.getvalue()


class World:
    def __init__(self, task_type: str = "classification") -> None:
        self.api: ApiPorts = fake_ports()
        self.project = make_project(task_type=task_type)
        self.project_id = self.project.project_id
        self.api.projects.add(self.project)
        own = {each.name: getattr(self.api, each.name, None) for each in fields(Ports)}
        self.ports = Ports(**(own | {"projects": FakeProjectReader(self.api.projects)}))
        self._attempts: dict[str, int] = {}

    def add(self, kind: str, **changes: Any) -> Transfer:
        transfer_id = new_id()
        own = {
            "project_id": self.project_id,
            "image_id": transfer_row(kind, transfer_id),
            "transfer_id": transfer_id,
            "kind": kind,
            "status": TransferStatus.QUEUED,
            "created_at": NOW,
            "expires_at": 2_000_000_000,
            "file_name": "data.zip",
        }
        transfer = Transfer(**(own | changes))
        self.api.transfers.add(transfer)
        return transfer

    def add_import(self, archive: bytes | dict[str, bytes | str], **changes: Any) -> Transfer:
        transfer = self.add("import", **changes)
        content = zipped(archive) if isinstance(archive, dict) else archive
        self.api.store.put(self.key(transfer, "archive"), content, "application/zip")
        return transfer

    def run(self, transfer: Transfer, ports: Ports | None = None) -> Failure | None:
        """The next attempt."""
        attempt = self._attempts[transfer.transfer_id] = self._attempts.get(transfer.transfer_id, 0) + 1
        with TemporaryDirectory() as folder:
            return carry_out(
                ports or self.ports,
                transfer.project_id,
                transfer.kind,
                transfer.transfer_id,
                attempt,
                Path(folder),
            )

    def imported(self, archive: bytes | dict[str, bytes | str], **changes: Any) -> Transfer:
        """The transfer after an import that went well."""
        transfer = self.add_import(archive, **changes)
        assert self.run(transfer) is None
        return self.seen(transfer)

    def exported(self, format_name: str, **changes: Any) -> bytes:
        """The zip of an export that went well."""
        transfer = self.add("export", format=format_name, **changes)
        assert self.run(transfer) is None
        return self.api.store.objects[self.key(transfer, "export.zip")]

    def seen(self, transfer: Transfer) -> Transfer:
        return self.api.transfers.get(transfer.project_id, transfer.kind, transfer.transfer_id)

    def key(self, transfer: Transfer, name: str) -> str:
        return transfer_key(transfer.project_id, transfer.transfer_id, name)

    def report(self, transfer: Transfer) -> list[dict[str, Any]]:
        content = self.api.store.objects.get(self.key(transfer, "report.jsonl"), b"")
        return [json.loads(line) for line in content.splitlines()]

    def images(self, status: str = "accepted") -> dict[str, Any]:
        """File name -> row."""
        rows = self.api.images.rows.values()
        return {each.file_name: each for each in rows if each.status == status}

    def labels(self) -> dict[str, Any]:
        """File name -> label."""
        names = {each.image_id: each.file_name for each in self.images().values()}
        return {names[each.image_id]: each.label for each in self.api.labels.all(self.project_id)}
