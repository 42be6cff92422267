"""Imports and exports of whole data sets."""

from typing import Any, Literal

from .data import Reason
from .decoding import model

FormatName = Literal["imagefolder", "csv", "coco", "yolo", "voc", "manifest", "darkroom"]
TransferState = Literal["uploading", "queued", "running", "completed", "failed"]


@model("Problems")
class Problems:
    total: int
    by_code: dict[str, int]


@model("PartAnswer")
class Part:
    """A part of an archive that is missing, and the URL that takes it."""

    part_number: int
    url: str


@model("ImportAnswer")
class Import:
    """How far an import is; `progress` is a percentage."""

    import_id: str
    file_name: str
    size_bytes: int
    part_size_bytes: int | None = None
    parts: list[Part] | None = None
    status: TransferState
    format: FormatName | None = None
    progress: float
    counts: dict[str, int]
    problems: Problems
    examples: list[dict[str, Any]]
    report_url: str | None = None
    failure: Reason | None = None
    created_at: str
    ended_at: str | None = None


@model("ExportAnswer")
class Export:
    """How far an export is; when it is completed, `url` is that of the zip."""

    export_id: str
    with_images: bool
    version_id: str | None = None
    size_bytes: int | None = None
    url: str | None = None
    status: TransferState
    format: FormatName | None = None
    progress: float
    counts: dict[str, int]
    problems: Problems
    examples: list[dict[str, Any]]
    report_url: str | None = None
    failure: Reason | None = None
    created_at: str
    ended_at: str | None = None
