"""Uploads, and what is known of the files that belong to one."""

import json
import zlib
from dataclasses import dataclass
from datetime import timedelta

from ..contract.errors import RejectedImageError
from ..contract.ids import ulid_distance
from ..contract.records import Image, ImageStatus, Upload
from .acceptance import MAX_IMAGE_BYTES
from .data_ports import Uploads
from .names import MAX_FILE_NAME, file_name

#: What a Lambda function signs works for as long as its credentials do, which may be little more.
UPLOAD_OPEN = timedelta(hours=1)
#: How long the reconciliation of an upload can be read, and a deleted image's tombstone stays.
UPLOAD_KEPT = timedelta(days=30)
#: So many names, cut off at 255 bytes, fit into one item of 400 KB even if they don't compress.
NAMES_A_PART = 1000


@dataclass(frozen=True, slots=True)
class AnnouncedFile:
    """A file that a client is going to post to S3."""

    file_name: str
    size_bytes: int
    content_type: str


def rejection(
    upload: Upload, image_id: str, name: str, problem: RejectedImageError, upload_time: str
) -> Image:
    """The row that says why a file of an upload wasn't taken."""
    return Image(
        project_id=upload.project_id,
        image_id=image_id,
        status=ImageStatus.REJECTED,
        upload_time=upload_time,
        file_name=_cut(name),
        reject_reason={"code": problem.code, "message": problem.detail},
        upload_id=upload.upload_id,
        expires_at=upload.expires_at,
    )


def names_part(uploads: Uploads, upload: Upload, part: int) -> list[str]:
    """The names of up to `NAMES_A_PART` files of an upload, in the order of their ids."""
    names: list[str] = json.loads(zlib.decompress(uploads.names(upload, part)))
    return names


def index_of(upload: Upload, image_id: str) -> int | None:
    """Which file of an upload an id is; None where the upload gave out no such id."""
    index = ulid_distance(upload.upload_id, image_id) - 1
    return index if 0 <= index < upload.expected else None


def packed_names(names: list[str]) -> list[bytes]:
    kept = [_cut(each) for each in names]
    parts = (kept[start : start + NAMES_A_PART] for start in range(0, len(kept), NAMES_A_PART))
    return [zlib.compress(json.dumps(part, ensure_ascii=False).encode(errors="replace")) for part in parts]


def _cut(name: str) -> str:
    """Only a file that is refused for its name has a longer one; a path in a zip may have 64 KB."""
    return name.encode(errors="replace")[:MAX_FILE_NAME].decode(errors="ignore")


def counted_as(image: Image) -> str:
    """What a file counts as; a deleted one as what it was before."""
    if image.status != ImageStatus.DELETED:
        return image.status
    if image.reject_reason:
        return ImageStatus.REJECTED
    return ImageStatus.DUPLICATE if image.duplicate_of else ImageStatus.ACCEPTED


def announcement_problem(announced: AnnouncedFile) -> RejectedImageError | None:
    """Why a file would be refused for what its client says of it."""
    if announced.size_bytes > MAX_IMAGE_BYTES:
        return RejectedImageError("the file has over 50 MB", code="file-too-large")
    if announced.size_bytes == 0:
        return RejectedImageError("the file is empty", code="empty-file")
    if not announced.content_type.startswith("image/"):
        return RejectedImageError("the content type isn't an image's", code="not-an-image")
    try:
        file_name(announced.file_name)
    except RejectedImageError as error:
        return error
    return None
