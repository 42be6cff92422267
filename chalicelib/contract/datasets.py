"""Rows of imports, exports and dataset versions. They share the Images table, behind the images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, get_args

from .tables import EXPORT_MARKER, IMPORT_MARKER

TransferKind = Literal["import", "export"]
#: The annotation formats; `darkroom` is our own JSON.
FormatName = Literal["imagefolder", "csv", "coco", "yolo", "voc", "manifest", "darkroom"]
FORMATS: tuple[FormatName, ...] = get_args(FormatName)


class TransferStatus(StrEnum):
    """uploading -> queued -> running -> completed | failed; an export begins `queued`."""

    UPLOADING = "uploading"
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Transfer:
    """An import or an export, kept as `import#<transferId>` or `export#<transferId>`."""

    project_id: str
    image_id: str  # import#… or export#…
    transfer_id: str
    kind: TransferKind
    status: TransferStatus
    created_at: str
    expires_at: int
    #: Of an import None until the worker has looked inside, where the client didn't say.
    format: FormatName | None = None
    #: Of an import: the archive as it was announced, and S3's id of its multipart upload.
    file_name: str | None = None
    size_bytes: int | None = None
    multipart_id: str | None = None
    #: Of an export: whether the images are in it, and which version it is of; None is the present data.
    with_images: bool = True
    version_id: str | None = None
    batch_job_id: str | None = None
    attempt: int = 0
    heartbeat_at: str | None = None
    ended_at: str | None = None
    progress: float = 0  # 0 to 100
    #: camelCase, as the API shows them: what an import found, or what an export wrote.
    counts: Mapping[str, int] | None = None
    #: How many lines the report has, by code, and its first lines.
    problems: Mapping[str, int] | None = None
    examples: Sequence[Mapping[str, Any]] | None = None
    failure_reason: Mapping[str, str] | None = None
    #: Of the finished export's file.
    result_bytes: int | None = None
    #: Of the request that made it: it stands in every line of its job's log.
    request_id: str | None = None

    @property
    def is_over(self) -> bool:
        return self.status in (TransferStatus.COMPLETED, TransferStatus.FAILED)


def transfer_row(kind: TransferKind, transfer_id: str) -> str:
    """The sort key of a transfer's row."""
    return (IMPORT_MARKER if kind == "import" else EXPORT_MARKER) + transfer_id


@dataclass(frozen=True, kw_only=True, slots=True)
class DatasetVersion:
    """An immutable state of a project's labelled images, kept as `version#<versionId>`.

    Its manifest is the object `version_key(project_id, dataset_hash)`; see `manifest`.
    """

    project_id: str
    image_id: str  # version#<versionId>
    version_id: str
    dataset_hash: str
    created_at: str
    images: int
    classes: Mapping[str, int]  # images a class
    splits: Mapping[str, int]  # images a split that was given
    size_bytes: int
    #: Classes with an image that isn't kept for `val` or `test`; None in versions of before it was counted.
    learnable_classes: int | None = None
    #: None where a run made it for itself.
    name: str | None = None
    description: str | None = None
