"""What imports and exports need from the world."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..contract.datasets import Transfer, TransferKind, TransferStatus
from ..contract.records import Project
from .run_ports import JobSeen


class Transfers(Protocol):
    """Every change states its condition and returns whether it held."""

    def add(self, transfer: Transfer) -> None: ...

    def get(self, project_id: str, kind: TransferKind, transfer_id: str) -> Transfer | None: ...

    def list(self, project_id: str, kind: TransferKind, limit: int, before: str | None) -> Sequence[Transfer]:
        """Newest first, ids before `before`."""

    def change(
        self,
        transfer: Transfer,
        changes: Mapping[str, Any],
        since: Sequence[TransferStatus],
        attempt: int | None = None,
    ) -> bool:
        """Sets fields: holds while the status is one of `since` and, if given, the attempt is the newest."""

    def claim(self, transfer: Transfer, attempt: int, at: str) -> bool:
        """To `running`: holds while it isn't over, for a later attempt than the one that has it."""


class ProjectReader(Protocol):
    def live(self, project_id: str) -> Project | None:
        """None where it is deleted, or gone."""


class TransferJobs(Protocol):
    """AWS Batch's queue of imports and exports; see `run_ports.JobGateway`."""

    def submit(self, transfer: Transfer) -> str: ...

    def find(self, transfer_id: str) -> Sequence[JobSeen]: ...

    def describe(self, batch_job_ids: Sequence[str]) -> Mapping[str, JobSeen]: ...


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a multipart upload that S3 has. Numbers begin at 1."""

    number: int
    size_bytes: int
    etag: str


@dataclass(frozen=True, slots=True)
class ObjectSeen:
    size_bytes: int
    etag: str


class LargeObjects(Protocol):
    """Objects that are sent and read in pieces."""

    def begin(self, key: str, content_type: str) -> str:
        """Begins a multipart upload and returns its id."""

    def sign_part(self, key: str, multipart_id: str, number: int, size_bytes: int, seconds: int) -> str:
        """A URL to which one part of that size, and none of another, can be PUT."""

    def put_part(self, key: str, multipart_id: str, number: int, content: bytes) -> Part: ...

    def parts(self, key: str, multipart_id: str) -> Sequence[Part] | None:
        """Those that have arrived, by number; None where the upload is finished, or was given up."""

    def finish(self, key: str, multipart_id: str, parts: Sequence[Part]) -> None:
        """Makes the parts one object; an upload that is finished, or was given up, stays as it is."""

    def find(self, key: str) -> ObjectSeen | None: ...

    def read(self, key: str, etag: str, start: int, length: int) -> bytes:
        """Bytes of an object that must still be the one of that ETag.

        Raises:
            UnprocessableError: it is another one, or gone; code `archive-gone`.
        """
