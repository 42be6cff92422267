"""What imports and exports have in common: how they are made, found and shown."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any

from ..contract.datasets import Transfer, TransferKind, TransferStatus, transfer_row
from ..contract.errors import NotFoundError
from ..contract.ids import is_ulid
from ..contract.objects import transfer_key
from .ports import Clock, IdempotencyKeys, Ids, ObjectStore
from .times import parse, rfc3339
from .transfer_jobs import TransferRunner
from .transfer_ports import Transfers

#: What a Lambda function signs works for as long as its credentials do, which may be little more.
URL_SECONDS = 3600
#: How long a transfer's row can be read, and its objects (infra/template.yaml).
KEPT, OBJECTS_KEPT = timedelta(days=30), timedelta(days=7)
ARCHIVE, REPORT, RESULT = "archive", "report.jsonl", "export.zip"


@dataclass(frozen=True, slots=True)
class PartUrl:
    """Where a part of an archive is to be PUT."""

    number: int
    url: str


@dataclass(frozen=True, slots=True)
class ShownTransfer:
    """A transfer with what can be fetched, and what is still to be sent."""

    transfer: Transfer
    parts: Sequence[PartUrl] | None = None
    report_url: str | None = None
    result_url: str | None = None
    replayed: bool = False  # an earlier request with the same idempotency key had made it


class TransferBook:
    """What imports and exports have in common: rows, and how they are shown."""

    def __init__(
        self,
        transfers: Transfers,
        runner: TransferRunner,
        store: ObjectStore,
        idempotency: IdempotencyKeys,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self.transfers = transfers
        self.runner = runner
        self._store = store
        self._idempotency = idempotency
        self._clock = clock
        self._ids = ids

    def draft(
        self, project_id: str, kind: TransferKind, key: str | None, request_id: str | None, **fields: Any
    ) -> tuple[Transfer, bool]:
        """A new transfer, not yet stored; an export waits at once, an import for its archive.

        Args:
            project_id: whose it is.
            kind: of which kind.
            key: the idempotency key: with the same one, the same `fields` are the same transfer.
            request_id: stands in the log of its job.
            fields: what is asked for.

        Returns:
            With it, whether the row is there already: of an earlier request with the same key.
        """
        now = self._clock.now()
        transfer_id = self._id(project_id, kind, key, fields)
        draft = Transfer(
            project_id=project_id,
            image_id=transfer_row(kind, transfer_id),
            transfer_id=transfer_id,
            kind=kind,
            status=TransferStatus.UPLOADING if kind == "import" else TransferStatus.QUEUED,
            created_at=rfc3339(now),
            expires_at=int((now + KEPT).timestamp()),
            request_id=request_id,
            **fields,
        )
        # An earlier request may have died between its key and its row.
        return draft, key is not None and self.transfers.get(project_id, kind, transfer_id) is not None

    def _id(self, project_id: str, kind: TransferKind, key: str | None, asked: dict[str, Any]) -> str:
        new = self._ids.new()
        if key is None:
            return new
        digest = sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
        name, now = f"{kind}#{project_id}#{key}", self._clock.now()
        return str(self._idempotency.fix(name, digest, now, {"transferId": new})["transferId"])

    def get(self, project_id: str, kind: TransferKind, transfer_id: str) -> Transfer:
        """The transfer, looked after.

        Raises:
            NotFoundError: the project has none of this kind and id.
        """
        found = self.transfers.get(project_id, kind, transfer_id) if is_ulid(transfer_id) else None
        if found is None:
            raise NotFoundError(f"no such {kind}", code=f"{kind}-not-found")
        return self.runner.look_after(found)

    def show(self, transfer: Transfer) -> ShownTransfer:
        ended = transfer.ended_at if transfer.status == TransferStatus.COMPLETED else None
        if ended is None or self._clock.now() - parse(ended) > OBJECTS_KEPT:
            return ShownTransfer(transfer)
        is_export = transfer.kind == "export"
        return ShownTransfer(
            transfer,
            report_url=self._sign(transfer, REPORT, "problems.jsonl") if transfer.problems else None,
            result_url=self._sign(transfer, RESULT, "export.zip") if is_export else None,
        )

    def _sign(self, transfer: Transfer, name: str, file_name: str) -> str:
        key = transfer_key(transfer.project_id, transfer.transfer_id, name)
        return self._store.sign_get(key, URL_SECONDS, file_name)
