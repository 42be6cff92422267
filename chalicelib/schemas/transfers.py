"""Imports and exports."""

from typing import Annotated, Any, Self

from pydantic import Field

from ..contract.datasets import FormatName, TransferStatus
from ..services.transfer_book import ShownTransfer
from ..services.transfers import MAX_ARCHIVE_BYTES, part_sizes
from .base import Answer, Request, omitted
from .data import Reason


class ImportCreate(Request):
    """Announces an archive: a zip, or an annotation file for images that the project has."""

    file_name: Annotated[str, Field(min_length=1, max_length=255)]
    size_bytes: Annotated[int, Field(ge=1, le=MAX_ARCHIVE_BYTES)]
    format: FormatName | None = Field(default=None, description="By default found out from the content.")


class ExportCreate(Request):
    format: FormatName = "darkroom"
    with_images: bool = Field(default=True, description="False: the annotation files alone.")
    version_id: str | None = Field(default=None, description="By default the present data.")


class PartAnswer(Answer):
    """PUT the part's bytes to `url`; the signature holds for an hour."""

    part_number: int
    url: str


class Problems(Answer):
    """How many there are, in all and of each code; the report has the first 100,000."""

    total: int
    by_code: dict[str, int]


class TransferAnswer(Answer):
    status: TransferStatus
    format: FormatName | None = None
    progress: Annotated[float, Field(ge=0, le=100)]
    counts: dict[str, int]
    problems: Problems
    examples: list[dict[str, Any]] = Field(description="The first lines of the report.")
    report_url: str | None = Field(
        default=None, description="JSON lines: {file, line?, key?, code, message}."
    )
    failure: Reason | None = None
    created_at: str
    ended_at: str | None = None


class ImportAnswer(TransferAnswer):
    """How far an import is. files = accepted + duplicate + rejected + pending, at every moment."""

    import_id: str
    file_name: str
    size_bytes: int
    part_size_bytes: int | None = omitted()
    parts: list[PartAnswer] | None = Field(
        default=None,
        description="While it is sent: the parts that are still missing.",
        exclude_if=lambda value: value is None,
    )

    @classmethod
    def of(cls, shown: ShownTransfer) -> Self:
        transfer = shown.transfer
        size, parts = transfer.size_bytes or 0, None
        if shown.parts is not None:
            parts = [PartAnswer(part_number=each.number, url=each.url) for each in shown.parts]
        return cls(
            import_id=transfer.transfer_id,
            file_name=transfer.file_name or "",
            size_bytes=size,
            part_size_bytes=part_sizes(size)[0] if parts is not None else None,
            parts=parts,
            **_members(shown),
        )


class ExportAnswer(TransferAnswer):
    """How far an export is; when it is completed, `url` is that of the zip, for an hour."""

    export_id: str
    with_images: bool
    version_id: str | None = None
    size_bytes: int | None = None
    url: str | None = None

    @classmethod
    def of(cls, shown: ShownTransfer) -> Self:
        transfer = shown.transfer
        return cls(
            export_id=transfer.transfer_id,
            with_images=transfer.with_images,
            version_id=transfer.version_id,
            size_bytes=transfer.result_bytes,
            url=shown.result_url,
            **_members(shown),
        )


def _members(shown: ShownTransfer) -> dict[str, Any]:
    transfer = shown.transfer
    problems = dict(transfer.problems or {})
    return {
        "status": transfer.status,
        "format": transfer.format,
        "progress": transfer.progress,
        "counts": dict(transfer.counts or {}),
        "problems": Problems(total=sum(problems.values()), by_code=problems),
        "examples": list(transfer.examples or ()),
        "report_url": shown.report_url,
        "failure": Reason(**transfer.failure_reason) if transfer.failure_reason else None,
        "created_at": transfer.created_at,
        "ended_at": transfer.ended_at,
    }
