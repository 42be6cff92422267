"""Images: showing them, and which of them are meant."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ..contract.records import ImageStatus, LabelValue, SplitName
from ..services.deletion import MAX_DELETED, Deleted
from ..services.filters import Filter
from ..services.gallery import Shown
from .base import Answer, Request, Ulid, omitted

#: What isn't an id is reported by itself; bounded, so that 10,000 of them fit into an answer of 6 MB.
_Id = Annotated[str, Field(max_length=64)]


class Reason(Answer):
    code: str
    message: str


class ImageAnswer(Answer):
    image_id: str
    file_name: str | None = omitted()
    status: ImageStatus
    label: LabelValue | None = None
    split: SplitName | None = None
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
            split=image.split,
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


class ImageFilter(Request):
    """Which images are meant: each member that is given must fit."""

    status: Literal["accepted", "duplicate", "rejected", "deleted"] | None = None
    label: str | None = None
    labelled: bool | None = None
    split: Literal[SplitName, "none"] | None = None
    upload_id: Ulid | None = None

    def wanted(self) -> Filter:
        members = self.model_dump(exclude={"status"})
        return Filter(status=ImageStatus(self.status) if self.status else None, **members)


class ImagesDelete(Request):
    """Either ids or a filter; `cursor` is the nextCursor of the deletion before, by the same filter."""

    image_ids: Annotated[list[_Id], Field(min_length=1, max_length=MAX_DELETED)] | None = None
    filter: ImageFilter | None = None
    cursor: Ulid | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.image_ids is None) == (self.filter is None):
            raise ValueError("either imageIds or filter is needed, and not both")
        if self.cursor and self.filter is None:
            raise ValueError("a cursor goes with a filter")
        return self


class DeletionProblem(Answer):
    image_id: str
    code: str
    message: str


class DeletionAnswer(Answer):
    """`deleted` images are gone. With `more`, send the filter again with `cursor` set to nextCursor."""

    deleted: int
    failed: list[DeletionProblem]
    more: bool
    next_cursor: str | None

    @classmethod
    def of(cls, deleted: Deleted) -> Self:
        failed = [
            # JSON can spell half a surrogate pair, but no answer in UTF-8 can carry it.
            DeletionProblem(
                image_id=each.image_id.encode(errors="replace").decode(), code=each.code, message=each.message
            )
            for each in deleted.failures
        ]
        more = deleted.cursor is not None
        return cls(deleted=deleted.deleted, failed=failed, more=more, next_cursor=deleted.cursor)
