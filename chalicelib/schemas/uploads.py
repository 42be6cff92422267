"""Uploads, both ways."""

from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import Field

from ..contract.records import ImageStatus
from ..services.direct_uploads import Outcome
from ..services.filters import MAX_UPLOAD_FILES
from ..services.posted_uploads import OpenUpload, Reconciliation
from .base import Answer, Request, omitted
from .data import Reason


class SentImage(Answer):
    """What became of one file of a multipart request."""

    file_name: str
    status: Literal["created", "duplicate", "failed"]
    image_id: str | None = omitted()
    width: int | None = omitted()
    height: int | None = omitted()
    sha256: str | None = omitted()
    error: Reason | None = omitted()

    @classmethod
    def of(cls, outcome: Outcome) -> Self:
        if outcome.error is not None:
            reason = Reason(code=outcome.error.code, message=outcome.error.detail)
            return cls(file_name=outcome.file_name, status="failed", error=reason)
        assert outcome.image is not None  # noqa: S101 - an outcome is the one or the other
        image = outcome.image
        if image.status == ImageStatus.DUPLICATE:
            return cls(
                file_name=outcome.file_name,
                status="duplicate",
                image_id=image.duplicate_of,
                sha256=image.sha256,
            )
        return cls(
            file_name=outcome.file_name,
            status="created",
            image_id=image.image_id,
            width=image.width,
            height=image.height,
            sha256=image.sha256,
        )


class SentSummary(Answer):
    received: int
    created: int
    duplicate: int
    failed: int


class SentImages(Answer):
    summary: SentSummary
    items: list[SentImage]

    @classmethod
    def of(cls, outcomes: Iterable[Outcome]) -> Self:
        items = [SentImage.of(each) for each in outcomes]
        count = Counter(each.status for each in items)
        summary = SentSummary(
            received=len(items),
            created=count["created"],
            duplicate=count["duplicate"],
            failed=count["failed"],
        )
        return cls(summary=summary, items=items)


class FileToUpload(Request):
    file_name: Annotated[str, Field(max_length=1000)]
    size_bytes: Annotated[int, Field(ge=0)]
    content_type: Annotated[str, Field(max_length=100)]


class UploadCreate(Request):
    files: Annotated[list[FileToUpload], Field(min_length=1, max_length=MAX_UPLOAD_FILES)]


class UploadImage(Answer):
    file_name: str
    image_id: str
    key: str


class RejectedFile(Answer):
    file_name: str
    code: str
    message: str


class UploadAnswer(Answer):
    """Post each file to `url` as multipart/form-data: `fields`, then the image's `key`, then
    Content-Type (image/…), and `file` last."""

    upload_id: str
    url: str
    fields: dict[str, str]
    expires_at: str
    images: list[UploadImage]
    rejected: list[RejectedFile]

    @classmethod
    def of(cls, opened: OpenUpload) -> Self:
        return cls(
            upload_id=opened.upload.upload_id,
            url=opened.policy.url,
            fields=dict(opened.policy.fields),
            expires_at=opened.upload.closes_at,
            images=[UploadImage(file_name=name, image_id=id_, key=key) for name, id_, key in opened.images],
            rejected=[
                RejectedFile(file_name=each.file_name, code=each.error.code, message=each.error.detail)
                for each in opened.rejected
                if each.error
            ],
        )


class PendingFile(Answer):
    file_name: str
    image_id: str


class UploadStatus(Answer):
    """expected = accepted + duplicate + rejected + pending, at every moment.

    A file that was never sent is pending. `expired` counts those of the pending files that can't arrive
    any more, since the signed form has run out: renew the upload to send them. A deleted image counts
    as what it was before. All files are counted; of a large import's the lists name the first 10,000.
    """

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

    @classmethod
    def of(cls, found: Reconciliation) -> Self:
        status: Literal["open", "complete", "expired"] = "expired" if found.expired else "open"
        # As many as an upload has: an answer of Lambda has room for 6 MB.
        rejected = found.rejected[:MAX_UPLOAD_FILES]
        pending = found.pending[: MAX_UPLOAD_FILES - len(rejected)]
        return cls(
            upload_id=found.upload.upload_id,
            status=status if found.pending else "complete",
            expires_at=found.upload.closes_at,
            expected=found.upload.expected,
            accepted=found.counts.get("accepted", 0),
            duplicate=found.counts.get("duplicate", 0),
            rejected=found.counts.get("rejected", 0),
            pending=found.counts.get("pending", 0),
            expired=found.expired,
            rejected_files=[
                RejectedFile(file_name=each.file_name or "", **(each.reject_reason or {}))
                for each in rejected
            ],
            pending_files=[PendingFile(file_name=name, image_id=id_) for name, id_ in pending],
        )
