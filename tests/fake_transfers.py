"""In-memory imports and exports, and objects in pieces."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import md5
from threading import RLock
from typing import Any

from chalicelib.contract.datasets import Transfer, TransferKind, TransferStatus, transfer_row
from chalicelib.contract.errors import UnprocessableError
from chalicelib.contract.records import Project
from chalicelib.services.run_ports import JobSeen
from chalicelib.services.transfer_ports import ObjectSeen, Part


class FakeTransfers:
    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], Transfer] = {}
        self._lock = RLock()

    def add(self, transfer: Transfer) -> None:
        self.rows.setdefault((transfer.project_id, transfer.image_id), transfer)

    def get(self, project_id: str, kind: TransferKind, transfer_id: str) -> Transfer | None:
        return self.rows.get((project_id, transfer_row(kind, transfer_id)))

    def list(self, project_id: str, kind: TransferKind, limit: int, before: str | None) -> Sequence[Transfer]:
        own = [each for each in self.rows.values() if (each.project_id, each.kind) == (project_id, kind)]
        older = [each for each in own if before is None or each.transfer_id < before]
        return sorted(older, key=lambda each: each.transfer_id, reverse=True)[:limit]

    def change(
        self,
        transfer: Transfer,
        changes: Mapping[str, Any],
        since: Sequence[TransferStatus],
        attempt: int | None = None,
    ) -> bool:
        with self._lock:
            row = self.rows.get((transfer.project_id, transfer.image_id))
            if row is None or row.status not in since or attempt not in (None, row.attempt):
                return False
            new = {name: value for name, value in changes.items() if value is not None}
            self.rows[transfer.project_id, transfer.image_id] = replace(row, **new)
        return True

    def claim(self, transfer: Transfer, attempt: int, at: str) -> bool:
        with self._lock:
            row = self.rows.get((transfer.project_id, transfer.image_id))
            if row is None or row.attempt >= attempt:
                return False
            changes = {"status": TransferStatus.RUNNING, "attempt": attempt, "heartbeat_at": at}
            return self.change(row, changes, [TransferStatus.QUEUED, TransferStatus.RUNNING])


class FakeProjectReader:
    def __init__(self, projects: Any) -> None:
        self._projects = projects

    def live(self, project_id: str) -> Project | None:
        project = self._projects.rows.get(project_id)
        return None if project is None or project.deleted_at else project


class FakeLargeObjects:
    """Keeps its objects in a `FakeStore`."""

    def __init__(self, store: Any) -> None:
        self.uploads: dict[str, dict[int, bytes]] = {}
        self._store = store

    def begin(self, key: str, content_type: str) -> str:
        multipart_id = f"multipart-{len(self.uploads)}"
        self.uploads[multipart_id] = {}
        return multipart_id

    def sign_part(self, key: str, multipart_id: str, number: int, size_bytes: int, seconds: int) -> str:
        return f"https://store.example/{key}?part={number}&expires={seconds}"

    def put_part(self, key: str, multipart_id: str, number: int, content: bytes) -> Part:
        self.uploads[multipart_id][number] = bytes(content)
        return _part(number, content)

    def parts(self, key: str, multipart_id: str) -> Sequence[Part] | None:
        sent = self.uploads.get(multipart_id)
        return None if sent is None else [_part(number, sent[number]) for number in sorted(sent)]

    def finish(self, key: str, multipart_id: str, parts: Sequence[Part]) -> None:
        sent = self.uploads.pop(multipart_id, None)
        if sent is not None:
            content = b"".join(sent[each.number] for each in parts)
            self._store.put(key, content, "application/octet-stream")

    def find(self, key: str) -> ObjectSeen | None:
        content = self._store.objects.get(key)
        return None if content is None else ObjectSeen(len(content), md5(content).hexdigest())

    def read(self, key: str, etag: str, start: int, length: int) -> bytes:
        seen = self.find(key)
        if seen is None or seen.etag != etag:
            raise UnprocessableError("gone", code="archive-gone")
        content: bytes = self._store.objects[key]
        return content[start : start + length]


class FakeTransferJobs:
    """AWS Batch without machines; set `error` to have SubmitJob fail, `loses_answer` to have it work too."""

    def __init__(self) -> None:
        self.seen: dict[str, JobSeen] = {}
        self.names: dict[str, str] = {}
        self.error: Exception | None = None
        self.loses_answer = False

    def submit(self, transfer: Transfer) -> str:
        if self.error and not self.loses_answer:
            raise self.error
        batch_job_id = f"job-{len(self.seen):04}"
        self.names[batch_job_id] = transfer.transfer_id
        self.seen[batch_job_id] = JobSeen(batch_job_id, "RUNNABLE")
        if self.error:
            raise self.error
        return batch_job_id

    def find(self, transfer_id: str) -> Sequence[JobSeen]:
        return [self.seen[each] for each, name in self.names.items() if name == transfer_id]

    def describe(self, batch_job_ids: Sequence[str]) -> Mapping[str, JobSeen]:
        return {each: self.seen[each] for each in batch_job_ids if each in self.seen}


def _part(number: int, content: bytes) -> Part:
    return Part(number, len(content), md5(content).hexdigest())
