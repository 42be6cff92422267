"""Images, and what a project has of them."""

from typing import Self

from ..contract.records import ImageStatus, LabelValue
from ..services.gallery import Shown, Summary
from .base import Answer, omitted


class Reason(Answer):
    code: str
    message: str


class ImageAnswer(Answer):
    image_id: str
    file_name: str | None = omitted()
    status: ImageStatus
    label: LabelValue | None = None
    upload_time: str
    content_type: str | None = omitted()
    size_bytes: int | None = omitted()
    width: int | None = omitted()
    height: int | None = omitted()
    sha256: str | None = omitted()
    upload_id: str | None = omitted()
    duplicate_of: str | None = omitted()
    reject_reason: Reason | None = omitted()
    url: str | None = omitted()
    thumbnail_url: str | None = omitted()

    @classmethod
    def of(cls, shown: Shown) -> Self:
        image = shown.image
        return cls(
            image_id=image.image_id,
            file_name=image.file_name,
            status=image.status,
            label=shown.label,
            upload_time=image.upload_time,
            content_type=image.content_type,
            size_bytes=image.size_bytes,
            width=image.width,
            height=image.height,
            sha256=image.sha256,
            upload_id=image.upload_id,
            duplicate_of=image.duplicate_of,
            reject_reason=Reason(**image.reject_reason) if image.reject_reason else None,
            url=shown.url,
            thumbnail_url=shown.thumbnail_url,
        )


class SummaryAnswer(Answer):
    """Counts of a project's data; `classes` counts labelled images a class."""

    images: int
    labelled: int
    unlabelled: int
    duplicates: int
    rejected: int
    size_bytes: int
    classes: dict[str, int]
    warnings: list[str]

    @classmethod
    def of(cls, summary: Summary) -> Self:
        return cls(
            images=summary.images,
            labelled=summary.labelled,
            unlabelled=summary.images - summary.labelled,
            duplicates=summary.duplicates,
            rejected=summary.rejected,
            size_bytes=summary.size_bytes,
            classes=summary.classes,
            warnings=summary.warnings,
        )
