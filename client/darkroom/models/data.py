"""Images, labels, uploads, and what a project has."""

from typing import Any, Literal

from .decoding import model

SplitName = Literal["train", "val", "test"]
ImageStatus = Literal["accepted", "duplicate", "rejected", "deleted"]
#: A class, or for detection a list of {"label": class, "box": [x, y, width, height]} in pixels.
Label = str | list[dict[str, Any]]


@model("Reason")
class Reason:
    code: str
    message: str


@model("ImageAnswer")
class Image:
    image_id: str
    file_name: str | None = None
    status: ImageStatus
    label: Label | None = None
    split: SplitName | None = None
    upload_time: str
    content_type: str | None = None
    size_bytes: int | None = None
    width: int | None = None
    height: int | None = None
    sha256: str | None = None
    upload_id: str | None = None
    duplicate_of: str | None = None
    reject_reason: Reason | None = None
    url: str | None = None
    thumbnail_url: str | None = None


@model("LabelAnswer")
class LabelledImage:
    image_id: str
    file_name: str | None = None
    label: Label
    updated_at: str


@model("LabelProblem")
class LabelProblem:
    """A label or split that wasn't stored; `key` is the image id or file name that was sent."""

    key: str
    code: str
    message: str


@model("LabelsSummary")
class LabelsSummary:
    updated: int
    failed: int
    omitted: int = 0


@model("LabelsAnswer")
class LabelsReport:
    """`items` are the failures only; `classes` counts the images labelled."""

    summary: LabelsSummary
    items: list[LabelProblem]
    classes: dict[str, int]


@model("SplitsAnswer")
class SplitsReport:
    summary: LabelsSummary
    items: list[LabelProblem]


@model("UploadImage")
class UploadImage:
    file_name: str
    image_id: str
    key: str


@model("RejectedFile")
class RejectedFile:
    file_name: str
    code: str
    message: str


@model("UploadAnswer")
class OpenUpload:
    """The signed form: each file is posted to `url` with `fields`, its `key` and its content type."""

    upload_id: str
    url: str
    fields: dict[str, str]
    expires_at: str
    images: list[UploadImage]
    rejected: list[RejectedFile]


@model("PendingFile")
class PendingFile:
    file_name: str
    image_id: str


@model("UploadStatus")
class UploadStatus:
    """expected = accepted + duplicate + rejected + pending."""

    upload_id: str
    status: Literal["open", "complete", "expired"]
    expires_at: str
    expected: int
    accepted: int
    duplicate: int
    rejected: int
    pending: int
    expired: int
    rejected_files: list[RejectedFile]
    pending_files: list[PendingFile]
